"""The first request after a call for several waits for the other clients: a moment, once, on a clock of its own."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dltk_runtime.apply import joining
from dltk_runtime.apply.joining import MAX_RETURN_SECONDS, Joined, Joining
from dltk_runtime.call import Call
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.store.store import Version
from dltk_runtime.worker import messages

CALL_SECONDS = 0.01  # that each call takes the worker
CLIENTS = 8


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time passes at once."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_NoWaits(self))

    def time(self) -> float:
        return self.now


class _NoWaits(selectors.DefaultSelector):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout:
            self._clock.now += timeout
        return super().select(0)


class FakeWorker:
    """A worker that answers each call after `CALL_SECONDS`; `sizes` are the requests of each."""

    phases: Mapping[str, float] = {}

    def __init__(self) -> None:
        self.free = asyncio.Lock()
        self.seconds = CALL_SECONDS
        self.sizes: list[int] = []

    @contextlib.asynccontextmanager
    async def lease(self, *given: Any) -> AsyncIterator[tuple[Any, messages.Loaded]]:
        async with self.free:
            given[3].runs()
            yield self, messages.Loaded(states=(), row_wise=True)

    async def call(self, message: Any, rows: Payload = NO_ROWS, **_: object) -> tuple[Any, Payload]:
        sent = list(message.rows) if isinstance(message, messages.ApplyTogether) else [bytes(rows.view())]
        self.sizes.append(len(sent))
        await asyncio.sleep(self.seconds)
        answers = tuple(messages.Applied(1, 1) for _ in sent)
        if len(sent) > 1:
            return messages.AppliedTogether(answers, tuple(each.upper() for each in sent)), NO_ROWS
        return answers[0], Payload(sent[0].upper(), escaped=True)


class Runs:
    """Clients of one version that send requests, and how long each took."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.worker = clock, FakeWorker()
        self.joining = Joining(self.worker.lease, lambda _: None)

    async def send(self, rows: str = "a") -> float:
        """Send a request; its answer must be its own. Returns the seconds that it took."""
        version = cast(Version, SimpleNamespace(id=VersionId(ModelName("algo", "m"), 1)))
        began, payload = self.clock.time(), Payload(rows.encode(), escaped=False)
        joined: Joined = await self.joining.apply(
            version, messages.Apply(b"{}"), payload, Call(rows, "/apply"), lambda _: None, began + 600.0
        )
        assert bytes(joined.results.view()) == rows.upper().encode()
        return self.clock.time() - began

    async def join(self) -> None:
        """Have the last call be one for all clients."""
        await asyncio.gather(*(self.send(f"c{number}") for number in range(CLIENTS)))
        assert self.worker.sizes == [CLIENTS]
        self.worker.sizes.clear()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[Runs], Awaitable[None]]], None]]:
    clock = Clock()
    monkeypatch.setattr(joining, "time", SimpleNamespace(monotonic=clock.time))

    async def main(test: Callable[[Runs], Awaitable[None]]) -> None:
        await test(Runs(clock))

    yield lambda test: clock.run_until_complete(main(test))
    clock.close()


Run = Callable[[Callable[[Runs], Awaitable[None]]], None]


def test_clients_that_come_back_one_by_one_are_one_call_as_soon_as_all_are_there(run: Run) -> None:
    async def client(runs: Runs, number: int) -> float:
        await asyncio.sleep(number * MAX_RETURN_SECONDS / 10)
        return await runs.send(f"c{number}")

    async def test(runs: Runs) -> None:
        await runs.join()
        took = await asyncio.gather(*(client(runs, number) for number in range(CLIENTS)))
        assert runs.worker.sizes == [CLIENTS]
        assert max(took) == pytest.approx(CALL_SECONDS + (CLIENTS - 1) * MAX_RETURN_SECONDS / 10)

    run(test)


def test_two_that_come_at_once_wait_for_the_others_too(run: Run) -> None:
    async def client(runs: Runs, number: int) -> None:
        await asyncio.sleep(MAX_RETURN_SECONDS / 2 if number > 1 else 0)
        await runs.send(f"c{number}")

    async def test(runs: Runs) -> None:
        await runs.join()
        await asyncio.gather(*(client(runs, number) for number in range(CLIENTS)))
        assert runs.worker.sizes == [CLIENTS]

    run(test)


def test_a_client_that_is_alone_waits_once_and_not_longer_than_a_moment(run: Run) -> None:
    async def test(runs: Runs) -> None:
        await runs.join()
        took = [await runs.send() for _ in range(3)]
        assert took == pytest.approx([CALL_SECONDS + MAX_RETURN_SECONDS, CALL_SECONDS, CALL_SECONDS])

    run(test)


def test_nobody_waits_longer_than_the_last_call_took(run: Run) -> None:
    async def test(runs: Runs) -> None:
        runs.worker.seconds = MAX_RETURN_SECONDS / 4
        await runs.join()
        assert await runs.send() == pytest.approx(MAX_RETURN_SECONDS / 2)

    run(test)


def test_nobody_waits_after_a_call_for_one(run: Run) -> None:
    async def test(runs: Runs) -> None:
        assert [await runs.send() for _ in range(3)] == pytest.approx([CALL_SECONDS] * 3)

    run(test)


def test_who_hangs_up_while_it_waits_leaves_nothing_behind(run: Run) -> None:
    async def test(runs: Runs) -> None:
        await runs.join()
        sent = asyncio.ensure_future(runs.send())
        await asyncio.sleep(MAX_RETURN_SECONDS / 2)
        sent.cancel()
        await asyncio.wait([sent])
        assert not runs.joining._open
        assert await runs.send() == pytest.approx(CALL_SECONDS)
        assert runs.worker.sizes == [1]

    run(test)


@given(pauses=st.lists(st.lists(st.sampled_from((0.0, 0.001, 0.003, 0.02)), max_size=4), min_size=1, max_size=4))
def test_whenever_clients_come_a_request_waits_a_moment_at_most_longer_than_without(pauses: list[list[float]]) -> None:
    """At most: the end of the call before, the moment, the call that goes first, and its own."""

    async def client(runs: Runs, number: int) -> list[float]:
        took = []
        for pause in pauses[number]:
            await asyncio.sleep(pause)
            took.append(await runs.send(f"c{number}"))
        return took

    async def test(runs: Runs) -> None:
        all_took = await asyncio.gather(*(client(runs, number) for number in range(len(pauses))))
        most = 2 * CALL_SECONDS + MAX_RETURN_SECONDS
        assert all(each <= most + 1e-9 for took in all_took for each in took)
        assert sum(runs.worker.sizes) == sum(map(len, pauses))

    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr(joining, "time", SimpleNamespace(monotonic=clock.time))
        try:
            clock.run_until_complete(test(Runs(clock)))
        finally:
            clock.close()
