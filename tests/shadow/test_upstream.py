"""The old container's answers are read as they come, whatever their framing; a broken one is not taken for whole."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from dltk_runtime.errors import SettingInvalid
from dltk_runtime.server.shadow.upstream import AnswerCut, Body, NoAnswer, Upstream, UpstreamAnswer
from dltk_runtime.settings import Settings

Result = TypeVar("Result")
HEADERS = [(b"authorization", b"token")]


class Raw:
    """A server that reads one request per connection, writes the bytes it was given, and closes."""

    def __init__(self, answer: bytes, reads: Callable[[asyncio.StreamReader], Awaitable[bytes]] | None = None) -> None:
        self.answer = answer
        self.got = b""
        self._reads = reads or self._whole

    async def _whole(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"transfer-encoding: chunked" in head:
            return head + await reader.readuntil(b"0\r\n\r\n")
        size = next((int(line.split()[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length")), 0)
        return head + await reader.readexactly(size)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.got = await self._reads(reader)
        writer.write(self.answer)
        await writer.drain()
        writer.close()

    def run(self, test: Callable[[Upstream], Awaitable[Result]]) -> Result:
        async def main() -> Result:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                return await test(Upstream.of(Settings(shadow=f"http://127.0.0.1:{port}/prefix")))

        return asyncio.run(main())

    def answered(self, body: Body | None = None) -> tuple[UpstreamAnswer, bytes]:
        async def test(upstream: Upstream) -> tuple[UpstreamAnswer, bytes]:
            answer = await upstream.send("POST", "/fit", HEADERS, body or Body.whole(b"rows"))
            try:
                return answer, b"".join([piece async for piece in answer.body()])
            finally:
                answer.close()
                await asyncio.sleep(0)  # the loop then closes the socket

        return self.run(test)


async def pieces(*found: bytes) -> AsyncIterator[bytes]:
    for piece in found:
        yield piece


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", b"body"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
def test_every_framing_of_an_answer_is_read(answer: bytes, body: bytes) -> None:
    found, read = Raw(answer).answered()
    assert (found.status, read) == (200, body)


def test_the_request_has_the_prefix_the_headers_and_the_body() -> None:
    raw = Raw(b"HTTP/1.1 500 Oh\r\nX-A: b\r\n\r\n")
    found, _ = raw.answered()
    assert found.status == 500
    assert (b"x-a", b"b") in found.headers
    assert raw.got.startswith(b"POST /prefix/fit HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"\r\nauthorization: token\r\n" in raw.got
    assert raw.got.endswith(b"\r\nconnection: close\r\n\r\nrows")


def test_a_body_without_a_size_goes_on_in_chunks() -> None:
    raw = Raw(b"HTTP/1.1 200 OK\r\n\r\n")
    raw.answered(Body(pieces(b"one", b"", b"two"), None))
    assert raw.got.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
    ],
)
def test_an_answer_that_is_cut_is_not_whole(answer: bytes) -> None:
    with pytest.raises(AnswerCut):
        Raw(answer).answered()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"SSH-2.0-OpenSSH\r\n\r\n"])
def test_no_answer_is_none(answer: bytes) -> None:
    with pytest.raises(NoAnswer):
        Raw(answer).answered()


def test_an_answer_before_the_end_of_the_request_is_an_answer() -> None:
    async def head_alone(reader: asyncio.StreamReader) -> bytes:
        return await reader.readuntil(b"\r\n\r\n")

    async def many() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 65536
            await asyncio.sleep(0)

    raw = Raw(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno", head_alone)
    try:
        found, body = raw.answered(Body(many(), 64 * 65536))
    except NoAnswer:
        return  # the reset of the connection came before the answer, as a client of its own sees it too
    assert (found.status, body) == (413, b"no")


def test_a_closed_port_is_no_answer_and_the_request_is_read_to_its_end() -> None:
    async def main() -> bool:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        body = Body(pieces(b"a", b"b"), 2)
        with pytest.raises(NoAnswer):
            await Upstream.of(Settings(shadow=f"http://127.0.0.1:{port}")).send("POST", "/fit", HEADERS, body)
        return body.over.is_set()

    assert asyncio.run(main())


@pytest.mark.parametrize(
    "address",
    ["old:5000", "ftp://old", "https://", "https://user:word@old", "https://old?x=1", "http://old:99999", "http://a b"],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(SettingInvalid, match="DLTK_SHADOW"):
        Settings.from_env({"DLTK_SHADOW": address})


def test_an_address_may_have_a_path_and_a_slash_at_its_end() -> None:
    upstream = Upstream.of(Settings.from_env({"DLTK_SHADOW": "http://[::1]/old/"}))
    assert (upstream.host, upstream.port, upstream.path, upstream.name) == ("::1", 80, b"/old", b"[::1]")


def test_certificates_that_cannot_be_read_are_said_at_the_start(tmp_path: Path) -> None:
    settings = Settings(shadow="https://old:5000", shadow_cafile=tmp_path / "none.pem")
    with pytest.raises(SettingInvalid, match="DLTK_SHADOW_CAFILE"):
        Upstream.of(settings)


@pytest.mark.parametrize(
    ("verify", "mode", "name"),
    [("full", ssl.CERT_REQUIRED, True), ("certificate", ssl.CERT_REQUIRED, False), ("none", ssl.CERT_NONE, False)],
)
def test_what_is_checked_of_a_certificate(verify: str, mode: ssl.VerifyMode, name: bool) -> None:
    context = Upstream.of(Settings(shadow="https://old", shadow_verify=verify)).context
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (mode, name)
