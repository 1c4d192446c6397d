"""Who is joined with whom, and how long each waits: with a worker that this module plays."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from dltk_runtime.apply import joining
from dltk_runtime.apply.joining import Joined, Joining
from dltk_runtime.call import Call
from dltk_runtime.errors import Busy
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.pool.outcome import Death, WorkerDied
from dltk_runtime.store.store import Version
from dltk_runtime.worker import messages

APPLY = messages.Apply(b"{}")
ID = VersionId(ModelName("algo", "m"), 1)
LATE, NEVER = 0.05, 600.0


class FakeVersion:
    """A version of which only the id is asked."""

    id = ID


class FakeWorker:
    """A worker that one request has at a time; `gate` lets the first of them have it."""

    phases: dict[str, float] = {}  # noqa: RUF012 - as a worker has it

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.free = asyncio.Lock()
        self.calls: list[list[bytes]] = []
        self.leases = 0
        self.row_wise = True
        self.reply: messages.FromWorker | None = None

    @contextlib.asynccontextmanager
    async def lease(
        self, _: Version, __: object, deadline: float, call: Call, *___: object
    ) -> AsyncIterator[tuple[Any, messages.Loaded]]:
        self.leases += 1
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await self.gate.wait()
        except TimeoutError as error:
            raise Busy("'algo'", 1, "DLTK_APPLY_TIMEOUT") from error
        async with self.free:
            call.runs()
            yield self, messages.Loaded(states=(), row_wise=self.row_wise)

    async def call(
        self, message: messages.Answered, rows: Payload = NO_ROWS, **_: object
    ) -> tuple[messages.FromWorker, Payload]:
        sent = list(message.rows) if isinstance(message, messages.ApplyTogether) else [bytes(rows.view())]
        self.calls.append(sent)
        await asyncio.sleep(0)
        if b"end" in sent:
            raise WorkerDied(Death("was ended", "apply"))
        if self.reply is not None:
            return self.reply, NO_ROWS
        answers = tuple(messages.Applied(1, 1) for _ in sent)
        if isinstance(message, messages.ApplyTogether):
            return messages.AppliedTogether(answers, tuple(each.upper() for each in sent)), NO_ROWS
        return answers[0], Payload(sent[0].upper(), escaped=True)


class Crowd:
    """Requests for one version."""

    def __init__(self) -> None:
        self.worker = FakeWorker()
        self.waiting = 0
        self.joining = Joining(self.worker.lease, self._wait)

    def _wait(self, change: int) -> None:
        self.waiting += change

    async def send(self, rows: str, seconds: float = NEVER, message: messages.Apply = APPLY) -> asyncio.Task[Joined]:
        call, payload = Call(rows, "/apply"), Payload(rows.encode(), escaped=False)
        version = cast(Version, FakeVersion())
        deadline = time.monotonic() + seconds
        task = asyncio.ensure_future(self.joining.apply(version, message, payload, call, lambda _: None, deadline))
        for _ in range(5):
            await asyncio.sleep(0)
        return task


def run(test: Callable[[Crowd], Awaitable[None]]) -> None:
    async def main() -> None:
        crowd = Crowd()
        async with asyncio.timeout(60):
            await test(crowd)
        assert crowd.waiting == 0
        assert not crowd.joining._open

    asyncio.run(main())


def texts(answers: list[Joined]) -> list[bytes]:
    return [bytes(each.results.view()) for each in answers]


def test_requests_that_wait_are_one_call_and_are_counted_meanwhile() -> None:
    async def test(crowd: Crowd) -> None:
        sent = [await crowd.send(each) for each in ("a", "b", "c")]
        assert crowd.waiting == 2  # the first waits in the pool
        crowd.worker.gate.set()
        answers = await asyncio.gather(*sent)
        assert texts(answers) == [b"A", b"B", b"C"]
        assert [each.together for each in answers] == [3, 3, 3]
        assert crowd.worker.calls == [[b"a", b"b", b"c"]]

    run(test)


def test_requests_with_other_parameters_are_another_call() -> None:
    async def test(crowd: Crowd) -> None:
        other = msgspec.structs.replace(APPLY, meta=b'{"a": 1}')
        sent = [await crowd.send("a"), await crowd.send("b", message=other), await crowd.send("c")]
        crowd.worker.gate.set()
        assert texts(await asyncio.gather(*sent)) == [b"A", b"B", b"C"]
        assert sorted(crowd.worker.calls) == [[b"a", b"c"], [b"b"]]

    run(test)


def test_a_client_that_hangs_up_waits_no_longer_and_takes_nobody_with_it() -> None:
    async def test(crowd: Crowd) -> None:
        sent = [await crowd.send(each) for each in ("a", "b", "c")]
        for at, left in ((0, 1), (2, 0)):
            sent[at].cancel()
            await asyncio.wait([sent[at]])
            assert crowd.waiting == left
        crowd.worker.gate.set()
        assert texts([await sent[1]]) == [b"B"]
        assert crowd.worker.calls == [[b"b"]]

    run(test)


def test_a_batch_whose_clients_all_hang_up_asks_for_no_worker() -> None:
    async def test(crowd: Crowd) -> None:
        sent = [await crowd.send(each) for each in ("a", "b")]
        for each in sent:
            each.cancel()
        await asyncio.wait(sent)
        crowd.worker.gate.set()
        assert texts([await await_sent(crowd)]) == [b"C"]
        assert crowd.worker.calls == [[b"c"]]

    async def await_sent(crowd: Crowd) -> Joined:
        return await (await crowd.send("c"))

    run(test)


def test_the_deadline_of_one_request_is_not_that_of_those_behind_it() -> None:
    async def test(crowd: Crowd) -> None:
        first, second = await crowd.send("a", LATE), await crowd.send("b")
        with pytest.raises(Busy):
            await first
        crowd.worker.gate.set()
        assert texts([await second]) == [b"B"]

    run(test)


def test_a_request_does_not_wait_behind_one_that_may_wait_longer() -> None:
    async def test(crowd: Crowd) -> None:
        first, second = await crowd.send("a"), await crowd.send("b", LATE)
        with pytest.raises(Busy):
            await second
        crowd.worker.gate.set()
        assert texts([await first]) == [b"A"]

    run(test)


@pytest.mark.parametrize("begins", [lambda call, _: call.runs(), lambda _, starts: starts()], ids=["loads", "starts"])
def test_a_request_does_not_wait_for_a_worker_that_begins_for_another(begins: Callable[[Call, Any], object]) -> None:
    async def test(crowd: Crowd) -> None:
        lease, loading = crowd.worker.lease, asyncio.Event()

        @contextlib.asynccontextmanager
        async def slow(*arguments: Any) -> AsyncIterator[tuple[Any, messages.Loaded]]:
            *_, call, _, starts = arguments
            if call.id == "a":
                begins(call, starts)
                await loading.wait()
            async with lease(*arguments) as leased:
                yield leased

        crowd.joining = Joining(slow, crowd._wait)
        crowd.worker.gate.set()
        first, second = await crowd.send("a"), await crowd.send("b")
        assert texts([await second]) == [b"B"]
        loading.set()
        assert texts([await first]) == [b"A"]

    run(test)


def test_rows_that_end_the_worker_end_it_for_no_other_request_and_each_has_its_turn() -> None:
    async def test(crowd: Crowd) -> None:
        sent = [await crowd.send(each) for each in ("a", "end", "b")]
        crowd.worker.gate.set()
        answers = await asyncio.gather(*sent, return_exceptions=True)
        assert texts([each for each in answers if isinstance(each, Joined)]) == [b"A", b"B"]
        assert isinstance(answers[1], WorkerDied)
        assert crowd.worker.calls == [[b"a", b"end", b"b"], [b"a"], [b"end"], [b"b"]]

    run(test)


def test_requests_of_a_batch_that_ended_its_worker_wait_in_the_pool_one_at_a_time() -> None:
    async def test(crowd: Crowd) -> None:
        call = crowd.worker.call

        async def held(*arguments: Any, **named: Any) -> Any:
            crowd.worker.gate.clear()
            return await call(*arguments, **named)

        crowd.worker.call = held  # type: ignore[method-assign]
        sent = [await crowd.send(each) for each in ("a", "end", "b", "c")]
        crowd.worker.gate.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert crowd.worker.leases == 2
        crowd.worker.call = call  # type: ignore[method-assign]
        crowd.worker.gate.set()
        await asyncio.wait(sent)

    run(test)


def test_a_request_whose_time_is_over_is_not_applied_again(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = [0.0]
    monkeypatch.setattr(joining, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed[0]))

    async def test(crowd: Crowd) -> None:
        call = crowd.worker.call

        async def slow(message: messages.Answered, *arguments: Any, **named: Any) -> Any:
            if isinstance(message, messages.ApplyTogether):
                crowd.worker.calls.append(list(message.rows))
                passed[0] = NEVER / 2
                raise WorkerDied(Death("was ended at its deadline", "apply"))
            return await call(message, *arguments, **named)

        crowd.worker.call = slow  # type: ignore[method-assign]
        first, second = await crowd.send("a", NEVER / 3), await crowd.send("b")
        crowd.worker.gate.set()
        with pytest.raises(WorkerDied, match="deadline"):
            await first
        assert texts([await second]) == [b"B"]
        assert crowd.worker.calls == [[b"a", b"b"], [b"b"]]

    run(test)


def test_a_worker_that_refuses_all_tells_each() -> None:
    async def test(crowd: Crowd) -> None:
        crowd.worker.reply = messages.Failed(messages.ErrorReport("runtime", "fault"))
        sent = [await crowd.send(each) for each in ("a", "b")]
        crowd.worker.gate.set()
        assert [each.answer for each in await asyncio.gather(*sent)] == [crowd.worker.reply] * 2

    run(test)


def test_requests_of_a_notebook_that_was_edited_meanwhile_are_calls_of_their_own() -> None:
    async def test(crowd: Crowd) -> None:
        crowd.worker.row_wise = False
        sent = [await crowd.send(each) for each in ("a", "b")]
        crowd.worker.gate.set()
        answers = await asyncio.gather(*sent)
        assert [(each.results.data, each.together) for each in answers] == [(b"A", 1), (b"B", 1)]
        assert crowd.worker.calls == [[b"a"], [b"b"]]

    run(test)
