"""What the helper process does at an MLflow server. Each method may be repeated after a failure."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from mlflow.entities import Experiment, LifecycleStage, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dltk_runtime.files import atomic
from dltk_runtime.files.records import decoded
from dltk_runtime.tracking.copying import copy_logged
from dltk_runtime.tracking.facts import PREFIX, RunFacts, ServerRun, TrackingLine, VersionFacts
from dltk_runtime.tracking.place import RunFolder, WaitingFolder, drop_links
from dltk_runtime.tracking.wire import Ask

CHAMPION = "champion"  # the alias of the version that is current
MAX_BATCH = 100  # tags or parameters in one request
MAX_METRICS = 1000  # in one request
MAX_PARAMETER_CHARACTERS = 6000
EXISTS = "RESOURCE_ALREADY_EXISTS"
Item = TypeVar("Item")


class TrackingServer:
    """The MLflow server that the environment names."""

    def __init__(self) -> None:
        self._client = MlflowClient()
        self._making = threading.Lock()  # over a run that is looked for, and made

    def alive(self) -> bool:
        """Return whether the server answers."""
        try:
            self._client.search_experiments(max_results=1)
        except Exception:  # noqa: BLE001 - the client raises errors of requests, urllib3 and its own
            return False
        return True

    def send(self, place: WaitingFolder, ask: Ask) -> ServerRun | None:
        """Send one thing. Raises what MLflow's client raises."""
        line, folder = ask.line, place.run(ask.line.job)
        match line.what:
            case "champion":
                self._point(line)
            case _ if not folder.facts.exists():
                return None  # removed by hand
            case "begin":
                return self._run(folder)
            case "steps":
                self._send_new_steps(folder, line.number)
            case "version":
                self._commit(folder)
            case "end":
                self._end(folder, line)
        return None

    # ------------------------------------------------------------ runs

    def _run(self, folder: RunFolder) -> ServerRun:
        """Return the run of a job; make it where the server has none."""
        with contextlib.suppress(FileNotFoundError):
            return decoded(folder.server.read_bytes(), ServerRun)
        with self._making:
            return self._made_run(folder)

    def _made_run(self, folder: RunFolder) -> ServerRun:
        with contextlib.suppress(FileNotFoundError):
            return decoded(folder.server.read_bytes(), ServerRun)
        facts = _read(folder.facts, RunFacts)
        experiment = self._experiment(facts.algorithm)
        found = self._client.search_runs([experiment], f"tags.`{PREFIX}job` = '{facts.job}'", max_results=1)
        run = found[0] if found else self._client.create_run(experiment, facts.started, facts.tags, facts.name)
        made = ServerRun(run.info.run_id, experiment)
        atomic.write(folder.server, msgspec.json.encode(made), durable=False)
        return made

    def _experiment(self, name: str) -> str:
        try:
            return str(self._client.create_experiment(name))
        except MlflowException as error:
            if error.error_code != EXISTS:
                raise
        found = self._client.get_experiment_by_name(name)
        if not isinstance(found, Experiment):
            raise MlflowException(f"the experiment {name} can be neither made nor found")
        if found.lifecycle_stage == LifecycleStage.DELETED:
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _commit(self, folder: RunFolder) -> None:
        run, facts = self._run(folder).run, _read(folder.facts, RunFacts)
        version = _read(folder.version, VersionFacts)
        self._log(run, tags={**version.tags, "mlflow.note.content": version.text})
        self._log_metrics(
            run, (Metric(name_of(key), value, facts.started, 0) for key, value in version.metrics.items())
        )
        drop_links(folder.artifacts)
        if folder.artifacts.is_dir():
            self._client.log_artifacts(run, str(folder.artifacts))
        self._register(run, facts, version)

    def _send_new_steps(self, folder: RunFolder, first: int) -> None:
        """Log the steps that a running fit has reported since the last time; the first is its step `first`."""
        run, facts = self._run(folder).run, _read(folder.facts, RunFacts)
        self._log_metrics(run, _steps(folder.new_steps, facts.started, first, _sent(folder)))
        count = folder.new_steps.read_bytes().count(b"\n")
        atomic.write(folder.sent_steps, str(first + count).encode(), durable=False)

    def _end(self, folder: RunFolder, line: TrackingLine) -> None:
        run, facts = self._run(folder).run, _read(folder.facts, RunFacts)
        drop_links(folder.logged)
        if folder.logged.is_dir():
            copy_logged(self._client, folder.logged, run)
        self._log(run, parameters=self._parameters(run, facts.parameters))
        self._log_metrics(run, _steps(folder.steps, facts.started, begin=_sent(folder)))
        self._client.set_terminated(run, line.status, line.ended)

    def _parameters(self, run: str, ours: Mapping[str, str]) -> dict[str, str]:
        """Return the parameters to log: where the notebook logged another value, ours is ``fit.NAME``."""
        theirs = self._client.get_run(run).data.params
        named = {name_of(key): text[:MAX_PARAMETER_CHARACTERS] for key, text in ours.items()}
        differing = {key for key, text in named.items() if theirs.get(key, text) != text}
        renamed = {f"fit.{key}" if key in differing else key: text for key, text in named.items()}
        return {key: text for key, text in renamed.items() if key not in theirs}

    def _log(
        self, run: str, parameters: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        for some in _batches([Param(key, text) for key, text in (parameters or {}).items()], MAX_BATCH):
            self._client.log_batch(run, params=some)
        for few in _batches([RunTag(key, text) for key, text in (tags or {}).items()], MAX_BATCH):
            self._client.log_batch(run, tags=few)

    def _log_metrics(self, run: str, metrics: Iterable[Metric]) -> None:
        for some in _batches(metrics, MAX_METRICS):
            self._client.log_batch(run, metrics=some)

    # ------------------------------------------------------------ models

    def _register(self, run: str, facts: RunFacts, version: VersionFacts) -> None:
        """Make a model version for a version, unless there is one."""
        name = model_name(facts.algorithm, facts.model)
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != EXISTS:
                raise
        if self._number(name, version.number) is None:
            source = f"{self._client.get_run(run).info.artifact_uri}/version"
            tags = {f"{PREFIX}version": str(version.number), f"{PREFIX}job": facts.job}
            self._client.create_model_version(name, source, run, tags, description=version.text)

    def _point(self, line: TrackingLine) -> None:
        """Move the alias to the version that is current; remove it where the server has no such version."""
        name = model_name(line.algorithm, line.model)
        number = self._number(name, line.number)
        if number is not None:
            self._client.set_registered_model_alias(name, CHAMPION, number)
        elif self._client.search_registered_models(f"name = '{name}'", max_results=1):
            self._client.delete_registered_model_alias(name, CHAMPION)

    def _number(self, name: str, version: int) -> str | None:
        """Return the server's number of one of our versions."""
        wanted = f"name = '{name}' and tags.`{PREFIX}version` = '{version}'"
        found = self._client.search_model_versions(wanted, max_results=1)
        return str(found[0].version) if found else None


def model_name(algorithm: str, model: str) -> str:
    """Return the name of a model at the server; neither part can hold a dot."""
    return f"{algorithm}.{model}"


def name_of(text: str) -> str:
    """Return a metric's or parameter's name with the characters that MLflow takes, at most 250."""
    plain = "".join(each if each.isalnum() or each in "_-. :/" else "_" for each in text)
    return "/".join(part for part in plain.split("/") if part not in ("", ".", ".."))[:250] or "_"


def _sent(folder: RunFolder) -> int:
    """Return how many steps were sent while the fit ran."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(folder.sent_steps.read_bytes())
    return 0


def _steps(path: Path, started: int, first: int = 0, begin: int = 0) -> Iterable[Metric]:
    """Yield the metrics of each step in a file, in order, from step `begin` of the fit on.

    `first` is the number of the file's first line.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, first):
            if number < begin:
                continue
            with contextlib.suppress(ValueError):  # cut short by a kill
                values = decoded(line, dict[str, float])
                step = int(values.pop("step", number))
                for key, value in values.items():
                    yield Metric(name_of(f"progress/{key}"), value, started + number, step)


def _read(path: Path, kind: type[Item]) -> Item:
    return decoded(path.read_bytes(), kind)


def _batches(items: Iterable[Item], most: int) -> Iterable[list[Item]]:
    batch: list[Item] = []
    for each in items:
        batch.append(each)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch
