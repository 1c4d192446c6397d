"""A server of asynchronous fits without workers: every change that it makes on the disk is the real one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from dltk_runtime.access.named import NamedTokens
from dltk_runtime.fit.bounds import TokenBounds
from dltk_runtime.fit.promotion import Promoter
from dltk_runtime.fit.queue import Fitting
from dltk_runtime.fit.train import Trainer
from dltk_runtime.jobs.record import State
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.names import ModelName
from dltk_runtime.notebook.source import pack
from dltk_runtime.paths import Paths
from dltk_runtime.payload import Payload
from dltk_runtime.pool.pool import Pool
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore
from dltk_runtime.worker.messages import Fit, Fitted
from tests.conftest import write_notebook
from tests.support.service import meta_for

NAME = ModelName("algo", "m")
CSV = "x\n1\n2\n"
ROWS = Submission(meta_for(CSV, "m", {"algo": "algo", "mode": "async"}), Payload(CSV.encode(), escaped=False), "f" * 64)
FITTED = Fitted(
    rows=2, features=(), info=b"{}", metrics={}, description=b"{}", code=pack(()), libraries={}, kept_by_runtime=False
)


class Records(JobStore):
    """Does at once what it does in the background, so that every run makes the same changes."""

    def __init__(self, home: Path) -> None:
        super().__init__(Paths(home, home), keep=5, log_bytes=1000)
        self._disk = cast(Any, SimpleNamespace(submit=lambda work, *given: work(*given)))


class Server:
    """What serves asynchronous fits, without workers. `in_fit` and `in_trial` are called in these steps."""

    device = ""
    phases: dict[str, float] = {}  # noqa: RUF012 - a worker's attribute

    def __init__(
        self, home: Path, in_fit: Callable[[], object] = lambda: None, in_trial: Callable[[], object] = lambda: None
    ) -> None:
        self.paths = Paths(home, home / "notebooks")
        self.jobs = Records(home)
        self.store = ModelStore.open(self.paths, keep=5)
        self.in_fit, self.in_trial = in_fit, in_trial
        settings = Settings(home=home, notebooks=self.paths.notebooks, fit_retries=2)
        trial = cast(Any, SimpleNamespace(trial=self._trial))
        trainer = Trainer(
            store=self.store,
            pool=cast(Pool, self),
            promotion=Promoter(self.store, trial, settings.error_texts),
            last=cast(Any, SimpleNamespace(fitted=lambda *_: None)),
            timeout=60,
            texts=settings.error_texts,
            retries=settings.fit_retries,
            on_decision=lambda *_: None,
            on_gpu=lambda *_: None,
        )
        bounds = TokenBounds(NamedTokens(None), self.store, self.paths.usage)
        self.fitting = Fitting(settings, self.jobs, trainer, bounds)

    def serve(self) -> None:
        """Go on until no job is left."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        for _ in range(9):
            await self.fitting._queue.look()
            while running := [each.task for each in self.fitting._running.values()]:
                await asyncio.wait(running)
                await asyncio.sleep(0)
            if not self.jobs.unfinished():
                return
        raise AssertionError(self.jobs.unfinished())

    async def _trial(self, _: object) -> str:
        self.in_trial()
        return ""

    # ------------------------------------------------------------ the pool, and its worker

    def waits_for_gpu(self, _: object) -> bool:
        return False

    def has_room(self, _: object) -> bool:
        return True

    def versions_in_use(self, _: object) -> set[int]:
        return set()

    def retire(self, _: object, keep: int) -> None:
        """There are no workers."""

    @contextlib.asynccontextmanager
    async def fit_worker(self, *_: object, **__: object) -> AsyncIterator[Server]:
        yield self

    def listen(self, _: object) -> None:
        """It has nothing to say."""

    async def call(self, message: Fit, rows: Payload, **_: object) -> tuple[Fitted, Payload]:
        self.in_fit()
        with open(message.folder + "/algo_m.json", "wb") as file:  # noqa: ASYNC230 - it stands in for a process
            file.write(rows.view())
        return FITTED, rows


def submit(home: Path) -> None:
    Records(home).submit(NAME, {"algo": "algo"}, ROWS)


def made_home(home: Path) -> Path:
    """A home with a notebook."""
    for folder in (home / "notebooks", home / "jobs"):
        folder.mkdir(parents=True)
    write_notebook(home / "notebooks", "algo")
    return home


def check(home: Path, at_most: int, at_least: int = 0) -> None:
    """Another server goes on: each job succeeds with one version, which is current, and its rows are gone."""
    server = Server(home)
    server.serve()
    server.jobs.prune()
    jobs = server.jobs.list()
    assert at_least <= len(jobs) <= at_most, home
    versions = server.store.versions(NAME)
    assert {each.state for each in jobs} <= {State.SUCCEEDED}, (home, jobs)
    assert [each.manifest().job for each in versions] == [each.id for each in jobs], home
    for job, version in zip(jobs, versions, strict=True):
        assert (job.state, job.version, job.promoted) == (State.SUCCEEDED, version.number, True), (home, job)
        assert job.attempts <= 3
        version.verify(hashes=True)
        assert server.store.choose(NAME).version.number == version.number
        assert (version.where and Path(version.where, "algo_m.json").read_text()) == CSV
        left = {path.name for path in (home / "jobs" / job.id).iterdir()}
        assert not left & {"data.csv", "data.json", "meta.json"}, home
