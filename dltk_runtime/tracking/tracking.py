"""`Tracking`: what fits report becomes files and lines in the queue; one thread does that, in order."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from dltk_runtime import logs
from dltk_runtime.errors import DltkError, StoreDamaged
from dltk_runtime.files import atomic
from dltk_runtime.files.records import decoded
from dltk_runtime.jobs.errors import JobUnknown
from dltk_runtime.jobs.interface import JobRecords
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.names import ModelName
from dltk_runtime.notebook.source import unpack
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from dltk_runtime.store.card import shown
from dltk_runtime.store.card_text import markdown
from dltk_runtime.store.store import ModelStore, Version
from dltk_runtime.tracking import spooled
from dltk_runtime.tracking.address import URI, Address, hidden_files
from dltk_runtime.tracking.child import TrackingHelper
from dltk_runtime.tracking.facts import TrackingLine, milliseconds, run_facts, status_of, version_facts
from dltk_runtime.tracking.interface import FitBegins
from dltk_runtime.tracking.live import RunningFits
from dltk_runtime.tracking.place import RunFolder, WaitingFolder, keep
from dltk_runtime.tracking.sender import Sender
from dltk_runtime.tracking.wire import Answer, SendOutcome

BEGIN_SECONDS = 2.0  # that a fit waits for its run at the server
CLOSE_SECONDS = 2.0  # in which the end of a server still sends
LOOK_SECONDS = 15.0  # between two looks for runs and models that changed without a word to this server
LEFT_SECONDS = 60.0  # after which the run of a job that ended is ended by any server
THE_RUN = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID")
MISSING = "run pip install '.[tracking]' in a clone of dltk-runtime, or unset the variable"


class Tracking:
    """Implements `interface.RunTracking` for an MLflow server."""

    def __init__(
        self, address: Address, place: WaitingFolder, paths: Paths, limit: int, hidden: Sequence[str] = ()
    ) -> None:
        self._address = address
        self._place = place
        self._paths = paths
        self._helper = TrackingHelper(address, place.root, hidden)
        self.sender = Sender(place, self._helper, limit)
        self._live = RunningFits(place, paths.jobs, self._helper, lambda: self.sender.down)
        self._disk = ThreadPoolExecutor(1, "dltk-tracking-files")
        self._failures = logs.RecurringFailures()
        self._store: ModelStore | None = None
        self._jobs: JobRecords | None = None
        self._left: dict[str, float] = {}  # when a job was first seen that ended without its run

    @classmethod
    def of(cls, settings: Settings) -> Tracking | None:
        """Return the tracking that the settings configure; None without a server or without mlflow."""
        address = Address.of(settings)
        if address is None:
            return None
        if importlib.util.find_spec("mlflow") is None:
            logs.event("no tracking", logging.ERROR, error=f"{URI} is set, and mlflow is not installed: {MISSING}")
            return None
        hidden, place = hidden_files(settings, os.environ), WaitingFolder(settings.paths.home / "tracking")
        return cls(address, place, settings.paths, settings.tracking_spool, hidden)

    def start(self, store: ModelStore, jobs: JobRecords) -> None:
        """Start to send what is on disk.

        Raises:
            OSError: the folder cannot be written.
        """
        self._store, self._jobs = store, jobs
        self.sender.start()
        self._helper.start()

    def close(self, grace: float = CLOSE_SECONDS) -> None:
        """Send what can be sent within `grace` seconds; the rest stays on disk."""
        self._disk.shutdown()
        self.sender.close(grace)

    async def look_often(self) -> None:
        """Look for ends and promotions that nobody reported to this server, and for steps, until cancelled."""
        await asyncio.gather(self._look_for_ends(), self._live.send_often())

    async def _look_for_ends(self) -> None:
        while True:
            self._do(self._look)
            await asyncio.sleep(LOOK_SECONDS)

    # ------------------------------------------------------------ reports

    async def begin(self, fit: FitBegins) -> dict[str, str]:
        """Make a run for a fit; return the variables by which MLflow's client finds it.

        Without an answer within `BEGIN_SECONDS` they lead to a folder, from which it is sent later.
        """
        folder = self._place.run(fit.record.id)
        try:
            return await asyncio.to_thread(self._begin, folder, fit)
        except OSError as error:
            logs.event("run not kept", logging.WARNING, job=fit.record.id, error=str(error))
            return {}

    def committed(
        self, version: Version, job: str, *, promoted: bool, message: str, executed: Path | None = None
    ) -> None:
        """Queue a version of a job's fit; `executed` is the notebook of a batch run."""
        self._do(partial(self._commit, version, job, promoted=promoted, message=message, executed=executed))

    def ended(self, record: JobRecord) -> None:
        """Queue the end of a job's run."""
        if record.state.ended:
            self._live.end(record.id)
            self._do(partial(self._end, record))

    def current_changed(self, name: ModelName) -> None:
        """Queue the number that is current now."""
        self._do(partial(self._point, name))

    # ------------------------------------------------------------ in the thread for files

    def _do(self, work: Callable[[], None]) -> None:
        """Have work done after all that was reported before."""

        def done() -> None:
            with self._failures.logged("tracking"):
                work()

        with contextlib.suppress(RuntimeError):  # closed: a job that ends now is found by `_look` later
            self._disk.submit(done)

    def _begin(self, folder: RunFolder, fit: FitBegins) -> dict[str, str]:
        facts = run_facts(fit, self._paths)
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.ended.unlink(missing_ok=True)
        atomic.write(folder.facts, msgspec.json.encode(facts), durable=False)
        self._live.begin(facts.job)
        line = TrackingLine("begin", facts.job)
        answer = Answer(0, SendOutcome.LATER) if self.sender.down else self._helper.ask(line, BEGIN_SECONDS, now=True)
        if answer.outcome is not SendOutcome.DONE:
            self.sender.down = answer.outcome is SendOutcome.LATER
            self.sender.put(line, folder.size())
        if answer.outcome is SendOutcome.DONE and self._address.listed and not folder.logged.exists():
            variables = self._address.for_fit(answer.run, answer.experiment)
        else:
            variables = spooled.create(folder.logged, facts)
        return {key: text for key, text in variables.items() if not (facts.own_experiment and key in THE_RUN)}

    def _commit(self, version: Version, job: str, *, promoted: bool, message: str, executed: Path | None) -> None:
        folder = self._place.run(job)
        if folder.facts.exists():
            facts = version_facts(version.manifest(), promoted=promoted, message=message)
            atomic.write(folder.version, msgspec.json.encode(facts), durable=False)
            _keep_artifacts(version, folder, promoted=promoted)
            if executed is not None:
                atomic.copy(executed, folder.artifacts / "notebook" / executed.name)
            self._queue(TrackingLine("version", job), folder)
        self._point(version.name)

    def _end(self, record: JobRecord) -> None:
        folder = self._place.run(record.id)
        if not folder.facts.exists() or folder.ended.exists():
            return
        with contextlib.suppress(FileNotFoundError):
            keep(self._paths.jobs / record.id / "metrics.jsonl", folder.steps)
        folder.ended.touch()
        ended = milliseconds(record.ended) if record.ended else round(time.time() * 1000)
        line = TrackingLine("end", record.id, status=status_of(record.state), ended=ended)
        self._queue(line, folder)

    def _queue(self, line: TrackingLine, folder: RunFolder) -> None:
        """Queue a line; where the bound leaves no room, without the run's files, or not at all."""
        if not self.sender.put(line, folder.size()):
            folder.lighten()
            if not self.sender.put(line, folder.size()):
                self.sender.forget(line.job)

    def _point(self, name: ModelName) -> None:
        """Queue the current number of a model, if it is another one than was queued last."""
        if self._store is None:
            return
        try:
            number = self._store.serving(name).number
        except StoreDamaged:
            return  # what serves is decided at each apply; the alias stays
        known = self._champions()
        if known.get(str(name)) == number:
            return
        if self.sender.put(TrackingLine("champion", algorithm=name.algorithm, model=name.model, number=number)):
            atomic.write(self._place.champions, msgspec.json.encode({**known, str(name): number}), durable=False)

    def _champions(self) -> dict[str, int]:
        try:
            return decoded(atomic.read(self._place.champions), dict[str, int])
        except (FileNotFoundError, ValueError):
            return {}

    def _look(self) -> None:
        self.sender.adopt()
        for folder in self._place.runs():
            if not folder.ended.exists() and self._jobs is not None:
                try:
                    self._end_left(self._jobs.get(folder.job))
                except JobUnknown:
                    self.sender.forget(folder.job)
        for name in self._champions():
            algorithm, _, model = name.rpartition("/")
            with contextlib.suppress(DltkError):
                self._point(ModelName(algorithm, model))

    def _end_left(self, record: JobRecord) -> None:
        """Queue the end of a job whose server does not: it has had the time for it."""
        if record.state.ended:
            seen = self._left.setdefault(record.id, time.monotonic())
            if time.monotonic() - seen > LEFT_SECONDS:
                del self._left[record.id]
                self._end(record)


def _keep_artifacts(version: Version, folder: RunFolder, *, promoted: bool) -> None:
    """Keep what a version's run shows as files: manifest, model card, summary, cells, pictures."""
    own = folder.artifacts / "version"
    own.mkdir(parents=True, exist_ok=True)
    atomic.write(own / "version.json", atomic.to_json(version.manifest()), durable=False)
    card = shown(version, current=promoted, values=True)  # as far as its fit kept values
    atomic.write(own / "card.md", markdown(card).encode("utf-8", "replace"), durable=False)
    atomic.write(own / "summary.json", version.description(), durable=False)
    for source in unpack(version.code()):
        target = folder.artifacts / "code" / f"{source.path.removesuffix('.py')}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(target, source.text.encode("utf-8", "replace"), durable=False)
    pictures = Path(version.location().pictures or folder.artifacts / "pictures")
    for picture in sorted(pictures.rglob("*")):
        if picture.is_file():
            keep(picture, folder.artifacts / "pictures" / picture.relative_to(pictures))
