"""The model store: what may be written or removed; `reader` says which version serves."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from dltk_runtime import logs
from dltk_runtime.access.actor import Actor
from dltk_runtime.errors import NotStored, StoreDamaged
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.store.deeds import Deed, What
from dltk_runtime.store.errors import (
    ModelUnknown,
    NoEarlierVersion,
    StoreUnreachable,
    StoreUnusable,
    VersionStays,
    VersionUnknown,
)
from dltk_runtime.store.file_store import FileStore
from dltk_runtime.store.handles import Reservation, Version
from dltk_runtime.store.history import before
from dltk_runtime.store.interface import Store
from dltk_runtime.store.later import Score
from dltk_runtime.store.manifest import Facts, HeldOut, Manifest, SourceHash, StoredFile
from dltk_runtime.store.reader import ModelReader
from dltk_runtime.store.serving import Serving
from dltk_runtime.store.version import ABANDONED_SECONDS

if TYPE_CHECKING:
    from dltk_runtime.store.objects.object_store import ObjectStore

__all__ = [
    "Facts",
    "HeldOut",
    "Manifest",
    "ModelName",
    "ModelStore",
    "Reservation",
    "Score",
    "Serving",
    "SourceHash",
    "StoredFile",
    "Version",
    "What",
]


USED_SECONDS = 31 * 86400.0  # monthly searches too keep the version that answers them


def opened(paths: Paths) -> ObjectStore:
    """Return the object store that `paths` name.

    Raises:
        StoreUnusable: it cannot be used.
        NotStored, StoreUnreachable: it does not answer.
    """
    try:
        from dltk_runtime.store.objects import opened
    except ImportError as error:
        raise StoreUnusable(paths.objects, "obstore is not installed (pip install '.[objects]')") from error
    return opened.opened(paths)


class ModelStore(ModelReader):
    """The rules over a `Store`. `prune` leaves the `keep` newest of each model."""

    def __init__(self, store: Store, keep: int) -> None:
        super().__init__(store)
        self._keep = keep

    @classmethod
    def open(cls, paths: Paths, keep: int) -> Self:
        """Return the model store of a home: its folders, or the object store that `paths` names.

        Raises:
            StoreUnusable: the object store cannot be used.
        """
        return cls(opened(paths) if paths.objects else FileStore(paths), keep)

    # ------------------------------------------------------------ the place

    def check_presence(self) -> None:
        """Make sure that a fit does not write into a fresh store, in place of the one that is gone.

        Raises:
            HomeVanished, StoreReplaced: the store is not the one that this was attached to.
        """
        if not self.present():
            raise self._store.missing()

    # ------------------------------------------------------------ write

    def reserve(self, name: ModelName) -> Reservation:
        """Reserve the next number, with an empty folder to save into.

        Raises:
            NotStored: it cannot be written.
        """
        return self._store.reserve(name)

    def code_choice(self, name: ModelName) -> str:
        """Return ``pinned``, ``live`` or "", as `choose_code` has stored it."""
        return self._store.code_choice(name)

    def choose_code(self, name: ModelName, choice: str) -> None:
        """Make applies of a model run its version's code (``pinned``), the notebook's (``live``), or "", the default.

        Raises:
            NotStored: it cannot be written.
            VersionUnknown: the model was never fitted.
        """
        if not self.versions(name):
            raise VersionUnknown(f"{name} has no version: fit it first.")
        self._store.choose_code(name, choice)

    def withdraw(self, name: ModelName, number: int) -> bool:
        """Take a reserved number away from a fit that may still run; return whether that was possible.

        False: it is committed.

        Raises:
            NotStored: the place cannot be changed.
        """
        return self._store.withdraw(VersionId(name, number))

    def promote(self, version: Version) -> None:
        """Make `version` the current one; number 0 makes the files of an old volume serve again.

        Raises:
            VersionUnknown, StoreDamaged: it is not complete.
            NotStored: it cannot be written.
        """
        if version.number == 0:
            self.get(version.name, 0)
        self._store.promote(version.id)

    def promote_if_first(self, version: Version) -> bool:
        """Make `version` current if nothing else can serve; return whether it is current.

        For a fit whose own apply or load failed. With files of an old volume, version 0 stays
        current.

        Raises:
            NotStored: it cannot be written.
        """
        self._store.keep_back(version.id, 0 if self.has_legacy(version.name) else version.number)
        return self.serving_or_0(version.name).id == version.id

    def rollback(self, name: ModelName) -> Version:
        """Make the newest complete version before the current one current.

        That is version 0 when only files of an old volume are left.

        Only versions that were promoted count; of those that runtime 0.1.0 made, all do, since it
        did not record its promotions.

        Raises:
            ModelUnknown: there is no such model.
            NoEarlierVersion: there is none.
            StoreDamaged: the promotions cannot be read, or every version is damaged.
            NotStored: it cannot be written.
        """
        if not self._store.committed(name) and not self.has_legacy(name):
            raise ModelUnknown(name, self._store.where(name))
        now = self.serving(name).number
        for version in self._before(name, now):
            with suppress(VersionUnknown, StoreDamaged):
                self.promote(version)
                return version
        raise NoEarlierVersion(name, now, self._store.where(name))

    def record(self, name: ModelName, what: What, actor: Actor, version: int | None = None, job: str = "") -> None:
        """Add to a model's history who did what; a line that cannot be written is logged, and lost."""
        try:
            self._store.record(name, Deed(what, datetime.now(UTC), version, actor, job))
        except NotStored as error:
            logs.event("history not written", logging.WARNING, reason=error.sentence)

    def note(self, version: Version, notice: str) -> None:
        """Add a notice beside the manifest, such as why the stored model did not load.

        Raises:
            VersionUnknown: it was removed.
            NotStored: it cannot be written.
        """
        self._store.note(version.id, notice)

    def add_score(self, version: Version, source: str, rows: int, metrics: Mapping[str, float]) -> None:
        """Add figures of a version on labelled rows that it had not seen, measured now.

        Raises:
            VersionUnknown: it was removed, or is version 0.
            NotStored: it cannot be written.
        """
        score = Score(time=datetime.now(UTC), source=source, rows=rows, metrics=dict(metrics))
        self._store.add_score(version.id, score)

    def use(self, version: Version) -> None:
        """Note that a version answers though another one is current: `prune` leaves it. Never raises."""
        self._store.use(version.id)

    def answers(self, name: ModelName, number: int) -> bool:
        """Return whether a version answered within `USED_SECONDS` though another one is current."""
        return bool(number) and self._store.used_within(VersionId(name, number), USED_SECONDS)

    def prune(self, name: ModelName, in_use: Collection[int] = ()) -> list[int]:
        """Remove versions except the current, the one before it, the newest and those `in_use`.

        Returns the numbers removed. A version that answered within `USED_SECONDS` though it is not
        current stays: searches with its fields go on. A version stays for a day while its fit, here or in a
        replica, has not decided on its promotion. Of a model whose current version cannot be
        used, all stay.
        """
        try:
            committed = self._store.committed(name)
            kept = {*committed[-self._keep :], *self._needed(name), *in_use}
        except (StoreDamaged, StoreUnreachable):
            return []
        may_go = (VersionId(name, number) for number in committed if number not in kept)
        unused = (each for each in may_go if not self._store.used_within(each, USED_SECONDS))
        return [each.number for each in unused if self._store.remove(each)]

    def delete(self, name: ModelName) -> None:
        """Remove a model with all its versions; the files of an old volume stay.

        Raises:
            VersionMissing: there is no such model.
            NotStored: it cannot be removed.
        """
        if not self._store.committed(name):
            self.get(name, 1)  # raises
        self._store.delete(name)

    def delete_version(self, name: ModelName, number: int) -> None:
        """Remove one version.

        Raises:
            VersionMissing: there is no such version.
            VersionStays: it is current or was so before, or its fit still decides; or that cannot be read.
        """
        if number not in self._store.committed(name):
            self.get(name, number)  # raises, but for the files of an old volume
        if not number or not self._store.remove(VersionId(name, number)):
            raise VersionStays(VersionId(name, number))

    def sweep(self, older_than: float = ABANDONED_SECONDS) -> list[str]:
        """Remove what killed processes left; return what was removed.

        What has changed within `older_than` seconds stays.
        """
        return self._store.sweep(older_than)

    # ------------------------------------------------------------ helpers

    def _before(self, name: ModelName, number: int) -> Iterator[Version]:
        promotions = self._store.promotions(name)
        known = {each.version for each in promotions}
        unrecorded = promotions[0].version if promotions and promotions[0].found else 0 if promotions else number
        for version in reversed(self.versions(name)):
            if version.number < number and (version.number in known or version.number < unrecorded):
                yield version
        if number > 0 and self.has_legacy(name):
            yield self._version(name, 0)

    def _needed(self, name: ModelName) -> set[int]:
        """Return the current version and all before it, down to the second one that is whole.

        Raises:
            StoreDamaged: that cannot be read, or the current version is damaged.
        """
        current = self._store.current(name)
        if (chosen := self.choose(name)).problem:
            raise StoreDamaged(chosen.problem)
        needed = {chosen.version.number} | ({current} if current else set())
        for number in before(self._store.promotions(name), current):
            needed.add(number)
            if not self._problem(name, number, ()):
                break
        return needed
