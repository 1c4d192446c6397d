"""HTTP to Splunk: TLS settings, meaning of network failures, splunk-sdk's request handler."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltk_runtime import __version__
from dltk_runtime.errors import SettingInvalid
from dltk_runtime.http_client import HttpClient, Interrupted, RequestInvalid
from dltk_runtime.splunk.errors import CertificateRefused, SplunkError, SplunkUnreachable
from dltk_runtime.tls import client_context

HEADERS = {"User-Agent": f"dltk-runtime/{__version__}", "Accept": "*/*"}
BUSY_STATUSES = {429, 502, 503, 504}  # HTTP statuses that ask for another try


@dataclass(frozen=True, slots=True)
class Tls:
    """Check of Splunk's certificate: by the system's authorities, by `cafile` (PEM), or none."""

    verify: bool = True
    cafile: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Make the context of one connection.

        Raises:
            SettingInvalid: `cafile` cannot be read.
        """
        try:
            return client_context(self.cafile, verify=self.verify)
        except OSError as error:  # ssl.SSLError is one; its text names no file
            wanted = f"a file of certificates in PEM form ({error})"
            raise SettingInvalid("DLTK_SPLUNK_CAFILE", str(self.cafile), wanted) from error


def splunk_client(tls: Tls, read_seconds: float | None = None) -> HttpClient:
    """Make a client that raises `SplunkUnreachable` or `CertificateRefused`."""
    return HttpClient(tls.context, _error, read_seconds=read_seconds)


def sdk_handler(client: HttpClient) -> Callable[..., dict[str, Any]]:
    """Make splunk-sdk's request function; the body in its answer is a `Stream`."""

    def handle(url: str, message: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        body = message.get("body") or b""
        body = body.encode() if isinstance(body, str) else body
        stream = client.open(message.get("method", "GET"), str(url), {**HEADERS, **dict(message["headers"])}, body)
        return {"status": stream.status, "reason": stream.reason, "headers": stream.headers.items(), "body": stream}

    return handle


def _error(origin: str, error: OSError) -> SplunkError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateRefused(origin, error.verify_message or str(error))
    return SplunkUnreachable(origin, *_cause_and_advice(error))


def _cause_and_advice(error: OSError) -> tuple[str, str]:
    match error:
        case Interrupted():
            return str(error), ""
        case RequestInvalid():
            return str(error), "Check host and port. Addresses look like https://splunk.example:8089."
        case socket.gaierror():
            return f"the host name cannot be resolved ({error.strerror})", "Check the host name."
        case ConnectionRefusedError():
            return "the connection is refused", "Check that Splunk is running, and its host and port."
        case TimeoutError():
            return "the request timed out", "Check host, port and firewalls."
        case ssl.SSLError():
            return f"TLS failed ({error.reason or error})", "Check that the port uses TLS (https)."
        case ConnectionResetError():
            return "the connection broke before the end of the answer", "Check that Splunk is running."
    return str(error) or type(error).__name__, "Check that Splunk is running, its host and port, and http or https."
