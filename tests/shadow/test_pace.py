"""Our own work stops while a forwarded request is open and cores are short, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dltk_runtime.server.shadow import pace
from dltk_runtime.server.shadow.pace import Pace


class Machine:
    """Says whether cores are short, and notes what it is told."""

    def __init__(self, *, short: bool) -> None:
        self.short = short
        self.stopped = False
        self.calls = 0

    def stop(self) -> None:
        self.stopped = True
        self.calls += 1

    def go_on(self) -> None:
        self.stopped = False

    def run(self, test: Callable[[Pace], Awaitable[None]]) -> None:
        async def main() -> None:
            await test(Pace(self.stop, self.go_on, lambda: self.short))

        asyncio.run(main())


def test_it_stops_at_once_and_goes_on_after_the_last_answer() -> None:
    machine = Machine(short=True)

    async def test(paced: Pace) -> None:
        paced.opened()
        paced.opened()
        assert machine.stopped
        paced.closed()
        assert machine.stopped
        paced.closed()
        assert not machine.stopped
        assert paced.stops == 1
        await paced.free()
        await paced.quiet()

    machine.run(test)


def test_it_does_not_stop_while_there_are_cores() -> None:
    machine = Machine(short=False)

    async def test(paced: Pace) -> None:
        paced.opened()
        await paced.free()
        assert machine.calls == paced.stops == 0

    machine.run(test)


def test_it_looks_again_while_a_request_is_open() -> None:
    machine = Machine(short=False)

    async def test(paced: Pace) -> None:
        watching = asyncio.create_task(paced.run())
        paced.opened()
        machine.short = True
        async with asyncio.timeout(60):
            while machine.calls < 2:  # noqa: ASYNC110 - again: what has begun since is stopped too
                await asyncio.sleep(0)
        assert paced.stops == 1
        watching.cancel()

    machine.run(test)


def test_after_a_rest_it_goes_on_if_there_are_cores_again() -> None:
    machine = Machine(short=True)

    async def test(paced: Pace) -> None:
        watching = asyncio.create_task(paced.run())
        paced.opened()
        machine.short = False
        async with asyncio.timeout(60):
            await paced.free()
        assert not machine.stopped
        watching.cancel()

    machine.run(test)


def test_work_of_this_process_begins_in_a_gap() -> None:
    machine = Machine(short=False)

    async def test(paced: Pace) -> None:
        paced.opened()
        waiting = asyncio.create_task(paced.gap())
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
        paced.closed()
        async with asyncio.timeout(60):
            await waiting

    machine.run(test)


def test_work_of_this_process_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "MOST_GAP_SECONDS", 0.01)

    async def test(paced: Pace) -> None:
        paced.opened()
        async with asyncio.timeout(60):
            await paced.gap()

    Machine(short=False).run(test)


def test_the_kernel_says_how_many_processes_run() -> None:
    assert pace.running_processes() >= 0
