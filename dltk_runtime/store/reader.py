"""The reading half of the model store: existing models, serving versions, damage."""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from dltk_runtime import logs
from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files.state import FileState, stamp_of
from dltk_runtime.names import ModelName, VersionId, checked
from dltk_runtime.store import last_fitted
from dltk_runtime.store.deeds import History, HistoryEntry, What, merged
from dltk_runtime.store.errors import NonePromoted, NoneWhole, VersionMissing, VersionUnknown
from dltk_runtime.store.examined import Examined, ExaminedCopies
from dltk_runtime.store.handles import Version
from dltk_runtime.store.history import before
from dltk_runtime.store.interface import Store
from dltk_runtime.store.serving import Serving


class ModelReader:
    """The rules of reading over a `Store`; remembers only what `examine` has found."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._examined = Examined()
        self._copies = ExaminedCopies()
        self.remote = store.remote

    def prove(self) -> None:
        """Make sure that the store keeps what the rules rely on.

        Raises:
            StoreUnusable: it does not.
            NotStored, StoreUnreachable: it does not answer.
        """
        self._store.prove()

    def attach(self) -> None:
        """Remember this store's identity, for `present` and `reserve`. Never raises."""
        self._store.attach()

    def present(self) -> bool:
        """Return whether the store that this was attached to is still there."""
        return self._store.present()

    def choose(self, name: ModelName, loaded: Collection[int] = ()) -> Serving:
        """Return the version that apply uses: the current one if it was promoted and is whole.

        Otherwise the one of the whole versions that was promoted last. Version 0 when none ever was.
        The files of `loaded` versions, those that workers have, are not checked again: then four
        system calls suffice as a rule, else one more for each file.

        Raises:
            NoneWhole: every version that was promoted is damaged.
        """
        try:
            number = self._store.current(name)
        except StoreDamaged as error:
            return self._instead(name, None, error.sentence)
        if number is None:
            return self._without_pointer(name)
        try:
            if not self._store.was_promoted(VersionId(name, number)):
                problem = f"the current version is given as {number}, which was never promoted"
                return self._instead(name, number, problem)
            unknown = ""
        except StoreDamaged as error:
            unknown = error.sentence
        if problem := self._problem(name, number, loaded):
            return self._instead(name, number, problem)
        return Serving(self._version(name, number), unknown)

    def serving(self, name: ModelName) -> Version:
        """Return the version that apply uses; version 0 when none was ever promoted.

        Raises:
            NoneWhole: every version that was promoted is damaged.
        """
        return self.choose(name).version

    def current(self, name: ModelName) -> Version | None:
        """Return the committed version that apply uses; None when that is version 0. Raises as `serving`."""
        version = self.serving(name)
        return version if version.number else None

    def serving_or_0(self, name: ModelName) -> Version:
        """Return the version that apply uses; 0 also if all that were promoted are damaged."""
        with suppress(StoreDamaged):
            return self.serving(name)
        return self._version(name, 0)

    def promoted(self, name: ModelName, loaded: Collection[int] = ()) -> Iterator[Version]:
        """Yield the whole versions that were promoted, the last first, not 0; those `loaded` are not checked."""
        for number in self._promoted(name):
            if number and not self._problem(name, number, loaded):
                yield self._version(name, number)

    def check_absence(self, name: ModelName) -> None:
        """Make sure that nothing is there, when version 0 serves: damage is not absence.

        Raises:
            HomeVanished, StoreReplaced: the store is gone.
            NonePromoted: versions were committed, and none was promoted.
            StoreDamaged: the place of the model cannot be read.
        """
        if not self.present():
            raise self._store.missing()
        if self._store.current(name) is None and not self.has_legacy(name) and (found := self._store.committed(name)):
            raise NonePromoted(name, self._store.where(name), found)

    def examine(self, version: Version, since: float) -> str:
        """Return which file of a version that a worker could not load has changed; empty for none.

        It then serves no more, for a while. Across a network a worker has a copy, which was compared when it was
        fetched: one that has changed since is removed, and the version goes on to serve.

        Args:
            since: when the worker began to load it (monotonic time).
        """
        if not version.number:
            return ""
        if not self._store.remote:
            return self._examined.examine(version)
        if self._store.copy_replaced(version.id, since):
            return f"The copy of {version} on this machine was removed or replaced while a worker loaded it."
        return self._copies.examine(version.id, lambda: self._dropped(version.id))

    def note_damage(self, version: Version, problem: str) -> None:
        """Let a version serve no more for a while: what was fetched of it is not as its manifest says."""
        self._examined.note(version.id, problem)

    @property
    def damaged_copies(self) -> int:
        """The number of copies on this machine that were found damaged, and removed."""
        return self._copies.damaged

    def _dropped(self, version_id: VersionId) -> str:
        if problem := self._store.drop_changed_copy(version_id):
            logs.event("copy damaged", logging.WARNING, model=str(version_id), reason=problem)
        return problem

    def ever_promoted(self, name: ModelName) -> bool:
        """Return whether anything serves, or served, under this name: damage is not absence."""
        try:
            return self._store.current(name) is not None or bool(self._store.promotions(name)) or self.has_legacy(name)
        except StoreDamaged:
            return True

    def was_promoted(self, version: Version) -> bool:
        """Return whether a promotion of the version is on record."""
        with suppress(StoreDamaged):
            return any(each.version == version.number for each in self._store.promotions(version.name))
        return False

    def problems(self, name: ModelName) -> Iterator[str]:
        """Yield a sentence for each damage of a model; compare all files with their hashes."""
        try:
            if problem := self.choose(name).problem:
                yield f"{name}: {problem.rstrip('.')}."
        except StoreDamaged as error:
            yield error.sentence
        yield from self._store.problems(name)
        with suppress(StoreDamaged):  # `choose` says so
            for number in self._store.committed(name):
                try:
                    self._version(name, number).verify(hashes=True)
                except VersionUnknown:
                    continue  # removed since it was listed
                except StoreDamaged as error:
                    yield error.sentence

    def versions(self, name: ModelName) -> list[Version]:
        """Return the committed versions, oldest first; also damaged ones.

        Raises:
            StoreDamaged: the place of the model cannot be read.
        """
        return [self._version(name, number) for number in self._store.committed(name)]

    def candidates(self, name: ModelName) -> list[Version]:
        """Return the versions, and fits that still run: `Version.brief` tells them apart. Raises as `versions`."""
        return [self._version(name, number) for number in self._store.candidates(name)]

    def get(self, name: ModelName, number: int) -> Version:
        """Return that version; number 0 when there are files of an old volume.

        Raises:
            VersionMissing: there is none of that number.
        """
        version = self._version(name, number)
        committed = self._store.committed(name)
        if number in committed or (number == 0 and self.has_legacy(name)):
            return version
        raise VersionMissing(version, self._store.where(name), committed)

    def newest(self, name: ModelName) -> Version | None:
        """Return the newest committed version, also a damaged one; None without any. Raises as `versions`."""
        number = self._store.newest(name)
        return None if number is None else self._version(name, number)

    def names(self) -> list[ModelName]:
        """Return the models that have a place, with or without a version, by name."""
        return sorted(self._store.names())

    def models(self) -> list[ModelName]:
        """Return the models with a committed version and the unreadable ones, by name."""
        return sorted(name for name in self._store.names() if self._may_exist(name))

    def counts(self) -> list[int]:
        """Return the number of versions of each readable model; fast for hundreds of models."""
        return list(filter(None, map(self._count, self._store.names())))

    def damaged_lines(self) -> int:
        """Return how many promotions of all models cannot be read."""
        return sum(self._store.damaged_lines(name) for name in self._store.names())

    def history(self, name: ModelName) -> History:
        """Return who did what to a model, the newest first.

        Raises:
            StoreDamaged: it cannot be read.
        """
        found = merged(self._store.deeds(name), self._store.promotions(name))
        entries = [HistoryEntry.of(name, each) for each in reversed(found)]
        return History(entries, self._store.damaged_deeds(name))

    def forgotten_since(self, name: ModelName, since: datetime) -> bool:
        """Return whether a model was forgotten after that time. Raises as `history`."""
        return any(each.what == What.FORGOTTEN for each in self._store.deeds(name, since))

    def histories(self, limit: int, shown: Callable[[ModelName], bool]) -> History:
        """Return the newest `limit` entries of all models that may be `shown`; of removed ones, too."""
        found = []
        for name in filter(shown, self._store.names()):
            with suppress(StoreDamaged):
                found.append(self.history(name))
        entries = heapq.nlargest(limit, itertools.chain(*(each.entries for each in found)), key=lambda each: each.time)
        return History(entries, sum(each.damaged_lines for each in found))

    def algorithm_of(self, model: str, algorithms: Iterable[str]) -> str | None:
        """Return the algorithm that was fitted last under this model name; None if unknown.

        Committed versions count first. Without any, the files of an old volume decide among
        `algorithms`: those named ``<algorithm>_<model>…``.

        Raises:
            NameInvalid: `model` is not a valid model name.
        """
        checked("model", model)
        return last_fitted.algorithm_of(self._store, model, algorithms)

    def pins_code(self, name: ModelName, default: bool) -> bool:
        """Return whether applies of a model run the code of its version; `default` where nothing was chosen."""
        return {"pinned": True, "live": False}.get(self._store.code_choice(name), default)

    def choice_state(self, name: ModelName) -> FileState:
        """Return the state of that choice, to detect a later change."""
        path = self._store.choice_file(name)
        return FileState(str(path), stamp_of(path))

    def has_legacy(self, name: ModelName) -> bool:
        """Return whether files or a folder of an old volume have the model's flat name."""
        return self._store.legacy_time(name) is not None

    # ------------------------------------------------------------ helpers

    def _version(self, name: ModelName, number: int) -> Version:
        return self._store.version(VersionId(name, number))

    def _without_pointer(self, name: ModelName) -> Serving:
        try:
            promoted = bool(self._store.promotions(name))
        except StoreDamaged as error:
            return self._instead(name, None, error.sentence)
        if promoted:
            return self._instead(name, None, f"the record of the current version in {self._store.where(name)} is gone")
        return Serving(self._version(name, 0))

    def _problem(self, name: ModelName, number: int, loaded: Collection[int]) -> str:
        """Return why a version cannot serve; empty if it can."""
        if number == 0:
            return "" if self.has_legacy(name) else "the files of the old volume are gone"
        version = self._version(name, number)
        try:
            version.manifest() if number in loaded else version.verify()
        except (VersionUnknown, StoreDamaged) as error:
            return error.sentence
        return "" if number in loaded else self._examined.problem(version.id)

    def _instead(self, name: ModelName, current: int | None, problem: str) -> Serving:
        """Return the whole version that was promoted last, in place of the current one.

        Raises:
            NoneWhole: there is none.
        """
        for number in self._promoted(name):
            if number != current and not self._problem(name, number, ()):
                return Serving(self._version(name, number), problem)
        raise NoneWhole(name, self._store.where(name), problem)

    def _promoted(self, name: ModelName) -> list[int]:
        """Return the promoted numbers, last one first; none when they cannot be read."""
        with suppress(StoreDamaged):
            return before(self._store.promotions(name), None)
        return []

    def _may_exist(self, name: ModelName) -> bool:
        with suppress(StoreDamaged):
            return self._store.newest(name) is not None
        return True

    def _count(self, name: ModelName) -> int | None:
        """Return the number of committed versions; None when it cannot be read."""
        with suppress(StoreDamaged):
            return len(self._store.committed(name))
        return None
