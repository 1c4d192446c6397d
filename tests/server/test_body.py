"""Large requests are taken apart while they arrive, and say the same as when they are read whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request as HttpRequest

from dltk_runtime.apply.read_ahead import Upload
from dltk_runtime.call import Request
from dltk_runtime.errors import BodyInvalid, DataInvalid
from dltk_runtime.pool.pool import Pool
from dltk_runtime.server import body as bodies
from dltk_runtime.server import protocol
from dltk_runtime.settings import Settings
from dltk_runtime.tables.table import unescape
from dltk_runtime.worker.memory_file import MemoryFile

POOL = Pool(Settings())
META = {"options": {"params": {"algo": "umap"}, "model_name": "m"}, "feature_variables": ["a"]}


def taken(body: bytes, size: int = 7) -> Request:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return asyncio.run(bodies.receive_large(chunks(), len(body), Upload(POOL)))


def text_of(request: Request) -> str:
    data = request.rows.view()
    return unescape(data).decode() if request.rows.escaped else bytes(data).decode()


@given(st.text(max_size=200), st.booleans(), st.integers(1, 50))
def test_a_request_in_pieces_says_what_it_says_whole(text: str, ascii_only: bool, size: int) -> None:
    body = json.dumps({"data": text, "meta": META}, ensure_ascii=ascii_only).encode()
    apart, whole = taken(body, size), protocol.decode(body)
    assert (text_of(apart), apart.meta, apart.algorithm, apart.model) == (text, whole.meta, "umap", "m")


def test_data_of_splunk_ends_up_in_a_memory_file() -> None:
    request = taken(json.dumps({"data": "a\n1\n", "meta": META}).encode())
    assert not request.rows.escaped
    assert isinstance(request.rows.data, MemoryFile)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"meta": META, "data": "a\n1\n"}),
        json.dumps({"more": 1, "data": "a\n1\n", "meta": META}),
        json.dumps({"data": "x", "meta": META})[:-1] + ', "data": "a\\n1\\n"}',
    ],
    ids=["meta first", "something first", "data twice"],
)
def test_other_orders_are_understood_too(body: str) -> None:
    assert text_of(taken(body.encode())) == "a\n1\n"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1, 2]", b'{"data": "a', b'{"data": "a"', b'{"data": "a", "meta": 1}', b'{"data": 5, "meta": {}}'],
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(BodyInvalid):
        taken(body)


def test_half_a_character_is_refused() -> None:
    with pytest.raises(DataInvalid):
        taken(b'{"data": "a\\ud800b", "meta": {}}')


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate, gzip", "br"])
def test_a_compressed_body_is_refused_with_its_encoding_and_read(encoding: str) -> None:
    sent = [{"type": "http.request", "body": b"x" * 1000, "more_body": number < 3} for number in range(4)]

    async def next_message() -> dict[str, object]:
        return sent.pop(0)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-encoding", encoding.encode())]}
    with pytest.raises(BodyInvalid, match=f"The body has Content-Encoding '{encoding}'; expected JSON"):
        asyncio.run(bodies.receive(HttpRequest(scope, next_message), 10**6, Upload(POOL)))
    assert sent == []
