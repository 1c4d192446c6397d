"""Versions in folders on a volume that all processes and replicas share."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from dltk_runtime.errors import StoreDamaged, StoreError
from dltk_runtime.files import atomic, lines
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.store import drawn, layout, lifecycle
from dltk_runtime.store.deeds import Deed
from dltk_runtime.store.errors import HomeVanished
from dltk_runtime.store.history import Promotion
from dltk_runtime.store.later import Notice, Score
from dltk_runtime.store.layout import CURRENT, HISTORY, LATER, NOTICES, PICTURES
from dltk_runtime.store.lifecycle import FileReservation
from dltk_runtime.store.promoted import PromotedFiles
from dltk_runtime.store.version import FileVersion


class FileStore:
    """Implements `interface.Store` below ``app/model/data/versions`` of a home.

    It remembers the identity of the store that it was attached to.
    """

    remote = False

    def __init__(self, paths: Paths) -> None:
        self._models = paths.models
        self._versions = paths.versions
        self._graphics = paths.graphics
        self._identity = b""
        self._promoted = PromotedFiles(paths.versions)

    def attach(self) -> None:
        path = self._versions / layout.IDENTITY
        with suppress(OSError):  # a disk that cannot be written is reported by what must be written
            self._versions.mkdir(parents=True, exist_ok=True)
            atomic.create(path, secrets.token_hex(16).encode() + b"\n")
            self._identity = atomic.read_short(path)

    def prove(self) -> None:
        """Nothing: what the rules rely on is POSIX's."""

    def present(self) -> bool:
        with suppress(OSError):
            return not self._identity or atomic.read_short(self._versions / layout.IDENTITY) == self._identity
        return False

    def missing(self) -> HomeVanished:
        return HomeVanished()

    def where(self, name: ModelName) -> str:
        return str(self.folder(name))

    # ------------------------------------------------------------ read

    def names(self, model: str | None = None) -> Iterator[ModelName]:
        return layout.names(self._versions, model)

    def committed(self, name: ModelName) -> list[int]:
        return layout.committed(self.folder(name))

    def candidates(self, name: ModelName) -> list[int]:
        return layout.numbers(self.folder(name))

    def newest(self, name: ModelName) -> int | None:
        return layout.newest(self.folder(name))

    def version(self, version_id: VersionId) -> FileVersion:
        return _version(self._versions, version_id)

    def current(self, name: ModelName) -> int | None:
        return self._promoted.current(name)

    def promotions(self, name: ModelName) -> list[Promotion]:
        return self._promoted.history(name)

    def was_promoted(self, version_id: VersionId) -> bool:
        return self._promoted.contains(version_id)

    def damaged_lines(self, name: ModelName) -> int:
        return self._promoted.damaged_lines(name)

    def problems(self, name: ModelName) -> list[str]:
        return self._promoted.problems(name)

    def deeds(self, name: ModelName, since: datetime | None = None) -> list[Deed]:
        found = lines.read(self.folder(name) / HISTORY, Deed)
        return [each for each in found if since is None or each.time > since]

    def damaged_deeds(self, name: ModelName) -> int:
        return lines.bad_lines(self.folder(name) / HISTORY, Deed)

    def drop_changed_copy(self, version_id: VersionId) -> str:  # noqa: ARG002 - of the interface
        return ""

    def copy_replaced(self, version_id: VersionId, since: float) -> bool:  # noqa: ARG002 - of the interface
        return False

    def legacy_time(self, name: ModelName) -> float | None:
        return layout.legacy_time(self._models, name)

    # ------------------------------------------------------------ write

    def record(self, name: ModelName, deed: Deed) -> None:
        path = self.folder(name) / HISTORY
        try:
            lines.append(path, [deed])
        except OSError as error:
            raise atomic.not_stored(f"What was done to {name}", path, error) from error

    def reserve(self, name: ModelName) -> FileReservation:
        folder = self.folder(name)
        if not self.present():
            raise HomeVanished
        try:
            return FileReservation(self.version(VersionId(name, lifecycle.reserve(folder))))
        except OSError as error:
            raise atomic.not_stored(f"A new version of {name}", folder, error) from error

    def withdraw(self, version_id: VersionId) -> bool:
        folder = self.version(version_id).folder
        try:
            return lifecycle.withdraw(folder)
        except OSError as error:
            raise atomic.not_stored(f"The withdrawal of {version_id}", folder, error) from error

    def promote(self, version_id: VersionId) -> None:
        version, name = self.version(version_id), version_id.name
        _verify(version)
        before = self._promoted.readable_current(name)
        legacy = before is None and self.legacy_time(name) is not None
        self._promoted.record(name, version_id.number, 0 if legacy else before)
        # `remove` hides a version, then reads `current`; here the order is reversed. So the later
        # of the two sees what the other did, and `current` never names a removed version.
        try:
            self._promoted.point(name, version_id.number)
            _verify(version)
        except StoreError:
            self._promoted.take_back(version_id, before)
            raise
        self._promoted.align(name)
        version.decide()
        self._show_pictures(version)

    def keep_back(self, version_id: VersionId, fallback: int) -> None:
        name = version_id.name
        path = self.folder(name) / CURRENT
        try:
            if self._promoted.begin(name, fallback):
                self._show_pictures(self.version(VersionId(name, fallback)))
        except OSError as error:
            raise atomic.not_stored(f"The current version of {name}", path, error) from error
        self.version(version_id).decide()

    def note(self, version_id: VersionId, notice: str) -> None:
        self._add(version_id, NOTICES, Notice(notice), "A notice on")

    def add_score(self, version_id: VersionId, score: Score) -> None:
        self._add(version_id, LATER, score, "A score of")

    def _add(self, version_id: VersionId, file: str, record: Notice | Score, what: str) -> None:
        version = self.version(version_id)
        version.manifest()
        try:
            lines.append(version.folder / file, [record])
        except OSError as error:
            raise atomic.not_stored(f"{what} {version_id}", version.folder, error) from error

    def use(self, version_id: VersionId) -> None:
        self.version(version_id).use()

    def used_within(self, version_id: VersionId, seconds: float) -> bool:
        return self.version(version_id).used_within(seconds)

    def remove(self, version_id: VersionId) -> bool:
        version = self.version(version_id)
        if version.is_undecided() or self._promoted.keeps(version_id):
            return False
        try:
            hidden = lifecycle.hide(version.folder)
        except OSError:  # another replica prunes too
            return False
        if self._promoted.keeps(version_id):  # promoted meanwhile
            hidden.rename(version.folder)
            return False
        lifecycle.discard(hidden)
        return True

    def delete(self, name: ModelName) -> None:
        folder = self.folder(name)
        try:
            self._promoted.remove(name)
            for number in self.committed(name):
                lifecycle.discard(lifecycle.hide(folder / str(number)))
        except OSError as error:
            raise atomic.not_stored(f"The removal of {name}", folder, error) from error

    def sweep(self, older_than: float) -> list[str]:
        return [path for name in list(self.names()) for path in self._sweep(name, older_than)]

    def _sweep(self, name: ModelName, older_than: float) -> list[str]:
        with suppress(OSError, StoreDamaged):  # what cannot be read is not left over
            promoted = {each.version for each in self.promotions(name)} | {self.current(name) or 0}
            return [str(path) for path in lifecycle.sweep(self.folder(name), older_than, promoted)]
        return []

    def code_choice(self, name: ModelName) -> str:
        with suppress(OSError):
            return atomic.read_short(self.choice_file(name)).decode("ascii", "replace").strip()
        return ""

    def choose_code(self, name: ModelName, choice: str) -> None:
        path = self.choice_file(name)
        try:
            atomic.write(path, f"{choice}\n".encode()) if choice else path.unlink(missing_ok=True)
        except OSError as error:
            raise atomic.not_stored(f"The choice of the code of {name}", path, error) from error

    def choice_file(self, name: ModelName) -> Path:
        return self.folder(name) / layout.CODE_CHOICE

    def _show_pictures(self, version: FileVersion) -> None:
        """Copy what the version's fit drew to where ``GET /graphics/`` finds it."""
        if version.number:
            drawn.show(version.folder / PICTURES, self._graphics)

    def folder(self, name: ModelName) -> Path:
        """Return the folder of a model's versions."""
        return layout.model_folder(self._versions, name)


@functools.lru_cache(maxsize=layout.MAX_VERSIONS)  # see `layout`
def _version(versions: Path, version_id: VersionId) -> FileVersion:
    return FileVersion(version_id, layout.model_folder(versions, version_id.name) / str(version_id.number))


def _verify(version: FileVersion) -> None:
    if version.number:
        version.verify()
