"""HTTP/1.1 client for every request that the runtime sends, built on `http.client`.

It opens one connection per request and follows neither proxies nor redirects, so a token reaches
the named address and no other. Response bodies can be streamed, and another thread can interrupt a
request at any moment.

urllib3 does not replace it: its retries count attempts while ours have a time limit, a request
whose answer has not begun cannot be interrupted, and its import costs each process 5.5 MiB and
35 ms more.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

CONNECT_SECONDS = 10.0
READ_BYTES = 64 * 1024  # bytes of a streamed body that are read at a time
KEEPALIVE_OPTIONS = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))

ErrorFactory = Callable[[str, OSError], Exception]


class RequestInvalid(OSError):
    """The URL or a header cannot be sent."""


class Interrupted(OSError):
    """`HttpClient.interrupt` ended the request."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response, whatever its status."""

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(slots=True)
class HttpClient:
    """Send requests and turn network failures into the caller's exceptions.

    Args:
        context: makes the TLS context of a new connection; see `dltk_runtime.tls`.
        error: makes the exception to raise from an origin (``https://host:8089``) and the failure.
            A broken protocol arrives as `ConnectionError`, an invalid URL as `RequestInvalid`, an
            interruption as `Interrupted`.
        connect_seconds: limit for the TCP connection and the TLS handshake; None for no limit.
        read_seconds: limit between two received blocks; None for no limit.
    """

    context: Callable[[], ssl.SSLContext]
    error: ErrorFactory
    connect_seconds: float | None = CONNECT_SECONDS
    read_seconds: float | None = None
    _sockets: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _interrupted: bool = False

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        """Send a request and read the whole response. Raises what `error` makes."""
        with contextlib.closing(self.open(method, url, headers, body)) as stream:
            return Response(stream.status, stream.reason, stream.headers, stream.read())

    def open(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> ResponseStream:
        """Send a request and return the response, its body unread. Raises what `error` makes."""
        try:
            parts = _checked(url)
        except RequestInvalid as error:
            raise self.error(url, error) from error
        origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with self.guard(origin), contextlib.ExitStack() as on_failure:
            connection = self._connection(parts)
            on_failure.callback(connection.close)
            self._connect(connection)
            response = _exchange(connection, method, path, {"Connection": "close", **headers}, body)
            on_failure.callback(response.close)
            self._check_interruption()
            on_failure.pop_all()
            if connection.sock is not None:  # the server ignored "Connection: close"
                connection.sock.close()  # the response still holds the socket, and closes it
        return ResponseStream(response, self, origin)

    def interrupt(self) -> None:
        """End the running requests, from any thread; later requests fail at once."""
        with self._lock:
            self._interrupted = True
            for each in self._sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def guard(self, origin: str) -> Iterator[None]:
        """Raise what `error` makes of a network failure or an interruption."""
        try:
            yield
            self._check_interruption()
        except (OSError, http.client.HTTPException) as error:
            raise self.error(origin, _as_os_error(error)) from error

    def _check_interruption(self) -> None:
        if self._interrupted:
            raise Interrupted("the connection was interrupted")

    def _connection(self, parts: SplitResult) -> http.client.HTTPConnection:
        host = str(parts.hostname)
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=self.connect_seconds)
        return http.client.HTTPSConnection(host, parts.port, timeout=self.connect_seconds, context=self.context())

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        """Connect, register the socket for `interrupt`, and enable keep-alive probes."""
        connection.connect()
        sock = connection.sock
        with self._lock:
            self._sockets = {each for each in self._sockets if each.fileno() >= 0} | {sock}
        sock.settimeout(self.read_seconds)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE_OPTIONS:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


class ResponseStream:
    """A response whose body is read whole, in blocks, or line by line while it arrives."""

    def __init__(self, response: http.client.HTTPResponse, client: HttpClient, origin: str) -> None:
        self._response = response
        self._client = client
        self._origin = origin
        self.status = response.status
        self.reason = response.reason
        self.headers = response.headers
        # Without a length or chunks, the end of the body and a broken connection look the same.
        self.framed = response.chunked or response.length is not None

    def read(self, size: int | None = None) -> bytes:
        """Read at most `size` bytes, or the rest of the body. Raises as `HttpClient.open`."""
        with self._client.guard(self._origin):
            return self._response.read(size)

    def lines(self) -> Iterator[bytes]:
        """Yield whole lines, as many at a time as have arrived. Raises as `read`."""
        rest: list[bytes] = []
        while block := self._block():
            head, newline, tail = block.rpartition(b"\n")
            if newline:
                yield b"".join((*rest, head, newline))
                rest = []
            rest.append(tail)
        if last := b"".join(rest):
            yield last

    def close(self) -> None:
        """Close the connection."""
        self._response.close()

    def _block(self) -> bytes:
        with self._client.guard(self._origin):
            block = self._response.read1(READ_BYTES)
            if not block and self._response.length:
                raise http.client.IncompleteRead(b"", self._response.length)
            return block


def _checked(url: str) -> SplitResult:
    """Parse a URL and check scheme, host and port.

    Raises:
        RequestInvalid: one of them is missing or invalid.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise RequestInvalid(str(error)) from error
    if parts.scheme not in {"http", "https"}:
        raise RequestInvalid("the address must begin with http:// or https://")
    if not parts.hostname:
        raise RequestInvalid("the address names no host")
    return parts


def _exchange(
    connection: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: bytes | None
) -> http.client.HTTPResponse:
    try:
        connection.request(method, path, body, headers)
    except (ValueError, http.client.InvalidURL) as error:  # its text may repeat a header, and so a token
        raise RequestInvalid("the URL or a header has characters that HTTP does not allow") from error
    return connection.getresponse()


def _as_os_error(error: OSError | http.client.HTTPException) -> OSError:
    if isinstance(error, OSError):
        return error
    kind = ConnectionResetError if isinstance(error, http.client.IncompleteRead) else ConnectionError
    return kind(str(error) or type(error).__name__)
