"""Find and remove what a home keeps of one model, while servers use it.

The docs have the same list as a table: where values of rows can lie, for how long, who reads them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from dltk_runtime.access.actor import Actor
from dltk_runtime.errors import NameInvalid
from dltk_runtime.files import atomic
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.names import ModelName, checked, checked_algorithm, quoted
from dltk_runtime.notebook import algorithm
from dltk_runtime.paths import Paths
from dltk_runtime.service import call_files
from dltk_runtime.shadow import Records
from dltk_runtime.splunk import spool
from dltk_runtime.store import forgetting
from dltk_runtime.store.deeds import What
from dltk_runtime.store.store import ModelStore
from dltk_runtime.tracking.place import WaitingFolder
from dltk_runtime.volume import old
from dltk_runtime.volume.errors import JobsUnfinished, NothingToForget

FORGOTTEN = b'{"event": "forgotten"'  # in place of an event that waits for Splunk


class Whereabouts(StrEnum):
    """Where something of a model lies; in the order of removal."""

    PICTURES = "pictures"
    VERSIONS = "versions, with baselines"
    DRIFT = "drift"
    STAGED = "staged rows"
    JOBS = "jobs, with logs"
    EXECUTED = "executed notebooks"
    LAST_USED = "text of the summary"
    TRACKING = "runs that wait for MLflow"
    EVENTS = "events that wait"
    CALLS = "calls answered last"
    COMPARED = "comparisons with an old container"
    OLD_FILES = "files of an old volume"


@dataclass(frozen=True, slots=True)
class FoundOfModel:
    """Something of one model: files and folders, and objects by address; with a reason in `stays` it is left."""

    name: ModelName
    kind: Whereabouts
    paths: tuple[Path, ...]
    stays: str = ""
    objects: Mapping[str, int] = field(default_factory=dict)  # sizes in bytes

    @property
    def places(self) -> list[str]:
        """The addresses and the paths."""
        return [*self.objects, *map(str, self.paths)]

    @property
    def size(self) -> int:
        """The bytes of all files and objects."""
        return sum(self.objects.values()) + self._size_here()

    def _size_here(self) -> int:
        files = (file for path in self.paths for file in ([path] if path.is_file() else atomic.regular_files(path)))
        return sum(_size(file) for file in files)


class Forgetting:
    """Forgets the models `names` of a home; files of an old volume only with `old_files`."""

    def __init__(self, paths: Paths, jobs: JobStore, names: Sequence[ModelName], *, old_files: bool) -> None:
        self._paths = paths
        self._jobs = jobs
        self._names = names
        self._old_files = old_files
        self._compared = Records(paths.shadow, limit=0)

    def find(self) -> list[FoundOfModel]:
        """Return what there is of the models.

        Raises:
            JobsUnfinished: a fit of one waits or runs.
            NothingToForget: there is nothing.
        """
        records = [each for each in self._jobs.list() if (each.algorithm, each.model) in self._pairs]
        if unfinished := [each.id for each in records if not each.state.ended]:
            raise JobsUnfinished(unfinished)
        found = [each for name in self._names for each in self._of(name, records) if each.places]
        if not found:
            raise NothingToForget(self._names, self._paths.home)
        return found

    def remove(self, found: Sequence[FoundOfModel], actor: Actor) -> None:
        """Remove what `find` has found, all but what stays; a model's history says that `actor` did.

        Raises:
            NotStored: something cannot be removed; the rest may be gone.
        """
        order = list(Whereabouts)
        found = [
            *found,
            *(FoundOfModel(name, Whereabouts.CALLS, ()) for name in self._names),
        ]  # a server may add some meanwhile
        for each in sorted(found, key=lambda one: order.index(one.kind)):
            if not each.stays:
                self._remove(each)
            if each.kind is Whereabouts.VERSIONS:
                ModelStore.open(self._paths, keep=1).record(each.name, What.FORGOTTEN, actor)

    @property
    def _pairs(self) -> set[tuple[str, str]]:
        return {(each.algorithm, each.model) for each in self._names}

    # ------------------------------------------------------------ find

    def _of(self, name: ModelName, records: Sequence[JobRecord]) -> Iterator[FoundOfModel]:
        paths, home = self._paths, self._paths.home
        jobs = [each.id for each in records if (each.algorithm, each.model) == (name.algorithm, name.model)]
        pictures = list(forgetting.shown_pictures(paths, name))
        yield FoundOfModel(name, Whereabouts.PICTURES, tuple(path for path, same in pictures if same))
        others = tuple(path for path, same in pictures if not same)
        yield FoundOfModel(name, Whereabouts.PICTURES, others, "another picture has this name now")
        objects = forgetting.objects(paths, name)
        yield FoundOfModel(name, Whereabouts.VERSIONS, tuple(forgetting.entries(paths, name)), objects=objects)
        drift = (paths.drift / name.folder / f"{name.model}.{ending}" for ending in ("json", "past"))
        yield FoundOfModel(name, Whereabouts.DRIFT, _existing(*drift))
        yield from self._staged(name)
        yield FoundOfModel(name, Whereabouts.JOBS, tuple(paths.jobs / job for job in jobs))
        executed = (home / "batch" / f"{quoted(name.algorithm)}-{job}.ipynb" for job in jobs)
        yield FoundOfModel(name, Whereabouts.EXECUTED, _existing(*executed))
        if _names_model(_object(paths.last_used), name):
            yield FoundOfModel(name, Whereabouts.LAST_USED, _existing(paths.last_used))
        runs = (
            each.path for each in WaitingFolder(home / "tracking").runs() if _names_model(_object(each.facts), name)
        )
        yield FoundOfModel(name, Whereabouts.TRACKING, tuple(runs))
        yield FoundOfModel(name, Whereabouts.EVENTS, tuple(self._segments(name)))
        calls = call_files.files_of(paths.calls)
        yield FoundOfModel(
            name, Whereabouts.CALLS, tuple(each for each in calls if call_files.has(each, name.algorithm, name.model))
        )
        yield FoundOfModel(name, Whereabouts.COMPARED, tuple(self._compared.files_of(name.algorithm, name.model)))
        stays = "" if self._old_files else "an old container's: --old-files removes them"
        known = algorithm.algorithms(paths)
        old_files = {path: _longer(path, name, known) for path in forgetting.old_files(paths, name)}
        yield FoundOfModel(
            name, Whereabouts.OLD_FILES, tuple(path for path, other in old_files.items() if not other), stays
        )
        for other in sorted(set(filter(None, old_files.values()))):
            theirs = tuple(path for path, each in old_files.items() if each == other)
            yield FoundOfModel(
                name, Whereabouts.OLD_FILES, theirs, f"the model {other} has the same file name: forget that"
            )

    def _staged(self, name: ModelName) -> Iterator[FoundOfModel]:
        """Yield staged rows: files are named by the model alone, and know the algorithm of their search."""
        asked = _staged_for(self._paths, name.model)
        if asked != name.algorithm and ((asked, name.model) in self._pairs or (not asked and name != self._names[0])):
            return  # it is listed with another one of the models
        files = (path for path in sorted(self._paths.staged.glob(f"{name.model}.*")) if _is_staged(path, name.model))
        hashes = _existing(self._paths.home / "staged" / f"{name.model}.json")
        stays = f"staged for the algorithm {asked}" if asked not in ("", name.algorithm) else ""
        yield FoundOfModel(name, Whereabouts.STAGED, (*files, *hashes), stays)

    def _segments(self, name: ModelName) -> Iterator[Path]:
        for path in sorted((self._paths.home / "events").glob("*/*.jsonl")):
            with suppress(OSError):
                if any(_is_event_of(line, name) for line in path.read_bytes().splitlines()):
                    yield path

    # ------------------------------------------------------------ remove

    def _remove(self, found: FoundOfModel) -> None:
        if found.kind is Whereabouts.VERSIONS:
            forgetting.forget(self._paths, found.name)
        elif found.kind is Whereabouts.JOBS:
            for path in found.paths:
                self._jobs.remove(path.name)
        else:
            try:
                if found.kind is Whereabouts.COMPARED:
                    self._compared.forget(found.name.algorithm, found.name.model)
                elif found.kind is Whereabouts.CALLS:
                    call_files.forget(self._paths.calls, found.name.algorithm, found.name.model)
                elif found.kind is Whereabouts.EVENTS:
                    folder = self._paths.home / "events"
                    spool.replace_lines(folder, lambda line: _is_event_of(line, found.name), _filler)
                else:
                    for path in found.paths:
                        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            except OSError as error:
                raise atomic.not_stored(f"The removal of {found.kind}", self._paths.home, error) from error


def names_of(text: str, paths: Paths) -> list[ModelName]:
    """Return the models that ``ALGORITHM/MODEL`` or ``MODEL`` names; of the latter, those of every algorithm.

    Raises:
        NameInvalid: it is no name.
    """
    first, separator, model = text.rpartition("/")
    if separator:
        return [ModelName(first, model)]
    checked("model", model)
    stored = {each.algorithm for each in ModelStore.open(paths, keep=1).models() if each.model == model}
    jobs = JobStore(paths, keep=1, log_bytes=1).list()
    fitted = {each.algorithm for each in jobs if each.model == model}
    known = {*stored, *fitted, *_compared(paths, model), *algorithm.algorithms(paths)}
    known |= set(filter(None, [_staged_for(paths, model)]))
    return [ModelName(each, model) for each in sorted(known)]


def _longer(path: Path, name: ModelName, algorithms: Collection[str]) -> str:
    """Return the other model whose file it is, of one of `algorithms` with a longer name; "" if there is none."""
    read = old.reading(path.name, algorithms)
    return str(read) if read is not None and len(read.algorithm) > len(name.algorithm) else ""


def _existing(*paths: Path) -> tuple[Path, ...]:
    return tuple(path for path in paths if path.exists())


def _compared(paths: Paths, model: str) -> Iterator[str]:
    """Yield the algorithms with which an old container's models of this name were compared."""
    for found in {each.algorithm for each in Records(paths.shadow, limit=0).all() if each.model == model}:
        with suppress(NameInvalid):
            yield checked_algorithm(found)


def _staged_for(paths: Paths, model: str) -> str:
    """Return the algorithm of the search that staged rows under a model's name; "" if that is not known."""
    options = _object(paths.staged / f"{model}.json").get("options")
    params = options.get("params") if isinstance(options, dict) else None
    found = params.get("algo") if isinstance(params, dict) else None
    with suppress(NameInvalid):
        return checked_algorithm(found.strip('"')) if isinstance(found, str) else ""
    return ""


def _is_staged(path: Path, model: str) -> bool:
    middle = path.name.removeprefix(model).removesuffix(path.suffix)
    return path.suffix in (".csv", ".json") and (not middle or middle.startswith(".before-"))


def _object(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(path.read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


def _names_model(found: dict[str, Any], name: ModelName) -> bool:
    return (found.get("algorithm"), found.get("model")) == (name.algorithm, name.model)


def _is_event_of(line: bytes, name: ModelName) -> bool:
    with suppress(ValueError, AttributeError, RecursionError):
        return _names_model(json.loads(line)["event"], name)
    return False


def _filler(size: int) -> bytes:
    """Return an event of as many bytes, which says only that there was one."""
    return FORGOTTEN + b" " * (size - len(FORGOTTEN) - 2) + b"}\n"


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
