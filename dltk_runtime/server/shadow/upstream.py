"""The old container as a client sees it: one request, one connection, its answer as it comes.

Like Splunk's own client it writes the whole request before it reads, and waits without a limit.
Nothing is retried: a fit that was sent twice would train twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import httptools

from dltk_runtime.errors import SettingInvalid
from dltk_runtime.settings import Settings
from dltk_runtime.tls import client_context

READ_BYTES = 256 * 1024  # of an answer that are read at once
BUFFER_BYTES = 1024 * 1024  # of an answer that wait unread, and of a request that wait unsent
Header = tuple[bytes, bytes]
Headers = Sequence[Header]


class NoAnswer(Exception):
    """The old container cannot be reached, or ended the connection before its answer began."""


class AnswerCut(Exception):
    """The connection ended within an answer."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the old container is. `shown` is for people; it holds no password."""

    host: str
    port: int
    path: bytes  # before each route, where a proxy needs one
    name: bytes  # for the header Host
    context: ssl.SSLContext | None
    shown: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what ``DLTK_SHADOW`` names.

        Raises:
            SettingInvalid: the file of certificates cannot be read.
        """
        parts = urlsplit(settings.shadow)
        secure = parts.scheme == "https"
        context = _context(settings) if secure else None
        port = parts.port or (443 if secure else 80)
        host = str(parts.hostname)
        return cls(host, port, parts.path.encode(), parts.netloc.encode(), context, settings.shadow)

    async def send(self, method: str, path: str, headers: Headers, body: Body) -> UpstreamAnswer:
        """Send a request and return its answer, of which the head has come. Close it afterwards.

        Raises:
            NoAnswer: there is none.
        """
        writer: asyncio.StreamWriter | None = None
        try:
            reader, writer = await asyncio.open_connection(
                self.host, self.port, ssl=self.context, limit=BUFFER_BYTES, server_hostname=self._checked_name()
            )
            writer.transport.set_write_buffer_limits(high=BUFFER_BYTES)  # a piece is read while the one before is sent
            await _write(writer, self._head(method, path, headers, body), body)
            answer = UpstreamAnswer(reader, writer)
            await answer.begin()
            return answer
        except (OSError, AnswerCut) as error:
            await body.read_rest()
            _abort(writer)
            raise NoAnswer(str(error) or type(error).__name__) from error
        except BaseException:
            _abort(writer)
            raise

    def _checked_name(self) -> str | None:
        return self.host if self.context is not None else None

    def _head(self, method: str, path: str, headers: Headers, body: Body) -> bytes:
        lines = [b"%s %s%s HTTP/1.1" % (method.encode(), self.path, path.encode()), b"host: " + self.name]
        lines += [name + b": " + value for name, value in headers]
        lines += [*body.framing(), b"connection: close", b"", b""]
        return b"\r\n".join(lines)


class Body:
    """The body of a request, passed on while it arrives; `size` is None where nothing announces it.

    `over` is set once all of it has come.
    """

    def __init__(self, chunks: AsyncIterator[bytes] | None, size: int | None) -> None:
        self.over = asyncio.Event()
        self._chunks = chunks
        self._size = size

    @classmethod
    def whole(cls, body: bytes) -> Self:
        """Return a body that is there already."""

        async def once() -> AsyncIterator[bytes]:
            yield body

        return cls(once(), len(body))

    def framing(self) -> list[bytes]:
        """Return the header that says where it ends."""
        if self._chunks is None:
            return []
        return [b"transfer-encoding: chunked" if self._size is None else b"content-length: %d" % self._size]

    async def framed(self) -> AsyncIterator[bytes]:
        """Yield its pieces as they go into the connection."""
        if self._chunks is not None:
            async for chunk in self._chunks:
                if chunk:
                    yield chunk if self._size is not None else b"%x\r\n%s\r\n" % (len(chunk), chunk)
            if self._size is None:
                yield b"0\r\n\r\n"
        self.over.set()

    async def read_rest(self) -> None:
        """Read what the client still sends: it reads no answer before it has written everything."""
        if self._chunks is not None:
            async for _ in self._chunks:
                pass
        self.over.set()


class UpstreamAnswer:
    """An answer that is being read: `status` and `headers` (names in lower case), then the body."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self._reader = reader
        self._writer = writer
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._head_done = False
        self._done = False

    async def begin(self) -> None:
        """Read its head.

        Raises:
            AnswerCut: there is none.
        """
        while not self._head_done:
            await self._read()

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes.

        Raises:
            AnswerCut: it is shorter than its head says.
        """
        while True:
            pieces, self._pieces = self._pieces, []
            if pieces:
                yield b"".join(pieces)
            if self._done:
                return
            try:
                await self._read()
            except OSError as error:
                raise AnswerCut(str(error)) from error

    def close(self) -> None:
        """Close the connection, and with it an answer that is not read to its end."""
        if self._done:
            self._writer.close()
        else:
            _abort(self._writer)

    async def _read(self) -> None:
        data = await self._reader.read(READ_BYTES)
        if not data:
            self._at_end()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise AnswerCut(f"its answer is no HTTP ({error})") from error

    def _at_end(self) -> None:
        framed = any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
        if not self._head_done or framed:
            raise AnswerCut("it ended the connection before its answer was whole")
        self._done = True

    # ------------------------------------------------------------ from the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._head_done = self.status >= 200

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self._head_done:
            self._done = True
        else:
            self.headers.clear()  # of an interim answer (1xx)


async def _write(writer: asyncio.StreamWriter, head: bytes, body: Body) -> None:
    """Write a request; a server that closes early may have answered, so that is no error here."""
    try:
        async for piece in body.framed():
            writer.writelines((head, piece) if head else (piece,))
            head = b""
            await writer.drain()
        if head:
            writer.write(head)
            await writer.drain()
    except OSError:
        await body.read_rest()


def _abort(writer: asyncio.StreamWriter | None) -> None:
    if writer is not None:
        with contextlib.suppress(OSError, RuntimeError):
            writer.transport.abort()


def _context(settings: Settings) -> ssl.SSLContext:
    verify = settings.shadow_verify
    try:
        context = client_context(settings.shadow_cafile, verify=verify != "none")
    except OSError as error:
        wanted = f"a file of certificates (PEM) that can be read ({error})"
        raise SettingInvalid("DLTK_SHADOW_CAFILE", str(settings.shadow_cafile), wanted) from error
    context.check_hostname = verify == "full"
    return context
