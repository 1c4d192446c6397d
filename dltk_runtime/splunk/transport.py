"""The HTTP client for Splunk: certificates checked, no proxy, no redirect, and it can be interrupted.

It is what splunk-sdk calls a handler (`Transport.__call__`), and what `hec` uses directly (`Transport.request`).
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dltk_runtime import __version__
from dltk_runtime.errors import SettingInvalid
from dltk_runtime.splunk.errors import CertificateRefused, SplunkUnreachable

CONNECT = 10.0  # seconds to come to a connection
PIECE = 64 * 1024  # bytes read at a time


@dataclass(frozen=True, slots=True)
class Tls:
    """How certificates are checked: against the system's authorities, or those in `cafile` (PEM); or not at all."""

    verify: bool = True
    cafile: Path | None = None

    def context(self) -> ssl.SSLContext:
        """The context for one client.

        Raises:
            SettingInvalid: `cafile` cannot be read.
        """
        try:
            context = ssl.create_default_context(cafile=str(self.cafile) if self.cafile else None)
        except OSError as error:  # ssl.SSLError is one, and names no file
            wanted = f"a file of certificates in PEM form ({error})"
            raise SettingInvalid("DLTK_SPLUNK_CAFILE", str(self.cafile), wanted) from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class Body:
    """A response's body: read whole, in pieces, or line by line while it comes in."""

    def __init__(self, response: http.client.HTTPResponse, transport: Transport, address: str) -> None:
        self._response = response
        self._transport = transport
        self._address = address
        # Only where neither length nor chunks tell, an end and a break look alike.
        self.framed = response.chunked or response.length is not None

    def read(self, size: int | None = None) -> bytes:
        """At most `size` bytes, all that is left without it.

        Raises:
            SplunkUnreachable: the connection broke.
        """
        with self._transport.explained(self._address):
            return self._response.read(size)

    def lines(self) -> Iterator[bytes]:
        """Whole lines, as many at a time as have come in."""
        rest: list[bytes] = []
        while piece := self._piece():
            head, newline, tail = piece.rpartition(b"\n")
            if newline:
                yield b"".join((*rest, head, newline))
                rest = []
            rest.append(tail)
        if last := b"".join(rest):
            yield last

    def _piece(self) -> bytes:
        with self._transport.explained(self._address):
            piece = self._response.read1(PIECE)
            if not piece and self._response.length:
                raise http.client.IncompleteRead(b"", self._response.length)
            return piece

    def close(self) -> None:
        self._response.close()


@dataclass(slots=True)
class Transport:
    """One client. `idle` bounds the seconds without a byte, where one is given."""

    tls: Tls = field(default_factory=Tls)
    idle: float | None = None
    _sockets: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _interrupted: bool = False

    def __call__(self, url: str, message: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """splunk-sdk's handler: `message` has method, headers (pairs) and body."""
        body = message.get("body") or b""
        method = str(message.get("method", "GET"))
        body = body.encode() if isinstance(body, str) else body
        response, content = self.open(method, str(url), dict(message["headers"]), body)
        return {
            "status": response.status,
            "reason": response.reason,
            "headers": response.getheaders(),
            "body": content,
        }

    def open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[http.client.HTTPResponse, Body]:
        """Send a request; the answer with its body still to be read.

        Raises:
            SplunkUnreachable: nobody answered.
            CertificateRefused: somebody did, with another certificate.
        """
        parts = urllib.parse.urlsplit(url)
        address = f"{parts.scheme}://{parts.netloc}"
        with self.explained(address):
            connection = self._connect(parts, address)
            path = parts.path + ("?" + parts.query if parts.query else "")
            common = {"User-Agent": f"dltk-runtime/{__version__}", "Accept": "*/*", "Connection": "close"}
            connection.request(method, path or "/", body, {**common, **headers})
            response = connection.getresponse()  # it keeps the socket
        return response, Body(response, self, address)

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send a request; status, headers and body of the answer. Raises as `open`."""
        response, content = self.open(method, url, headers, body)
        with contextlib.closing(content):
            return response.status, response.headers, content.read()

    def interrupt(self) -> None:
        """Break whatever is under way, from any thread; later requests fail at once."""
        with self._lock:
            self._interrupted = True
            for each in self._sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def explained(self, address: str) -> Iterator[None]:
        """Turn what the network raises into errors that say where and what next."""
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise CertificateRefused(address, error.verify_message or str(error)) from error
        except (OSError, http.client.HTTPException) as error:
            raise SplunkUnreachable(address, *_cause(error)) from error
        if self._interrupted:
            raise SplunkUnreachable(address, "the connection was interrupted", "")

    def _connect(self, parts: urllib.parse.SplitResult, address: str) -> http.client.HTTPConnection:
        connection = self._connection(parts, address)
        connection.connect()
        with self._lock:
            self._sockets = {each for each in self._sockets if each.fileno() >= 0} | {connection.sock}
        connection.sock.settimeout(self.idle)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a peer that vanished is noticed
        for option, value in ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3)):
            connection.sock.setsockopt(socket.IPPROTO_TCP, option, value)
        return connection

    def _connection(self, parts: urllib.parse.SplitResult, address: str) -> http.client.HTTPConnection:
        try:
            port = parts.port
        except ValueError as error:
            raise SplunkUnreachable(address, str(error), "Check host and port.") from error
        if parts.scheme == "https" and parts.hostname:
            return http.client.HTTPSConnection(parts.hostname, port, timeout=CONNECT, context=self.tls.context())
        if parts.scheme == "http" and parts.hostname:
            return http.client.HTTPConnection(parts.hostname, port, timeout=CONNECT)
        raise SplunkUnreachable(address, "this is no address", "Addresses look like https://splunk.example:8089.")


def _cause(error: Exception) -> tuple[str, str]:
    """What happened, and what to do next."""
    match error:
        case socket.gaierror():
            return f"the host name cannot be resolved ({error.strerror})", "Check the host's name."
        case ConnectionRefusedError():
            return "the connection is refused", "Check that Splunk runs, and its host and port."
        case TimeoutError():
            return "it takes too long", "Check host, port and firewalls."
        case ssl.SSLError():
            return f"TLS failed ({error.reason or error})", "Check that the port speaks TLS (https) at all."
        case http.client.IncompleteRead() | http.client.RemoteDisconnected() | ConnectionResetError():
            return "the connection broke before the end of the answer", "Check that Splunk runs."
    return str(error) or type(error).__name__, "Check that Splunk runs, its host, its port, and http or https."
