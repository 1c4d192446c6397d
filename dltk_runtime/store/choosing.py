"""Which version of a model serves: the rule, and what is known to be damaged."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import suppress

from dltk_runtime import logs
from dltk_runtime.errors import StoreDamaged
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.errors import NonePromoted, NoneWhole, VersionUnknown
from dltk_runtime.store.examined import Examined, ExaminedCopies
from dltk_runtime.store.handles import Version
from dltk_runtime.store.history import before
from dltk_runtime.store.interface import Store
from dltk_runtime.store.serving import Serving


class VersionChooser:
    """Chooses among the versions in a `Store`; remembers only what `examine` has found."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._examined = Examined()
        self._copies = ExaminedCopies()
        self.remote = store.remote

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

    def has_legacy(self, name: ModelName) -> bool:
        """Return whether files or a folder of an old volume have the model's flat name."""
        return self._store.legacy_time(name) is not None

    # ------------------------------------------------------------ helpers

    def _dropped(self, version_id: VersionId) -> str:
        if problem := self._store.drop_changed_copy(version_id):
            logs.event("copy damaged", logging.WARNING, model=str(version_id), reason=problem)
        return problem

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
