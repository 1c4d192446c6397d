"""The model store: which models there are, which version of each is current, and what may go.

It lies under ``app/model/data/versions`` and is shared by every process and replica that sees the volume.
Nothing here is locked: each change is one step of the file system (make a folder, rename, replace).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from dltk_runtime.errors import StoreDamaged, StoreError
from dltk_runtime.files import atomic
from dltk_runtime.names import ModelName, checked
from dltk_runtime.paths import Paths
from dltk_runtime.store import layout, legacy, removal, reservation
from dltk_runtime.store import version as versions
from dltk_runtime.store.errors import VersionUnknown
from dltk_runtime.store.layout import CURRENT
from dltk_runtime.store.manifest import MANIFEST, Facts, Manifest, SourceHash, StoredFile
from dltk_runtime.store.reservation import Reservation
from dltk_runtime.store.version import DAY, Version

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
    """The versions below `paths`; `prune` leaves the `keep` newest of each model. Holds no state of its own."""

    def __init__(self, paths: Paths, keep: int) -> None:
        self._models = paths.models
        self._versions = paths.versions
        self._keep = keep

    # ------------------------------------------------------------ looking

    def current(self, name: ModelName) -> Version | None:
        """The committed version that apply uses; None when version 0 is, or nothing was committed.

        Three system calls as a rule. When ``current`` is missing, or names a version that is not whole, the newest
        whole version serves.
        """
        number = self._named(name)
        if number == 0 and self.has_legacy(name):
            return None
        if number and _is_whole(version := self._version(name, number)):
            return version
        return self._newest(name)

    def serving(self, name: ModelName) -> Version:
        """The version that apply uses: the current one, or else version 0, whatever lies there."""
        return self.current(name) or self._version(name, 0)

    def versions(self, name: ModelName) -> list[Version]:
        """The committed versions, oldest first."""
        return [self._version(name, number) for number in versions.committed(self._folder(name))]

    def get(self, name: ModelName, number: int) -> Version:
        """That version; number 0 when there are files of an old volume.

        Raises:
            VersionUnknown: there is none of that number.
        """
        version = self._version(name, number)
        if (version.folder / MANIFEST).exists() or (number == 0 and self.has_legacy(name)):
            return version
        there = ", ".join(str(each.number) for each in self.versions(name)) or "none"
        wanted = f"version {number}" if number else f"files of an old volume in {self._models}"
        raise VersionUnknown(
            f"{name} has no {wanted}; committed versions in {self._folder(name)}: {there}. "
            "List all models with 'dltk models list'."
        )

    def models(self) -> list[ModelName]:
        """The models with a committed version, in the order of their names."""
        return sorted(name for name in self._names() if versions.committed(self._folder(name)))

    def counts(self) -> list[int]:
        """How many versions each model has, in no order; fast for hundreds of models."""
        return [number for name in self._names() if (number := len(versions.committed(self._folder(name))))]

    def algorithm_of(self, model: str, algorithms: Iterable[str]) -> str | None:
        """The algorithm that was fitted last under this model name; None when nobody knows.

        Committed versions count first. Without any, the flat files of an old volume, ``<algorithm>_<model>…``, say
        which of `algorithms` it was.

        Raises:
            NameInvalid: `model` cannot be a model's name.
        """
        checked("a model", model)
        fitted = [(time, name.algorithm) for name in self._names(model) if (time := self._fitted_at(name))]
        if fitted:
            return max(fitted)[1]
        saved = [(at, each) for each in algorithms if (at := legacy.saved_at(self._models, each, model)) is not None]
        return max(saved)[1] if saved else None

    def has_legacy(self, name: ModelName) -> bool:
        """Whether files or a folder of an old volume carry the model's flat name."""
        return bool(legacy.saved_as(self._models, name))

    # ------------------------------------------------------------ changing

    def reserve(self, name: ModelName) -> Reservation:
        """The next number, with an empty folder to save into.

        Raises:
            NotStored: the folder cannot be made.
        """
        folder = self._folder(name)
        try:
            number = reservation.reserve(folder)
        except OSError as error:
            raise atomic.not_stored(f"A new version of {name}", folder, error) from error
        return Reservation(self._version(name, number))

    def promote(self, version: Version) -> None:
        """Make `version` the current one; 0 hands the model back to the files of an old volume.

        Raises:
            VersionUnknown, StoreDamaged: it is not whole.
            NotStored: ``current`` cannot be written.
        """
        self._verify(version)
        before = self._named(version.name)
        self._point(version.name, version.number)
        # A prune elsewhere hides a version and then looks at `current`; here it is the other way round. Whoever comes
        # second sees the other, so that `current` never names a version that was pruned at the same moment.
        try:
            self._verify(version)
        except StoreError:
            if before is not None:
                self._point(version.name, before)
            raise
        version.decided()

    def promote_if_first(self, version: Version) -> bool:
        """Make `version` current if nothing else can serve, for a fit whose own apply or load failed; whether it is.

        Files of an old volume count as something that can serve: then version 0 stays in force.
        """
        path = self._folder(version.name) / CURRENT
        first = 0 if self.has_legacy(version.name) else version.number
        try:
            made = atomic.create(path, b"%d\n" % first)
        except OSError as error:
            raise atomic.not_stored(f"The current version of {version.name}", path, error) from error
        if not made and self._named(version.name) is None:  # a kill left it empty
            self._point(version.name, first)
        version.decided()
        return self.current(version.name) == version

    def rollback(self, name: ModelName) -> Version:
        """Make the newest whole version before the current one current; version 0 when only old files are left.

        Raises:
            VersionUnknown: there is no earlier one.
        """
        now = self.serving(name).number
        for version in self._before(name, now):
            with suppress(VersionUnknown, StoreDamaged):
                self.promote(version)
                return version
        raise VersionUnknown(
            f"{name} has nothing before version {now} to go back to in {self._folder(name)}. "
            f"See its versions with 'dltk models show {name.algorithm} {name.model}'."
        )

    def note(self, version: Version, notice: str) -> None:
        """Add a notice to the manifest, such as why the stored model did not load.

        Raises:
            VersionUnknown: it was removed.
            NotStored: it cannot be written.
        """
        manifest = version.manifest()
        noted = msgspec.structs.replace(manifest, notices=[*manifest.notices, notice])
        try:
            atomic.write(version.folder / MANIFEST, atomic.to_json(noted))
        except OSError as error:
            raise atomic.not_stored(f"A notice on {version}", version.folder, error) from error

    def prune(self, name: ModelName, in_use: Collection[int] = ()) -> list[int]:
        """Remove all versions but the current, the newest ones, and those `in_use`; the numbers removed.

        A version whose fit has not come to promoting it yet, here or in a replica, stays for a day.
        """
        there = self.versions(name)
        kept = {version.number for version in there[-self._keep :]} | {self.serving(name).number, *in_use}
        may_go = (version for version in there if version.number not in kept and not version.is_undecided())
        return [version.number for version in may_go if self._remove(version)]

    def delete(self, name: ModelName) -> None:
        """Remove a model with all its versions; the files of an old volume stay.

        Raises:
            VersionUnknown: there is no such model.
            NotStored: it cannot be removed.
        """
        if not self.versions(name):
            self.get(name, 1)  # says what is there instead
        folder = self._folder(name)
        try:
            (folder / CURRENT).unlink(missing_ok=True)
            for version in self.versions(name):
                removal.discard(removal.hide(version.folder))
        except OSError as error:
            raise atomic.not_stored(f"The removal of {name}", folder, error) from error

    def sweep(self, older_than: float = DAY) -> list[Path]:
        """Remove what kills left behind: half-removed versions, and folders without manifest and temporary files
        that nothing has changed for `older_than` seconds (a fit may run in another replica). Returns what went.
        """
        return [path for name in list(self._names()) for path in removal.sweep(self._folder(name), older_than)]

    # ------------------------------------------------------------ the folders

    def _folder(self, name: ModelName) -> Path:
        return layout.folder_of(self._versions, name)

    def _version(self, name: ModelName, number: int) -> Version:
        return layout.version_of(self._versions, name, number)

    def _named(self, name: ModelName) -> int | None:
        return layout.named(self._versions, name)

    def _point(self, name: ModelName, number: int) -> None:
        path = self._folder(name) / CURRENT
        try:
            atomic.write(path, b"%d\n" % number)
        except OSError as error:
            raise atomic.not_stored(f"The current version of {name}", path, error) from error

    def _verify(self, version: Version) -> None:
        if version.number == 0:
            self.get(version.name, 0)
        else:
            version.verify()

    def _before(self, name: ModelName, number: int) -> Iterator[Version]:
        yield from (version for version in reversed(self.versions(name)) if version.number < number)
        if number > 0 and self.has_legacy(name):
            yield self._version(name, 0)

    def _newest(self, name: ModelName) -> Version | None:
        return next((version for version in reversed(self.versions(name)) if _is_whole(version)), None)

    def _fitted_at(self, name: ModelName) -> datetime | None:
        with suppress(VersionUnknown, StoreDamaged):  # pruned at this very moment
            return version.manifest().time if (version := self._newest(name)) else None
        return None

    def _names(self, model: str | None = None) -> Iterator[ModelName]:
        return layout.names(self._versions, model)

    def _remove(self, version: Version) -> bool:
        try:
            hidden = removal.hide(version.folder)
        except OSError:  # another replica prunes too
            return False
        if self._named(version.name) == version.number:  # promoted at this very moment
            hidden.rename(version.folder)
            return False
        removal.discard(hidden)
        return True


def _is_whole(version: Version) -> bool:
    try:
        version.manifest()
    except (VersionUnknown, StoreDamaged):
        return False
    return True
