"""Versions in folders on a volume that all processes and replicas share."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dltk_runtime.errors import StoreError
from dltk_runtime.files import atomic
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.store import layout, lifecycle
from dltk_runtime.store.layout import CURRENT, MANIFEST
from dltk_runtime.store.lifecycle import FileReservation
from dltk_runtime.store.version import FileVersion


class FileStore:
    """Implements `interface.Store` below ``app/model/data/versions`` of a home; has no state."""

    def __init__(self, paths: Paths) -> None:
        self._models = paths.models
        self._versions = paths.versions

    def where(self, name: ModelName) -> str:
        return str(self.folder(name))

    # ------------------------------------------------------------ read

    def names(self, model: str | None = None) -> Iterator[ModelName]:
        return layout.names(self._versions, model)

    def committed(self, name: ModelName) -> list[int]:
        return layout.committed(self.folder(name))

    def version(self, version_id: VersionId) -> FileVersion:
        return _version(self._versions, version_id)

    def current(self, name: ModelName) -> int | None:
        return layout.current_number(self._versions, name)

    def legacy_time(self, name: ModelName) -> float | None:
        return layout.legacy_time(self._models, name)

    # ------------------------------------------------------------ write

    def reserve(self, name: ModelName) -> FileReservation:
        folder = self.folder(name)
        try:
            number = lifecycle.reserve(folder)
        except OSError as error:
            raise atomic.not_stored(f"A new version of {name}", folder, error) from error
        return FileReservation(self.version(VersionId(name, number)))

    def promote(self, version_id: VersionId) -> None:
        version = self.version(version_id)
        _verify(version)
        before = self.current(version_id.name)
        self.point(version_id.name, version_id.number)
        # `remove` hides a version, then reads `current`; here the order is reversed. So the later
        # of the two sees what the other did, and `current` never names a removed version.
        try:
            _verify(version)
        except StoreError:
            if before is not None:
                self.point(version_id.name, before)
            raise
        version.decide()

    def keep_back(self, version_id: VersionId, fallback: int) -> None:
        path = self.folder(version_id.name) / CURRENT
        try:
            created = atomic.create(path, b"%d\n" % fallback)
        except OSError as error:
            raise atomic.not_stored(f"The current version of {version_id.name}", path, error) from error
        if not created and self.current(version_id.name) is None:  # a kill left it empty
            self.point(version_id.name, fallback)
        self.version(version_id).decide()

    def note(self, version_id: VersionId, notice: str) -> None:
        version = self.version(version_id)
        manifest = version.manifest()
        noted = msgspec.structs.replace(manifest, notices=[*manifest.notices, notice])
        try:
            atomic.write(version.folder / MANIFEST, atomic.to_json(noted))
        except OSError as error:
            raise atomic.not_stored(f"A notice on {version_id}", version.folder, error) from error

    def remove(self, version_id: VersionId) -> bool:
        version = self.version(version_id)
        if version.is_undecided():
            return False
        try:
            hidden = lifecycle.hide(version.folder)
        except OSError:  # another replica prunes too
            return False
        if self.current(version_id.name) == version_id.number:
            hidden.rename(version.folder)
            return False
        lifecycle.discard(hidden)
        return True

    def delete(self, name: ModelName) -> None:
        folder = self.folder(name)
        try:
            (folder / CURRENT).unlink(missing_ok=True)
            for number in self.committed(name):
                lifecycle.discard(lifecycle.hide(folder / str(number)))
        except OSError as error:
            raise atomic.not_stored(f"The removal of {name}", folder, error) from error

    def sweep(self, older_than: float) -> list[str]:
        folders = [self.folder(name) for name in list(self.names())]
        return [str(path) for folder in folders for path in lifecycle.sweep(folder, older_than)]

    # ------------------------------------------------------------ files

    def folder(self, name: ModelName) -> Path:
        """Return the folder of a model's versions."""
        return layout.model_folder(self._versions, name)

    def point(self, name: ModelName, number: int) -> None:
        """Make `current` hold `number`.

        Raises:
            NotStored: it cannot be written.
        """
        path = self.folder(name) / CURRENT
        try:
            atomic.write(path, b"%d\n" % number)
        except OSError as error:
            raise atomic.not_stored(f"The current version of {name}", path, error) from error


@functools.lru_cache(maxsize=1024)  # see `layout`
def _version(versions: Path, version_id: VersionId) -> FileVersion:
    return FileVersion(version_id, layout.model_folder(versions, version_id.name) / str(version_id.number))


def _verify(version: FileVersion) -> None:
    if version.number:
        version.verify()
