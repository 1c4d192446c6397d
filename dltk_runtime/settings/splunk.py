"""Splunk: its REST API, its HTTP Event Collector, and our events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.setting_types import as_bytes, as_flag, as_path, as_port, as_seconds, as_text, setting
from dltk_runtime.units import MIB


@dataclass(frozen=True, kw_only=True)
class SplunkApi:
    """Splunk: its REST API, its HTTP Event Collector, and our events."""

    __slots__ = ()

    splunk_access: bool = setting(
        "splunk_access_enabled", False, "1 or 0", as_flag, "whether notebooks may search in Splunk (dsdlsupport)"
    )
    splunk_host: str = setting("splunk_access_host", "", "text", as_text, "host of Splunk's REST API")
    splunk_port: int = setting(
        "splunk_access_port", 8089, "a port number (0-65535)", as_port, "port of Splunk's REST API"
    )
    splunk_token: str = setting("splunk_access_token", "", "text", as_text, "token for Splunk's REST API", secret=True)
    hec: bool = setting(
        "splunk_hec_enabled", False, "1 or 0", as_flag, "whether notebooks may send events to Splunk (dsdlsupport)"
    )
    hec_url: str = setting("splunk_hec_url", "", "text", as_text, "URL of the HTTP Event Collector")
    hec_token: str = setting("splunk_hec_token", "", "text", as_text, "token of the HTTP Event Collector", secret=True)
    splunk_cafile: Path | None = setting(
        "DLTK_SPLUNK_CAFILE",
        None,
        "a path",
        as_path,
        "certificates (PEM) to check Splunk's against; unset: the system's",
    )
    splunk_verify: bool = setting(
        "DLTK_SPLUNK_VERIFY", True, "true or false", as_flag, "whether Splunk's certificate is checked at all"
    )
    splunk_patience: float = setting(
        "DLTK_SPLUNK_PATIENCE",
        30.0,
        "seconds above 0",
        as_seconds,
        "how long a call is retried while Splunk does not answer or is busy",
    )
    events_index: str = setting(
        "DLTK_EVENTS_INDEX", "", "text", as_text, "index for the runtime's own events; unset: the token's default"
    )
    events_spool: int = setting(
        "DLTK_EVENTS_SPOOL",
        64 * MIB,
        "a size such as 64M",
        as_bytes,
        "disk space for events that Splunk has not accepted yet; events beyond it are dropped and counted",
    )
