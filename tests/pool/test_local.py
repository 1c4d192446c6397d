"""One worker as the front process sees it: it answers, or it ends, and either is told exactly once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.payload import Payload
from dltk_runtime.pool.environment import worker_environment
from dltk_runtime.pool.guardian import Guardian
from dltk_runtime.pool.launch import Spec
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.pool.outcome import Death, WorkerDied
from dltk_runtime.pool.worker import SILENT, Listener
from dltk_runtime.settings import Settings
from dltk_runtime.worker.messages import Failed, Fit, Load, Stage, Staged
from tests.conftest import MakeNotebook

pytestmark = pytest.mark.process

Body = Callable[[], Awaitable[None]]
Run = Callable[[Body], None]
Start = Callable[..., LocalWorker]
ROWS = Payload(json.dumps("a,b\n1,2\n").encode(), escaped=True)


@pytest.fixture
def start(settings: Settings, guardian: Guardian) -> Start:
    def start(spec: Spec = Spec(1)) -> LocalWorker:  # noqa: B008 - it is frozen
        return LocalWorker.start(spec, worker_environment(settings, spec.threads), guardian)

    return start


def soon(seconds: float = 120) -> float:
    return time.monotonic() + seconds


def fit_of(paths: Paths, algorithm: str) -> Fit:
    folder = paths.models / "kept"
    folder.mkdir(exist_ok=True)
    return Fit(algorithm, f"kept/{algorithm}", str(folder), str(folder / "model"), meta=b"{}")


async def death_of(worker: LocalWorker, message: Fit | Load | Stage, seconds: float = 120) -> Death:
    with pytest.raises(WorkerDied) as caught:
        await worker.call(message, ROWS, deadline=soon(seconds), setting="DLTK_X")
    return caught.value.death


async def death_in_fit(start: Start, message: Fit) -> tuple[LocalWorker, Death, int]:
    """Let a fit run into its deadline of seconds: a longer one where a busy machine had not begun it by then."""
    for seconds in (1, 5, 25, 120):
        worker = start()
        await worker.ready()
        death = await death_of(worker, message, seconds)
        if death.phase == "fit":
            break
    return worker, death, seconds


def test_a_worker_answers_one_call_after_the_other_small_and_large(start: Start, run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        worker = start()
        await worker.ready()
        for rows in (1, 1_000_000):
            data = Payload(json.dumps("a\n" + "1\n" * rows).encode(), escaped=True)
            answer, _ = await worker.call(Stage(str(tmp_path / "x.csv")), data, deadline=soon(), setting="")
            assert answer == Staged(rows=rows)
        assert worker.phase == "idle"
        await worker.end()
        assert (worker.exit_status, worker.usable) == (-signal.SIGKILL, False)

    run(body)


def test_rows_that_find_no_space_name_the_folder_and_what_to_do(start: Start, run: Run) -> None:
    async def body() -> None:
        worker = start()
        answer, _ = await worker.call(Stage("/dev/full"), ROWS, deadline=soon(), setting="")
        assert isinstance(answer, Failed)
        assert answer.error.sentence.startswith("/dev cannot be written: [Errno 28] No space left on device.")
        await worker.end()

    run(body)


def test_a_failure_is_an_answer_and_the_worker_goes_on(start: Start, run: Run) -> None:
    async def body() -> None:
        worker = start()
        await worker.ready()
        for _ in range(2):
            answer, _ = await worker.call(Load("missing", "x"), deadline=soon(), setting="")
            assert isinstance(answer, Failed)
            assert "missing" in answer.error.sentence
        await worker.end()

    run(body)


def test_a_deadline_says_where_the_code_was(start: Start, run: Run, make_notebook: MakeNotebook, paths: Paths) -> None:
    make_notebook("slow", fit="def fit(model, df, param):\n    while True: pass")

    async def body() -> None:
        worker, death, seconds = await death_in_fit(start, fit_of(paths, "slow"))
        assert f"at its deadline, after {seconds} s (DLTK_X)" in death.cause
        assert death.phase == "fit"
        assert death.coordinates == "slow.ipynb, cell 3 (mltkc_fit), line 2: `while True: pass`"
        assert "most recent call first" in death.dump
        assert worker.ended

    run(body)


def test_code_that_the_question_where_it_is_wakes_up_does_not_go_on(
    start: Start, run: Run, make_notebook: MakeNotebook, paths: Paths
) -> None:
    make_notebook("asleep", fit="import ctypes\ndef fit(model, df, param):\n    ctypes.CDLL(None).usleep(60_000_000)")

    async def body() -> None:
        _, death, _ = await death_in_fit(start, fit_of(paths, "asleep"))
        assert (death.phase, "DLTK_X" in death.cause) == ("fit", True)
        assert "line 3: `ctypes" in death.coordinates

    run(body)


def test_a_call_to_a_worker_that_has_ended_fails_at_once(start: Start, run: Run) -> None:
    async def body() -> None:
        worker = start()
        await worker.ready()
        os.kill(worker.pid, signal.SIGKILL)
        await worker.end()
        death = await death_of(worker, Load("a", "b"))
        assert (death.phase, "SIGKILL" in death.cause) == ("send", True)

    run(body)


def test_a_call_to_a_worker_that_ends_meanwhile_fails(start: Start, run: Run) -> None:
    async def body() -> None:
        worker = start()
        await worker.ready()
        os.kill(worker.pid, signal.SIGKILL)  # the event loop has not seen its end yet
        assert "SIGKILL" in (await death_of(worker, Load("a", "b"))).cause

    run(body)


def test_a_worker_that_cannot_start_says_so(start: Start, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        monkeypatch.setattr(sys, "executable", "/no/such/python")
        with pytest.raises(WorkerDied, match="could not be started"):
            start()

    run(body)


def test_a_worker_that_ends_while_it_starts_says_so(start: Start, run: Run) -> None:
    async def body() -> None:
        worker = start()
        worker.kill()
        with pytest.raises(WorkerDied, match=r"SIGKILL.* in step 'start'"):
            await worker.ready()
        nobody_waits_for = start()
        await nobody_waits_for.end()

    run(body)


def test_a_cancelled_call_leaves_nothing_behind(
    start: Start, run: Run, make_notebook: MakeNotebook, paths: Paths
) -> None:
    make_notebook("slow", fit="import time\ndef fit(model, df, param):\n    time.sleep(60)")

    async def body() -> None:
        worker = start()
        await worker.ready()
        call = asyncio.create_task(worker.call(fit_of(paths, "slow"), ROWS, deadline=soon(), setting=""))
        while worker.phase != "fit":  # noqa: ASYNC110 - steps set no events
            await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert call.cancelled()
        await worker.end()

    run(body)


def test_a_worker_may_be_ended_by_many_at_once(start: Start, run: Run) -> None:
    async def body() -> None:
        worker = start()
        await worker.ready()
        call = asyncio.create_task(worker.call(Load("a", "b"), deadline=soon(), setting=""))
        await asyncio.gather(worker.end("was ended by one"), worker.end("was ended by two"), worker.end())
        worker.kill()
        await worker.end("was ended again")
        await asyncio.gather(call, return_exceptions=True)

    run(body)


def test_an_import_that_fails_does_not_stop_a_start(start: Start, run: Run) -> None:
    printed: list[bytes] = []

    async def body() -> None:
        worker = start(Spec(1, ("no_such_library",)))
        worker.listen(Listener(printed.append))
        await worker.ready()
        worker.listen(SILENT)
        await worker.end()

    run(body)
    assert b"import of no_such_library failed" in b"".join(printed)
