"""Real workers with two requests, of which the second waits in the worker while the first runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.payload import Payload
from dltk_runtime.pool import calls
from dltk_runtime.pool.environment import worker_environment
from dltk_runtime.pool.following import Following, Moved
from dltk_runtime.pool.guardian import Guardian
from dltk_runtime.pool.launch import Spec
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.pool.outcome import WorkerDied
from dltk_runtime.pool.worker import Answer
from dltk_runtime.settings import Settings
from dltk_runtime.worker.messages import Applied, Apply, Load, Loaded
from tests.conftest import MakeNotebook
from tests.support.service import Service, until

pytestmark = pytest.mark.process

Run = Callable[[Callable[[], Awaitable[None]]], None]
APPLY = """
    import os, time

    def apply(model, df, param):
        do, name = df["do"][0], df["name"][0]
        print("this is", name)
        with open(FOLDER + "/ran", "a") as file:
            file.write(name + "\\n")
        while do == "wait" and not os.path.exists(FOLDER + "/gate"):
            time.sleep(0.001)
        if do == "crash":
            os._exit(3)
        return df[["name"]]
"""


@pytest.fixture
def folder(tmp_path: Path, make_notebook: MakeNotebook) -> Path:
    """Where the notebook writes which requests it has run, and looks for the gate that it waits for."""
    folder = tmp_path / "seen"
    folder.mkdir()
    load = "def load(name):\n    return {'rows': 1}"
    make_notebook("algo", apply=APPLY.replace("FOLDER", repr(str(folder))), load=load)
    return folder


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests count as quick however busy the machine is."""
    monkeypatch.setattr(calls, "QUICK_SECONDS", 600.0)
    monkeypatch.setattr(calls, "PATIENCE_SECONDS", 600.0)


class Pair:
    """A worker with a request that waits for the gate, and one behind it."""

    def __init__(self, worker: LocalWorker, folder: Path) -> None:
        self.worker, self.folder = worker, folder
        self.printed: dict[str, list[bytes]] = {}
        self.begun: list[str] = []

    async def load(self) -> None:
        await self.worker.ready()
        answer, _ = await self.worker.call(Load("algo", "x"), deadline=soon(), setting="")
        assert isinstance(answer, Loaded), answer
        await self.send("zero", "go")

    def send(self, name: str, do: str, *, follows: bool = False, seconds: float = 120) -> Coroutine[Any, Any, Answer]:
        output = self.printed.setdefault(name, []).append
        following = Following(output, lambda: self.begun.append(name)) if follows else None
        if not follows:
            self.worker.print_to(output)
        rows = Payload(json.dumps(f"do,name\n{do},{name}\n").encode(), escaped=True)
        return self.worker.call(
            Apply(b'{"feature_variables": []}'), rows, deadline=soon(seconds), setting="DLTK_X", following=following
        )

    async def both(self, do: str = "wait", seconds: float = 120) -> tuple[asyncio.Task[Answer], asyncio.Task[Answer]]:
        first = asyncio.create_task(self.send("one", do, seconds=seconds))
        await asyncio.sleep(0)
        assert self.worker.quick
        second = asyncio.create_task(self.send("two", "go", follows=True))
        await asyncio.sleep(0)
        assert not self.worker.quick
        return first, second

    async def begins(self) -> None:
        async with asyncio.timeout(60):
            while "one" not in self.ran():  # noqa: ASYNC110 - the worker sets no event
                await asyncio.sleep(0.01)

    def open(self) -> None:
        (self.folder / "gate").touch()

    def ran(self) -> list[str]:
        return (self.folder / "ran").read_text().split()

    def text(self, name: str) -> str:
        return b"".join(self.printed[name]).decode()


def soon(seconds: float = 120) -> float:
    return time.monotonic() + seconds


def with_pair(settings: Settings, guardian: Guardian, run: Run, folder: Path, body: Callable[[Pair], Any]) -> None:
    async def whole() -> None:
        pair = Pair(LocalWorker.start(Spec(1), worker_environment(settings, 1), guardian), folder)
        try:
            await pair.load()
            await body(pair)
        finally:
            await pair.worker.end()

    run(whole)


def test_each_of_two_requests_has_its_answer_and_its_output(
    settings: Settings, guardian: Guardian, run: Run, folder: Path
) -> None:
    async def body(pair: Pair) -> None:
        first, second = await pair.both()
        await pair.begins()
        assert pair.begun == []
        pair.open()
        for name, task in (("one", first), ("two", second)):
            answer, results = await task
            assert isinstance(answer, Applied), answer
            assert name in bytes(results.view()).decode()
            assert pair.text(name) == f"this is {name}\n"
        assert pair.begun == ["two"]
        assert pair.ran() == ["zero", "one", "two"]
        await pair.send("three", "go")
        assert pair.text("three") == "this is three\n"

    with_pair(settings, guardian, run, folder, body)


def test_the_second_is_moved_when_the_first_ends_the_worker(
    settings: Settings, guardian: Guardian, run: Run, folder: Path
) -> None:
    async def body(pair: Pair) -> None:
        first, second = await pair.both("crash")
        with pytest.raises(WorkerDied, match="exit code 3"):
            await first
        with pytest.raises(Moved):
            await second
        assert pair.ran() == ["zero", "one"]

    with_pair(settings, guardian, run, folder, body)


def test_the_second_alone_is_told_of_its_own_crash(
    settings: Settings, guardian: Guardian, run: Run, folder: Path
) -> None:
    async def body(pair: Pair) -> None:
        first = asyncio.create_task(pair.send("one", "wait"))
        await asyncio.sleep(0)
        second = asyncio.create_task(pair.send("two", "crash", follows=True))
        await pair.begins()
        pair.open()
        assert isinstance((await first)[0], Applied)
        with pytest.raises(WorkerDied) as caught:
            await second
        assert caught.value.death.phase == "apply"
        assert "os._exit(3)" in caught.value.death.coordinates
        assert pair.text("two") == "this is two\n"

    with_pair(settings, guardian, run, folder, body)


def test_a_worker_that_dies_before_the_second_begins_was_in_no_phase_of_the_first(
    settings: Settings, guardian: Guardian, run: Run, folder: Path
) -> None:
    """Else the second would fail for good, in a step in which it never was."""

    async def body(pair: Pair) -> None:
        first, second = await pair.both("go")
        await asyncio.gather(first, second)
        async with asyncio.timeout(60):
            while pair.worker._traces._board.last() is not None:  # noqa: ASYNC110 - the worker sets no event
                await asyncio.sleep(0.01)

    with_pair(settings, guardian, run, folder, body)


def test_the_second_is_moved_when_the_first_passes_its_deadline(
    settings: Settings, guardian: Guardian, run: Run, folder: Path
) -> None:
    async def body(pair: Pair) -> None:
        first, second = await pair.both(seconds=1)
        with pytest.raises(Moved):
            await second
        with pytest.raises(WorkerDied, match="deadline"):
            await first
        assert "two" not in pair.ran()

    with_pair(settings, guardian, run, folder, body)


def test_the_second_is_moved_when_the_first_is_slow(
    settings: Settings, guardian: Guardian, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(pair: Pair) -> None:
        monkeypatch.setattr(calls, "PATIENCE_SECONDS", 0.0)
        first, second = await pair.both()
        with pytest.raises(Moved):
            await second
        pair.open()
        assert isinstance((await first)[0], Applied)
        assert pair.ran() == ["zero", "one"]
        assert pair.worker.usable

    with_pair(settings, guardian, run, folder, body)


def test_a_request_is_moved_if_the_one_to_follow_is_given_up_before_it_is_sent(
    settings: Settings, guardian: Guardian, run: Run, folder: Path
) -> None:
    async def body(pair: Pair) -> None:
        with pytest.raises(Moved):
            await pair.send("two", "go", follows=True)
        assert not pair.worker.spoiled
        assert isinstance((await pair.send("two", "go"))[0], Applied)
        assert pair.ran() == ["zero", "two"]

    with_pair(settings, guardian, run, folder, body)


@pytest.mark.parametrize("gives_up", ["one", "two"])
def test_who_gives_up_takes_no_other_along(
    settings: Settings, guardian: Guardian, run: Run, folder: Path, gives_up: str
) -> None:
    async def body(pair: Pair) -> None:
        first, second = await pair.both()
        await pair.begins()
        (first if gives_up == "one" else second).cancel()
        if gives_up == "one":
            with pytest.raises(Moved):
                await second
            assert pair.worker.spoiled
        else:
            await asyncio.gather(second, return_exceptions=True)
            pair.open()
            assert isinstance((await first)[0], Applied)
            assert not pair.worker.spoiled
        assert pair.ran() == ["zero", "one"]

    with_pair(settings, guardian, run, folder, body)


def test_of_many_requests_beside_kills_none_runs_twice_and_none_is_lost(
    paths: Paths, make_notebook: MakeNotebook, folder: Path
) -> None:
    answers: dict[str, dict[str, Any]] = {}
    with Service(paths.home, paths.notebooks, DLTK_APPLY_WORKERS="2") as service:
        service.apply("algo", "do,name\ngo,warm\n")

        def client(number: int) -> None:
            for each in range(12):
                name = f"n{number}x{each}"
                answers[name] = service.apply("algo", f"do,name\n{'crash' if name == 'n3x5' else 'go'},{name}\n")

        clients = [threading.Thread(target=client, args=(number,)) for number in range(6)]
        for each in clients:
            each.start()
        for count in (20, 45):
            until(lambda count=count: len(answers) >= count)
            for pid in service.workers():
                os.kill(pid, signal.SIGKILL)
        for each in clients:
            each.join()
    ran = (folder / "ran").read_text().split()
    assert len(ran) == len(set(ran))
    assert len(answers) == 6 * 12
    failed = {name: each["message"] for name, each in answers.items() if each["status"] != "success"}
    assert all("The worker process" in message for message in failed.values()), failed
    assert len(failed) <= 1 + 2 * 2  # the crash, and what the killed workers ran
    for name in answers.keys() - failed.keys():
        assert name in ran
        assert answers[name]["results"] == f"name\n{name}\n"
