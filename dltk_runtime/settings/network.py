"""Network: addresses, TLS, and bounds of connections and bodies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.setting_types import (
    as_bytes,
    as_duration,
    as_flag,
    as_hosts,
    as_path,
    as_port,
    as_positive,
    as_seconds,
    as_text,
    setting,
)
from dltk_runtime.units import GIB


@dataclass(frozen=True, kw_only=True)
class Network:
    """Network: addresses, TLS, and bounds of connections and bodies."""

    __slots__ = ()

    https: bool | None = setting(
        "ENABLE_HTTPS",
        None,
        "true or false",
        as_flag,
        "TLS on or off; unset: on in the image, elsewhere off and then only on a loopback address",
    )
    tls_cert: Path | None = setting(
        "API_SSL_CERT", None, "a path", as_path, "certificate chain (PEM); unset: a self-signed one, made once per home"
    )
    tls_key: Path | None = setting("API_SSL_KEY", None, "a path", as_path, "its private key (PEM)")
    tls_names: tuple[str, ...] = setting(
        "DLTK_TLS_NAMES",
        (),
        "host names or addresses, several separated by commas",
        as_hosts,
        "names by which clients call this server, for its self-signed certificate, which also has localhost, the "
        "machine's name and DLTK_HOST",
    )
    host: str = setting("DLTK_HOST", "127.0.0.1", "an address", as_text, "address to listen on; 0.0.0.0 in the image")
    port: int = setting("DLTK_PORT", 5000, "a port number (0-65535), 0 for a free one", as_port, "port to listen on")
    max_connections: int = setting(
        "DLTK_MAX_CONNECTIONS",
        4096,
        "an integer from 1",
        as_positive,
        "connections at the same time, an eighth of them without an accepted token; the oldest of these makes room for "
        "a new one",
    )
    max_unknown: int = setting(
        "DLTK_MAX_UNKNOWN",
        128,
        "an integer from 1",
        as_positive,
        "connections of one address (IPv6: one /64) without an accepted token, unless it has sent one in the last 10 "
        "minutes; the oldest makes room for a new one",
    )
    head_timeout: float = setting(
        "DLTK_HEAD_TIMEOUT",
        20.0,
        "seconds above 0",
        as_seconds,
        "time for a TLS handshake and the head of a request; also how long a connection may send nothing at all",
    )
    body_timeout: float = setting(
        "DLTK_BODY_TIMEOUT",
        60.0,
        "seconds above 0",
        as_seconds,
        "time for a whole body without an accepted token; with one, the time over which DLTK_BODY_RATE is measured",
    )
    body_rate: int = setting(
        "DLTK_BODY_RATE",
        1024,
        "a size such as 1K",
        as_bytes,
        "bytes a second that a body with an accepted token brings at least; 0: no minimum",
    )
    max_body: int = setting("DLTK_MAX_BODY", 2 * GIB, "a size such as 512M", as_bytes, "largest request body")
    grace: float = setting(
        "DLTK_GRACE",
        10.0,
        "seconds above 0",
        as_seconds,
        "time that running requests and fits have to end after SIGTERM",
    )
    drain: float = setting(
        "DLTK_DRAIN",
        3.0,
        "seconds from 0",
        as_duration,
        "the first part of DLTK_GRACE, in which /readyz answers 503 and new requests are still taken",
    )
