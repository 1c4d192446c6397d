"""Two versions of a model compared: parameters, fields, figures by origin, code, rows, drift, pictures."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.notebook.source import Source, unpack
from dltk_runtime.store import drawn
from dltk_runtime.store.card import CardDrift
from dltk_runtime.store.handles import Version
from dltk_runtime.store.layout import CODE
from dltk_runtime.store.manifest import Manifest
from dltk_runtime.store.side_by_side import SEEN_ROWS, advice, on_the_same_rows
from dltk_runtime.store.view import VersionDetail

MAX_CODE_BYTES = 4 * 1024 * 1024  # of one version's code that are read
MAX_LINES = 1000  # of one notebook or helper: `difflib` takes more than linear time
MAX_SOURCES = 20  # notebooks and helpers that are compared
MAX_DIFF_LINES = 500  # of one notebook or helper that are shown
MAX_LINE_CHARACTERS = 400
CONTEXT_LINES = 3


class Change(msgspec.Struct, frozen=True):
    """What differs under a name; null where a version has none."""

    name: str
    old: str | None
    new: str | None


class FigurePair(msgspec.Struct, frozen=True):
    """A figure of both versions. `origin` is train, holdout, or later with rows and source."""

    origin: str
    name: str
    old: float | None
    new: float | None


class SourceDiff(msgspec.Struct, frozen=True):
    """A notebook or helper that differs: lines of a unified diff; `note` says what is not shown, and why."""

    path: str
    lines: list[str]
    note: str = ""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two versions; `time` is that of the commit, UTC."""

    number: int
    time: datetime
    rows: int
    holdout_rows: int
    job: str
    owner: str
    targets: list[str]
    drift: CardDrift | None
    pictures: list[str]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions of a model. Parameters, fields and libraries that are equal in both are only counted.

    `fields` has the kind of each field; `warning` is what to know before `new` is made current.
    """

    algorithm: str
    model: str
    old: Side
    new: Side
    parameters: list[Change]
    same_parameters: int
    fields: list[Change]
    same_fields: int
    figures: list[FigurePair]
    advice: str
    libraries: list[Change]
    code: list[SourceDiff]
    same_code: bool
    warning: str = ""


def compared(
    old: Version, new: Version, drift: Sequence[CardDrift | None] = (None, None), warning: str = ""
) -> Compared:
    """Compare two versions; `drift` has the last judgement of each.

    Raises:
        VersionUnknown, StoreDamaged: one of them has no readable manifest.
    """
    details = VersionDetail.of(old), VersionDetail.of(new)
    first, second = (each.manifest for each in details)
    fields = [{each.name: each.kind for each in found.features} for found in (first, second)]
    code = list(_code(old, new))
    return Compared(
        algorithm=old.name.algorithm,
        model=old.name.model,
        old=_side(old, first, drift[0]),
        new=_side(new, second, drift[1]),
        parameters=_changes(first.parameters, second.parameters),
        same_parameters=_same(first.parameters, second.parameters),
        fields=_changes(*fields),
        same_fields=_same(*fields),
        figures=list(_figures(*details)),
        advice=_advice(*details),
        libraries=_changes(first.libraries, second.libraries),
        code=code,
        same_code=not code,
        warning=warning,
    )


def _advice(old: VersionDetail, new: VersionDetail) -> str:
    if on_the_same_rows(old, new):
        return advice(old, new)
    names = f"{new.manifest.algorithm} {new.manifest.model} {old.manifest.number} {new.manifest.number}"
    return f"{SEEN_ROWS} Measure both on labelled rows that neither has seen: dltk models compare {names} --data FILE."


def _side(version: Version, manifest: Manifest, drift: CardDrift | None) -> Side:
    return Side(
        number=version.number,
        time=manifest.time,
        rows=manifest.rows,
        holdout_rows=manifest.holdout.rows if manifest.holdout else 0,
        job=manifest.job,
        owner=manifest.owner,
        targets=manifest.targets,
        drift=drift,
        pictures=drawn.names(version),
    )


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    names = [*old, *(name for name in new if name not in old)]
    pairs = ((name, old.get(name), new.get(name)) for name in names)
    return [Change(name, first, second) for name, first, second in pairs if first != second]


def _same(old: Mapping[str, str], new: Mapping[str, str]) -> int:
    return sum(new.get(name) == value for name, value in old.items())


def _figures(old: VersionDetail, new: VersionDetail) -> Iterator[FigurePair]:
    yield from _paired("train", old.manifest.train, new.manifest.train)
    held = [each.manifest.holdout.metrics if each.manifest.holdout else {} for each in (old, new)]
    yield from _paired("holdout", *held)
    for first, second in on_the_same_rows(old, new):
        yield from _paired(f"later, {first.rows:,} rows of {first.source}", first.metrics, second.metrics)


def _paired(origin: str, old: Mapping[str, float | None], new: Mapping[str, float | None]) -> Iterator[FigurePair]:
    for name in dict.fromkeys([*old, *new]):
        yield FigurePair(origin, name, old.get(name), new.get(name))


# ------------------------------------------------------------ code


def _code(old: Version, new: Version) -> Iterator[SourceDiff]:
    """Yield the sources that differ, the first `MAX_SOURCES`."""
    try:
        before, after = ({each.path: each for each in _sources(version)} for version in (old, new))
    except StoreDamaged as error:
        yield SourceDiff("", [], error.sentence)
        return
    paths = dict.fromkeys([*before, *after])
    differing = [each for each in paths if _hash(before.get(each)) != _hash(after.get(each))]
    for path in differing[:MAX_SOURCES]:
        yield _diff(path, before.get(path), after.get(path))
    if (more := len(differing) - MAX_SOURCES) > 0:
        yield SourceDiff("", [], f"{more} more files differ.")


def _sources(version: Version) -> tuple[Source, ...]:
    """Return a version's code.

    Raises:
        StoreDamaged: it cannot be read, or is too large to be compared.
    """
    size = next((each.size for each in version.manifest().files if each.path == CODE), 0)
    if size > MAX_CODE_BYTES:
        raise StoreDamaged(f"The code of {version} has {size:,} bytes; up to {MAX_CODE_BYTES:,} are compared.")
    return unpack(version.code())


def _hash(source: Source | None) -> str:
    return source.sha256 if source is not None else ""


def _diff(path: str, old: Source | None, new: Source | None) -> SourceDiff:
    texts = [each.text.splitlines() if each is not None else [] for each in (old, new)]
    if max(map(len, texts)) > MAX_LINES:
        return SourceDiff(path, [], f"It differs. It has more than {MAX_LINES:,} lines, so they are not compared.")
    found = difflib.unified_diff(texts[0], texts[1], n=CONTEXT_LINES, lineterm="")
    lines = list(itertools.islice(found, 2, MAX_DIFF_LINES + 3))  # without the two lines of file names
    note = f"Only the first {MAX_DIFF_LINES} lines are shown." if len(lines) > MAX_DIFF_LINES else ""
    if not lines:
        note = "Only its cells are other ones, or the cell of its parameters; the code is the same."
    return SourceDiff(path, [each[:MAX_LINE_CHARACTERS] for each in lines[:MAX_DIFF_LINES]], note)
