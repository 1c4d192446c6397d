"""One badge for each model: the worst of its last fit, damage, drift, errors, fields, code and age.

What is read for a model does not grow with its versions, nor with the jobs: its folder's names, the
pointer, and the manifests of its current and its newest version, of which only a few words are
remembered.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from dltk_runtime.apply.drift import DRIFT_INDEX, Drift, Level
from dltk_runtime.errors import DltkError, NameInvalid
from dltk_runtime.files.state import Stamp, stamp_of
from dltk_runtime.jobs.interface import JobRecords
from dltk_runtime.jobs.record import JobRecord, State
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.notebook import algorithm
from dltk_runtime.paths import Paths
from dltk_runtime.service.calls import RecentCall, RecentCalls
from dltk_runtime.store.fields import fields_of
from dltk_runtime.store.store import ModelStore, Version

OLD = timedelta(days=90)  # after which a version is called old
LEVELS = GOOD, NOTE, WARNING, BAD = "good", "note", "warning", "bad"  # from the best to the worst
FINE = "nothing is wrong"
MAX_JOBS = 1000  # that are looked at for the last fits
MAX_CALLS = 20  # of a model that count for its errors
CALLS_SECONDS = 3600.0  # for which they count
UNFOUND_SECONDS = 30.0  # for which a notebook that was not found is not looked for again
MAX_KNOWN = 5000  # versions of which words are remembered


class ModelHealth(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A model as one row. `level` is good, note, warning or bad; `reasons` are without a full stop.

    Attributes:
        current: The version that serves; 0 for files of an old volume, null where none can.
        newest: The newest committed version.
        time: Of the commit of the current version, UTC.
        drift: Highest population stability index of a field, `feature` names it.
        calls: Requests of the last hour on this replica, at most 20, of which `failures` failed.
    """

    algorithm: str
    model: str
    level: str
    reasons: list[str]
    current: int | None
    newest: int | None = None
    time: datetime | None = None
    rows: int | None = None
    drift: float | None = None
    feature: str = ""
    calls: int = 0
    failures: int = 0


class HealthList(msgspec.Struct, frozen=True):
    """Models in the order of their names."""

    models: list[ModelHealth]


@dataclass(frozen=True, slots=True)
class Words:
    """What is remembered of a version's manifest: `fields` and `code` are hashes."""

    time: datetime
    rows: int
    fields: str
    code: str

    @classmethod
    def of(cls, version: Version) -> Words:
        """Return the words of a version.

        Raises:
            VersionUnknown, StoreDamaged: it has no readable manifest.
        """
        manifest = version.manifest()
        names = "\0".join(sorted(fields_of(manifest)))
        code = next((each.sha256 for each in manifest.sources if each.name == version.name.algorithm), "")
        return cls(manifest.time, manifest.rows, hashlib.sha256(names.encode("utf-8", "replace")).hexdigest(), code)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """What a model is judged by."""

    current: int | None = None
    newest: int | None = None
    damage: str = ""
    last_fit: State | None = None  # that has ended
    drift: Level | None = None
    calls: Sequence[RecentCall] = ()  # the newest first
    time: datetime | None = None
    other_fields: bool = False  # than those of the newest version, which Splunk sends
    other_code: bool = False  # than the notebook has now


def badge(known: KnownModel, now: datetime) -> tuple[str, list[str]]:
    """Return the level of a model, and the reasons for it."""
    found = list(_findings(known, now))
    level = max((level for level, _ in found), key=LEVELS.index, default=GOOD)
    return level, [text for _, text in found] or [FINE]


def _findings(known: KnownModel, now: datetime) -> Iterator[tuple[str, str]]:
    if known.damage:
        yield BAD, known.damage
    if known.last_fit in (State.FAILED, State.LOST):
        yield BAD, f"the last fit {'failed' if known.last_fit is State.FAILED else 'was lost'}"
    if failures := sum(each.failed for each in known.calls):
        calls = f"{failures} of the last {len(known.calls)} requests failed"
        yield BAD if failures * 2 > len(known.calls) else WARNING, calls
    if known.drift is not None and known.drift.index >= DRIFT_INDEX:
        yield WARNING, f"{known.drift.feature} has drifted since the fit, index {known.drift.index:.3g}"
    if known.other_fields:
        yield WARNING, f"Splunk sends the fields of version {known.newest}, and the current version has others"
    if known.newest is not None and known.current is not None and known.newest > known.current:
        yield NOTE, f"version {known.newest} is not current"
    if known.other_code:
        yield NOTE, "the notebook has changed since the fit"
    if known.time is not None and now - known.time > OLD:
        yield NOTE, f"fitted {(now - known.time).days} days ago"


@dataclass(eq=False)
class Health:
    """Judges the models of one server. Any thread may ask."""

    store: ModelStore
    jobs: JobRecords
    drift: Drift
    calls: RecentCalls
    paths: Paths
    _words: dict[VersionId, Words] = field(default_factory=dict)
    _code: dict[str, tuple[str, Stamp | None, str, float]] = field(default_factory=dict)

    def collect(self, shown: Callable[[ModelName], bool], names: Iterable[ModelName] | None = None) -> HealthList:
        """Judge all models, or `names`, that may be `shown`; reads the disk."""
        fits, calls, now = self._last_fits(), self.calls.by_model(MAX_CALLS), datetime.now(UTC)
        found = filter(shown, self.store.models() if names is None else names)
        return HealthList([self._judged(name, fits.get(name), calls.get(name, []), now) for name in found])

    def _judged(
        self, name: ModelName, last_fit: State | None, calls: Sequence[RecentCall], now: datetime
    ) -> ModelHealth:
        recent = [each for each in calls if (now - each.time).total_seconds() < CALLS_SECONDS]
        known, words = self._known(name, last_fit, recent)
        level, reasons = badge(known, now)
        return ModelHealth(
            algorithm=name.algorithm,
            model=name.model,
            level=level,
            reasons=reasons,
            current=known.current,
            newest=known.newest,
            time=known.time,
            rows=words.rows if words is not None else None,
            drift=known.drift.index if known.drift is not None else None,
            feature=known.drift.feature if known.drift is not None else "",
            calls=len(recent),
            failures=sum(each.failed for each in recent),
        )

    def _known(
        self, name: ModelName, last_fit: State | None, calls: Sequence[RecentCall]
    ) -> tuple[KnownModel, Words | None]:
        newest, number = None, None
        try:
            newest = self.store.newest(name)
            number = newest.number if newest is not None else None
            serving = self.store.choose(name)
            version = serving.version
            words = self._words_of(version) if version.number else None
        except DltkError as error:
            return KnownModel(newest=number, damage=error.sentence, last_fit=last_fit, calls=calls), None
        latest = self._latest(newest) if newest is not None else None
        known = KnownModel(
            current=version.number,
            newest=number,
            damage=serving.problem,
            last_fit=last_fit,
            drift=self.drift.highest(version.id),
            calls=calls,
            time=words.time if words is not None else None,
            other_fields=words is not None and latest is not None and words.fields != latest.fields,
            other_code=words is not None and self._has_changed(name.algorithm, words.code),
        )
        return known, words

    def _latest(self, newest: Version) -> Words | None:
        with suppress(DltkError):  # a damaged version that is not current
            return self._words_of(newest)
        return None

    def _words_of(self, version: Version) -> Words:
        """Return what is remembered of a version; the first time its manifest is read."""
        if (known := self._words.get(version.id)) is None:
            if len(self._words) >= MAX_KNOWN:
                self._words.clear()
            known = self._words[version.id] = Words.of(version)
        return known

    def _has_changed(self, name: str, fitted: str) -> bool:
        """Return whether an algorithm's notebook is another one than at the fit; False where either is not known."""
        if not fitted:
            return False
        path, stamp, code, until = self._code.get(name, ("", None, "", 0.0))
        if (path and stamp_of(path) != stamp) or (not path and time.monotonic() > until):
            path, stamp, code = self._read(name)
            self._code[name] = path, stamp, code, time.monotonic() + UNFOUND_SECONDS
        return bool(code) and code != fitted

    def _read(self, name: str) -> tuple[str, Stamp | None, str]:
        with suppress(DltkError):
            path = str(algorithm.find(name, self.paths))
            stamp = stamp_of(path)  # before it is read, so that a change meanwhile is found
            return path, stamp, algorithm.source_of(name, self.paths).sha256
        return "", None, ""

    def _last_fits(self) -> Mapping[ModelName, State]:
        """Return the state of the last fit of each model that has ended."""
        found: dict[tuple[str, str], JobRecord] = {}
        for record in self.jobs.list(MAX_JOBS):
            if record.state.ended:
                found.setdefault((record.algorithm, record.model), record)
        states = {}
        for names, record in found.items():
            with suppress(NameInvalid):  # a damaged record, which `dltk jobs` shows
                states[ModelName(*names)] = record.state
        return states
