"""`meta` is bounded before anything is made of it, and what it costs grows with its size, not faster."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest

from dltk_runtime.apply.read_ahead import Upload
from dltk_runtime.call import Request
from dltk_runtime.errors import BodyInvalid
from dltk_runtime.pool.pool import Pool
from dltk_runtime.secret_names import MAX_META_DEPTH
from dltk_runtime.server import body as bodies
from dltk_runtime.server import protocol
from dltk_runtime.server.errors import MetaTooLarge
from dltk_runtime.settings import Settings

MIB = 1024**2
MAX_ROUNDS = 20  # of measurements
MAX_GROWTH = 2.5  # times the work for twice the input


def body_of(meta: bytes) -> bytes:
    return b'{"data": "a\\n1\\n", "meta": {"options": {}, "x": ' + meta + b"}}"


def received(body: bytes, size: int) -> Request:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    return asyncio.run(bodies.receive_large(chunks(), size, Upload(Pool(Settings()))))


WIDE = {
    "empty lists": b"[" + b"[]," * (4 * MIB) + b"1]",
    "empty objects": b"[" + b"{}," * 20_000 + b"1]",
    "a long text": b'"' + b"x" * (17 * MIB) + b'"',
    "many numbers": b"[" + b"1," * (2 * MIB) + b"1]",
    "many numbers that Python's JSON alone reads": b"[" + b"1," * (2 * MIB) + b"NaN]",
}


@pytest.mark.parametrize("meta", WIDE.values(), ids=WIDE.keys())
def test_a_meta_that_is_too_wide_is_refused_before_it_is_decoded(meta: bytes) -> None:
    body = body_of(meta)
    began = time.thread_time()
    with pytest.raises(MetaTooLarge, match=r"'meta' may have .* and this one has more"):
        protocol.decode(body)
    assert time.thread_time() - began < 1  # 12 MiB of empty lists took 12 s
    with pytest.raises(MetaTooLarge):
        received(body, len(body))


def test_what_is_behind_large_rows_is_not_collected_beyond_the_bound() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        yield b'{"data": "' + b"a" * 100 + b'", "meta": {"x": "'
        for _ in range(64):
            taken += 1
            yield b"x" * MIB

    with pytest.raises(MetaTooLarge):
        asyncio.run(bodies.receive_large(endless(), 2**31, Upload(Pool(Settings()))))
    assert taken <= protocol.MAX_META_BYTES // MIB + 1


@pytest.mark.parametrize("level", [b"[", b'{"a":'])
def test_a_meta_that_is_too_deep_is_refused(level: bytes) -> None:
    end = b"]" if level == b"[" else b"}"
    for depth in (MAX_META_DEPTH, 5000, 50_000):
        with pytest.raises(BodyInvalid, match=r"nested"):
            protocol.decode(body_of(level * depth + b"1" + end * depth))


def test_a_meta_of_as_many_fields_as_pandas_can_hold_is_no_wide_one() -> None:
    names = b"[" + b",".join(b'"field_%d"' % number for number in range(200_000)) + b"]"
    assert len(protocol.decode(body_of(names)).meta["x"]) == 200_000


def test_brackets_within_the_rows_are_not_counted() -> None:
    body = b'{"data": "' + b"[{" * 500_000 + b'", "meta": {"options": {"model_name": "m"}}}'
    assert protocol.decode(body).model == "m"


GROWING: dict[str, Callable[[int], bytes]] = {
    "lists": lambda size: b"[" + b"[]," * size + b"1]",
    "objects": lambda size: b"[" + b'{"session_key":1},' * size + b"1]",
    "names": lambda size: b"{" + b",".join(b'"session_ke%d":"x"' % number for number in range(size)) + b"}",
    "texts": lambda size: b"[" + b'"session_key",' * size + b"1]",
    "deep lists": lambda size: b"[" + (b"[" * 90 + b"]" * 90 + b",") * (size // 90) + b"1]",
    "numbers that Python's JSON alone reads": lambda size: b"[" + b"NaN," * size + b"1]",
}


@pytest.mark.parametrize("make", GROWING.values(), ids=GROWING.keys())
def test_twice_the_meta_costs_about_twice_the_work(make: Callable[[int], bytes]) -> None:
    def seconds(body: bytes) -> float:
        began = time.thread_time()
        protocol.decode(body)
        return time.thread_time() - began

    def fastest() -> list[float]:
        pairs = [(seconds(once), seconds(twice)) for _ in range(12)]
        return [min(each) for each in zip(*pairs, strict=True)]

    once, twice = body_of(make(4_500)), body_of(make(9_000))
    gc.collect()
    gc.disable()  # how often it looks depends on all that this process holds
    try:
        # What grows faster does so in each round; on a busy machine one round alone says little.
        rounds = []
        while len(rounds) < MAX_ROUNDS and not any(b <= MAX_GROWTH * a for a, b in rounds):
            rounds.append(fastest())
    finally:
        gc.enable()
    assert any(b <= MAX_GROWTH * a for a, b in rounds), rounds


@pytest.mark.parametrize("begin", [b'{"data": "a\\n1\\n", "meta": ', b'{"more": 1, "data": "a\\n1\\n", "meta": '])
@pytest.mark.parametrize(
    "values", [b"[]," * 2000, b"2," * (protocol.MIN_HEAVY_BYTES // 2)], ids=["many lists", "many values"]
)
def test_a_large_meta_is_decoded_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, begin: bytes, values: bytes
) -> None:
    seen: list[threading.Thread] = []
    decode = protocol.decode

    def noting(body: bytes | bytearray) -> Request:
        seen.append(threading.current_thread())
        return decode(body)

    monkeypatch.setattr(protocol, "decode", noting)
    body = begin + b'{"x": [' + values + b"1]}}"
    assert received(body, len(body)).meta["x"][-1] == 1
    assert seen != [threading.main_thread()]
