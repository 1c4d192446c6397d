"""What is known of a run and of a version, as the helper process reads it from files."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from dltk_runtime.errors import NameInvalid
from dltk_runtime.jobs.record import State
from dltk_runtime.notebook import parameters
from dltk_runtime.notebook.algorithm import source_of
from dltk_runtime.notebook.cells import COMPILE_ERRORS
from dltk_runtime.notebook.declaration import declared
from dltk_runtime.notebook.errors import NotebookError
from dltk_runtime.notebook.source import Source
from dltk_runtime.paths import Paths
from dltk_runtime.secret_names import parameters_without_secrets
from dltk_runtime.store.manifest import Manifest
from dltk_runtime.store.search_words import word
from dltk_runtime.texts import unquote
from dltk_runtime.tracking.interface import FitBegins

PREFIX = "dltk."  # of our tags at the server
MAX_TEXT_CHARACTERS = 5000  # of a tag's value that are sent; MLflow takes no longer ones


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run when its fit begins; `started` is in milliseconds since the epoch.

    `own_experiment`: the notebook sets an experiment, with which MLflow refuses a run of another one.
    """

    job: str
    algorithm: str
    model: str
    name: str
    started: int
    parameters: dict[str, str]
    tags: dict[str, str]
    own_experiment: bool = False


class VersionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a committed version. Metrics are named by origin: ``train/accuracy``."""

    number: int
    metrics: dict[str, float]
    tags: dict[str, str]
    text: str  # a sentence about it


class ServerRun(msgspec.Struct, frozen=True):
    """A run at the server."""

    run: str
    experiment: str


class TrackingLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to send: `what` happened, in the order of the queue.

    ``begin``, ``steps``, ``version`` and ``end`` are of a job's run; ``champion`` is of a model.
    """

    what: str
    job: str = ""
    status: str = ""  # of an end, as MLflow calls it
    ended: int = 0  # milliseconds since the epoch
    algorithm: str = ""
    model: str = ""
    number: int = 0  # that is current now, 0 for files without a version; of steps, that of the first one


def run_facts(fit: FitBegins, paths: Paths) -> RunFacts:
    """Return the facts of a fit that begins; reads the notebook for its declared parameters."""
    record = fit.record
    source = _source(record.algorithm, paths)
    known = {"token": record.owner, "person": record.person, "sid": record.sid}
    tags = {
        f"{PREFIX}job": record.id,
        f"{PREFIX}fit": clause(record.algorithm, record.model, record.parameters, fit.targets, fit.fields),
        **{PREFIX + name: text for name, text in known.items() if text},
        "mlflow.user": record.person or record.owner or "dltk",
        "mlflow.source.name": f"{record.algorithm}.ipynb",
        "mlflow.source.type": "NOTEBOOK",
    }
    return RunFacts(
        job=record.id,
        algorithm=record.algorithm,
        model=record.model,
        name=f"{record.model} {fit.number}",
        started=milliseconds(record.started or record.created),
        parameters=typed(source, record.parameters),
        tags={name: cut(text) for name, text in tags.items()},
        own_experiment=source is not None and "set_experiment(" in source.text,
    )


def version_facts(manifest: Manifest, *, promoted: bool, message: str) -> VersionFacts:
    """Return the facts of a version from its manifest; `message` says whether it is current."""
    held_out = manifest.holdout
    metrics = dict(_metrics("train", manifest.train))
    tags = {
        "version": str(manifest.number),
        "rows": str(manifest.rows),
        "code": code_hash(manifest),
        "promoted": str(promoted).lower(),
    }
    if held_out is not None:
        metrics |= _metrics("holdout", held_out.metrics)
        tags |= {"holdout": f"{held_out.share:g}", "holdout_rows": str(held_out.rows)}
    return VersionFacts(
        number=manifest.number,
        metrics=metrics,
        tags={PREFIX + name: cut(text) for name, text in tags.items()},
        text=cut(message),
    )


def code_hash(manifest: Manifest) -> str:
    """Return one SHA-256 over those of the notebook and its helpers."""
    return hashlib.sha256("\n".join(f"{each.name} {each.sha256}" for each in manifest.sources).encode()).hexdigest()


def typed(source: Source | None, given: Mapping[str, str]) -> dict[str, str]:
    """Return a fit's parameters: of the declared types, defaults included, or the search's texts."""
    known = None
    if source is not None and source.parameters is not None:
        with contextlib.suppress(*COMPILE_ERRORS):
            known = declared(source.parameters.source)
    if known is None:
        own = {key: unquote(text) for key, text in given.items() if key not in parameters.RUNTIME_PARAMETERS}
    else:
        own = {key: str(value) for key, value in parameters.values(given, known)[0].items()}
    return parameters_without_secrets(own)


def clause(algorithm: str, model: str, given: Mapping[str, str], targets: Sequence[str], fields: Sequence[str]) -> str:
    """Return the search's command: ``fit MLTKContainer algo=umap y from a b into app:m``."""
    return " ".join(_words(algorithm, model, given, targets, fields))


def _words(
    algorithm: str, model: str, given: Mapping[str, str], targets: Sequence[str], fields: Sequence[str]
) -> Iterator[str]:
    yield from ("fit", "MLTKContainer", f"algo={word(algorithm)}")
    yield from (f"{key}={text}" for key, text in given.items() if key != "algo")  # with their quotes, as Splunk sends
    yield from map(word, targets)
    yield from ("from",) if targets else ()
    yield from map(word, fields)
    yield f"into app:{model}"


def status_of(state: State) -> str:
    """Return MLflow's name of a job's last state."""
    return {State.SUCCEEDED: "FINISHED", State.FAILED: "FAILED"}.get(state, "KILLED")


def milliseconds(time: datetime) -> int:
    """Return a time in milliseconds since the epoch."""
    return round(time.timestamp() * 1000)


def cut(text: str) -> str:
    """Shorten a text to what a tag may hold."""
    return text if len(text) <= MAX_TEXT_CHARACTERS else text[: MAX_TEXT_CHARACTERS - 1] + "…"


def _source(algorithm: str, paths: Paths) -> Source | None:
    """Return the notebook; None where it cannot be read, which the fit itself says."""
    try:
        return source_of(algorithm, paths)
    except (NotebookError, NameInvalid):
        return None


def _metrics(origin: str, found: Mapping[str, float | None]) -> Iterator[tuple[str, float]]:
    return ((f"{origin}/{name}", value) for name, value in found.items() if value is not None)
