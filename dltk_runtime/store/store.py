"""The model store: which models exist, which version is current, which versions may be removed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Self

from dltk_runtime.errors import NameInvalid, StoreDamaged
from dltk_runtime.names import ModelName, VersionId, checked
from dltk_runtime.paths import Paths
from dltk_runtime.store.errors import NoEarlierVersion, VersionMissing, VersionUnknown
from dltk_runtime.store.file_store import FileStore
from dltk_runtime.store.interface import Reservation, Store, Version
from dltk_runtime.store.manifest import Facts, Manifest, SourceHash, StoredFile
from dltk_runtime.store.version import ABANDONED_SECONDS

__all__ = [
    "Facts",
    "Manifest",
    "ModelName",
    "ModelStore",
    "Reservation",
    "SourceHash",
    "StoredFile",
    "Version",
]


class ModelStore:
    """The rules over a `Store`; has no state. `prune` leaves the `keep` newest of each model."""

    def __init__(self, store: Store, keep: int) -> None:
        self._store = store
        self._keep = keep

    @classmethod
    def open(cls, paths: Paths, keep: int) -> Self:
        """Return the model store of a home."""
        return cls(FileStore(paths), keep)

    # ------------------------------------------------------------ read

    def current(self, name: ModelName) -> Version | None:
        """Return the committed version that apply uses; None when that is version 0.

        When no version was promoted, or the promoted one is not complete, the newest complete
        version serves. Takes three system calls as a rule.
        """
        number = self._store.current(name)
        if number == 0 and self.has_legacy(name):
            return None
        if number and _is_complete(version := self._version(name, number)):
            return version
        return self._newest(name)

    def serving(self, name: ModelName) -> Version:
        """Return the version that apply uses: the current one, else version 0."""
        return self.current(name) or self._version(name, 0)

    def versions(self, name: ModelName) -> list[Version]:
        """Return the committed versions, oldest first."""
        return [self._version(name, number) for number in self._store.committed(name)]

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

    def models(self) -> list[ModelName]:
        """Return the models with a committed version, in the order of their names."""
        return sorted(name for name in self._store.names() if self._store.committed(name))

    def counts(self) -> list[int]:
        """Return how many versions each model has, in no order; fast for hundreds of models."""
        return [number for name in self._store.names() if (number := len(self._store.committed(name)))]

    def algorithm_of(self, model: str, algorithms: Iterable[str]) -> str | None:
        """Return the algorithm that was fitted last under this model name; None if unknown.

        Committed versions count first. Without any, the files of an old volume decide among
        `algorithms`: those named ``<algorithm>_<model>…``.

        Raises:
            NameInvalid: `model` is not a valid model name.
        """
        checked("model", model)
        fitted = [(time, name.algorithm) for name in self._store.names(model) if (time := self._fitted_at(name))]
        if fitted:
            return max(fitted)[1]
        saved = [(at, each) for each in algorithms if (at := self._legacy_time(each, model)) is not None]
        return max(saved)[1] if saved else None

    def has_legacy(self, name: ModelName) -> bool:
        """Return whether files or a folder of an old volume have the model's flat name."""
        return self._store.legacy_time(name) is not None

    # ------------------------------------------------------------ write

    def reserve(self, name: ModelName) -> Reservation:
        """Reserve the next number, with an empty folder to save into.

        Raises:
            NotStored: it cannot be written.
        """
        return self._store.reserve(name)

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
        return self.serving(version.name).id == version.id

    def rollback(self, name: ModelName) -> Version:
        """Make the newest complete version before the current one current.

        That is version 0 when only files of an old volume are left.

        Raises:
            NoEarlierVersion: there is none.
            NotStored: it cannot be written.
        """
        now = self.serving(name).number
        for version in self._before(name, now):
            with suppress(VersionUnknown, StoreDamaged):
                self.promote(version)
                return version
        raise NoEarlierVersion(name, now, self._store.where(name))

    def note(self, version: Version, notice: str) -> None:
        """Add a notice to the manifest, such as why the stored model did not load.

        Raises:
            VersionUnknown: it was removed.
            NotStored: it cannot be written.
        """
        self._store.note(version.id, notice)

    def prune(self, name: ModelName, in_use: Collection[int] = ()) -> list[int]:
        """Remove all versions but the current one, the newest ones and those `in_use`.

        Returns the numbers removed. A version stays for a day while its fit, here or in a
        replica, has not decided on its promotion.
        """
        committed = self._store.committed(name)
        kept = {*committed[-self._keep :], self.serving(name).number, *in_use}
        may_go = (number for number in committed if number not in kept)
        return [number for number in may_go if self._store.remove(VersionId(name, number))]

    def delete(self, name: ModelName) -> None:
        """Remove a model with all its versions; the files of an old volume stay.

        Raises:
            VersionMissing: there is no such model.
            NotStored: it cannot be removed.
        """
        if not self._store.committed(name):
            self.get(name, 1)  # raises
        self._store.delete(name)

    def sweep(self, older_than: float = ABANDONED_SECONDS) -> list[str]:
        """Remove what killed processes left; return what was removed.

        What has changed within `older_than` seconds stays.
        """
        return self._store.sweep(older_than)

    # ------------------------------------------------------------ helpers

    def _version(self, name: ModelName, number: int) -> Version:
        return self._store.version(VersionId(name, number))

    def _before(self, name: ModelName, number: int) -> Iterator[Version]:
        yield from (version for version in reversed(self.versions(name)) if version.number < number)
        if number > 0 and self.has_legacy(name):
            yield self._version(name, 0)

    def _newest(self, name: ModelName) -> Version | None:
        return next((version for version in reversed(self.versions(name)) if _is_complete(version)), None)

    def _fitted_at(self, name: ModelName) -> datetime | None:
        with suppress(VersionUnknown, StoreDamaged):  # removed since it was listed
            return version.manifest().time if (version := self._newest(name)) else None
        return None

    def _legacy_time(self, algorithm: str, model: str) -> float | None:
        with suppress(NameInvalid):  # an algorithm whose name no model can have
            return self._store.legacy_time(ModelName(algorithm, model))
        return None


def _is_complete(version: Version) -> bool:
    try:
        version.manifest()
    except (VersionUnknown, StoreDamaged):
        return False
    return True
