"""Load every model of an old volume, each in a worker of its own; write nothing into the volume."""

from __future__ import annotations

import asyncio
import csv
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from dltk_runtime import landlock
from dltk_runtime.errors import NameInvalid, StoreError
from dltk_runtime.names import ModelName, checked
from dltk_runtime.notebook import algorithm
from dltk_runtime.paths import Paths
from dltk_runtime.pool.outcome import WorkerDied, report_of
from dltk_runtime.pool.pool import Pool
from dltk_runtime.pool.worker import Listener
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore
from dltk_runtime.volume import formats, old
from dltk_runtime.volume.errors import VolumeError
from dltk_runtime.volume.mirror import mirror
from dltk_runtime.volume.old import Candidate
from dltk_runtime.volume.verdict import Judged, Loading, ModelVerdict, judge
from dltk_runtime.worker.messages import Failed, Load

SETTING = "--timeout"
MAX_PRINTED_BYTES = 256 * 1024  # of what a worker prints while it loads
_UNUSED = "unused"  # a state in the CSV of an inventory


@dataclass(frozen=True, slots=True)
class ModelLine:
    """One line of the result: an algorithm and model, its files, and what becomes of it.

    `in_use` tells whether a search needs it: with no list of these, every model that has files.
    """

    algorithm: str
    model: str
    files: tuple[str, ...]
    formats: str
    verdict: ModelVerdict
    why: str
    in_use: bool


@dataclass(frozen=True, slots=True)
class Examination:
    """Examines the old volume `volume`; `seconds` is what one load may take."""

    volume: Path
    settings: Settings
    seconds: float = 300.0
    used: frozenset[tuple[str, str]] | None = None  # algorithm (or "") and model; None: not known

    def lines(self) -> list[ModelLine]:
        """Return a line for each algorithm and model, sorted.

        Raises:
            VolumeError: there is no such volume.
        """
        real = old.paths_of(self.volume)
        if not real.models.is_dir() and not real.notebooks.is_dir():
            raise VolumeError(
                f"{self.volume} is no volume of a DSDL container: it has neither app/model/data nor notebooks. "
                "Name the folder that was /srv."
            )
        with tempfile.TemporaryDirectory(prefix="dltk-check-") as scratch:
            mirrored = Path(scratch) / "srv"
            mirrored.mkdir()
            mirror(self.volume, mirrored, copies=bool(landlock.absence()))
            paths = old.paths_of(mirrored)
            fitted = _fitted_here(real)
            found = old.candidates(paths, self._named(algorithm.algorithms(paths), fitted))
            loadings = asyncio.run(self._load_all(paths, [each for each in found if each.name not in fitted]))
            judged = {each: judge(loadings[each], self._formats(real, each)) for each in loadings}
            judged |= {each: _answered_by(fitted[each.name]) for each in found if each.name in fitted}
            foreign = old.unclaimed(paths, found)
        kept = sorted(settled(judged), key=lambda each: each.name)
        lines = [self._line(real, each, judged[each]) for each in kept]
        return [*lines, *self._lost(lines), *self._foreign(real, foreign)]

    def _named(self, algorithms: Collection[str], fitted: Collection[ModelName]) -> Iterator[ModelName]:
        """Yield the models in use; without an algorithm, each reading is tried by its files."""
        known = {*algorithms, *(each.algorithm for each in fitted)}
        for name, model in sorted(self.used or ()):
            if name in known:
                with suppress(NameInvalid):
                    yield ModelName(name, model)

    # ------------------------------------------------------------ load

    async def _load_all(self, paths: Paths, found: Sequence[Candidate]) -> dict[Candidate, Loading]:
        settings = replace(self.settings, home=paths.home, notebooks=paths.notebooks, spares=0)
        pool = Pool(settings, {landlock.READ_ONLY_VARIABLE: str(self.volume.resolve())})
        await pool.start()
        try:
            loadings = await asyncio.gather(*(self._load(pool, paths, each.name) for each in found))
            return dict(zip(found, loadings, strict=True))
        finally:
            await pool.close()

    async def _load(self, pool: Pool, paths: Paths, name: ModelName) -> Loading:
        printed = bytearray()

        def output(text: bytes) -> None:
            printed.extend(text[: MAX_PRINTED_BYTES - len(printed)])

        try:
            async with pool.plain_worker() as worker:
                worker.listen(Listener(output))
                deadline = time.monotonic() + self.seconds
                reply, _ = await worker.call(Load(name.algorithm, name.legacy), deadline=deadline, setting=SETTING)
            error = reply.error if isinstance(reply, Failed) else None
        except WorkerDied as death:
            error = report_of(death.death)
        if error is not None:
            error = msgspec.structs.replace(error, sentence=error.sentence.replace(str(paths.home), "/srv"))
        return Loading(error, printed.decode("utf-8", "replace"))

    # ------------------------------------------------------------ tell

    def _formats(self, real: Paths, each: Candidate) -> list[formats.Format]:
        return [formats.format_of(real.models / file) for file in each.files]

    def _line(self, real: Paths, each: Candidate, judged: Judged) -> ModelLine:
        name, shown = each.name, "; ".join(dict.fromkeys(map(str, self._formats(real, each))))
        in_use = bool(each.files) if self.used is None else self._is_used(name)
        model = name.model if each.files or in_use else ""
        return ModelLine(name.algorithm, model, each.files, shown, judged.verdict, judged.why, in_use)

    def _is_used(self, name: ModelName) -> bool:
        return bool({(name.algorithm, name.model), ("", name.model)} & (self.used or frozenset()))

    def _lost(self, lines: Sequence[ModelLine]) -> Iterator[ModelLine]:
        """Yield a line for each model in use that is none of `lines`."""
        found = {(each.algorithm, each.model) for each in lines if each.in_use}
        models = {model for _, model in found}
        for name, model in sorted(self.used or ()):
            if not _is_name(model):
                why = "no model has such a name; where $…$ stands for it, look at what the search fills in"
                yield ModelLine(name, model, (), "", ModelVerdict.NO_FILE, why, in_use=True)
            elif name and (name, model) not in found:
                why = f"no notebook and no .py file of the volume is the algorithm {name}"
                yield ModelLine(name, model, (), "", ModelVerdict.NO_FILE, why, in_use=True)
            elif not name and model not in models:
                why = "no file of the volume is named after it"
                yield ModelLine("", model, (), "", ModelVerdict.NO_FILE, why, in_use=True)

    def _foreign(self, real: Paths, files: Sequence[str]) -> Iterator[ModelLine]:
        why = "no notebook and no .py file of the volume is its algorithm"
        for file in files:
            shown = str(formats.format_of(real.models / file))
            yield ModelLine("", "", (file,), shown, ModelVerdict.NO_FILE, why, in_use=False)


def _fitted_here(real: Paths) -> dict[ModelName, int]:
    """Return the models that were fitted on this volume since it is not DSDL's any more: their current versions."""
    store, found = ModelStore.open(real, keep=1), {}
    for name in store.models():
        with suppress(StoreError):  # none of its versions can serve: its old files may
            if number := store.choose(name).version.number:
                found[name] = number
    return found


def _is_name(model: str) -> bool:
    with suppress(NameInvalid):
        return bool(checked("model", model))
    return False


def _answered_by(number: int) -> Judged:
    return Judged(ModelVerdict.LOADS, f"fitted here since: version {number} answers, and not these files")


def settled(judged: dict[Candidate, Judged]) -> list[Candidate]:
    """Return the candidates that are models, and the algorithms without one.

    A reading whose `load` finds no file is dropped when each of its files belongs to another reading that has one.
    """
    real = {file for each, how in judged.items() if how.verdict is not ModelVerdict.NO_FILE for file in each.files}
    return [
        each
        for each, how in judged.items()
        if how.verdict is not ModelVerdict.NO_FILE or not each.files or not real.issuperset(each.files)
    ]


def used_in(path: Path) -> frozenset[tuple[str, str]]:
    """Return algorithm (or "") and model of each row of a CSV with the column ``model``.

    ``dltk inventory --csv`` writes such a file; its rows in the state ``unused`` do not count.

    Raises:
        VolumeError: it has no such column, or cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), reader.fieldnames
    except (OSError, ValueError, csv.Error) as error:
        raise VolumeError(f"{path} cannot be read as CSV: {error}.") from error
    if not columns:  # what wrote it may have failed; taken for "nothing is in use" it would pass
        raise VolumeError(f"{path} is empty. Write it again: 'dltk inventory --csv' begins it with a header.")
    if "model" not in columns:
        raise VolumeError(f"{path} has no column 'model'; it has {', '.join(columns)}.")
    counted = (row for row in rows if row.get("state") != _UNUSED and row.get("model"))
    return frozenset(((row.get("algorithm") or "").strip(), row["model"].strip()) for row in counted)
