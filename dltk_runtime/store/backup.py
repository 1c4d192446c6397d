"""Copy the model store while fits commit, promotions move pointers and old versions are removed.

A version never changes once it has its manifest, so versions are copied first, in any time that it
takes. The pointers follow at the end: what `current` holds is read, then every version that exists
by then and was not copied is, then the promotions. So the copy has the version of each pointer, and
at least the promotions that led to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files import atomic
from dltk_runtime.files.copying import Copied, Copier, entries, is_temporary
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store import layout
from dltk_runtime.store.layout import CURRENT, IDENTITY, MANIFEST
from dltk_runtime.store.manifest import StoredFile, parse

MAX_LOOKS = 10  # at a pointer whose version is removed each time before it is copied


class ModelsCopy(ABC):
    """A copy of a model store to `root`, a path in the copier's folder.

    `problems` has a sentence for each version whose files are not as they were stored; what is there
    of them is copied.
    """

    def __init__(self, copier: Copier, root: str) -> None:
        self._copier = copier
        self._root = root
        self._numbers: dict[ModelName, set[int]] = {}
        self.problems: list[str] = []

    @abstractmethod
    def copy_versions(self) -> None:
        """Copy every committed version.

        Raises:
            OSError: the copy cannot be written.
            StoreUnreachable: the store does not answer.
        """

    @abstractmethod
    def copy_pointers(self) -> None:
        """Copy the pointers, and the versions committed since; leave models out that are gone.

        Raises as `copy_versions`.
        """

    @property
    def models(self) -> int:
        """The number of models in the copy."""
        return sum(1 for numbers in self._numbers.values() if numbers)

    @property
    def versions(self) -> int:
        """The number of versions in the copy."""
        return sum(map(len, self._numbers.values()))

    def _compare(
        self, version: VersionId, where: str, stored: Iterable[StoredFile], copied: Mapping[str, Copied]
    ) -> None:
        """Note the first of a version's files that is not as its manifest has it."""
        for each in stored:
            found = copied.get(each.path)
            if found is None or (found.size, found.sha256) != (each.size, each.sha256):
                self.problems.append(f"{version} is damaged: {each.path} in {where} is missing or has changed.")
                return

    def _place(self, name: ModelName) -> str:
        return f"{self._root}/{name.folder}/{name.model}"


class StoreCopy(ModelsCopy):
    """Copies the store in the folder `versions`."""

    def __init__(self, versions: Path, copier: Copier, root: str) -> None:
        super().__init__(copier, root)
        self._versions = versions

    def copy_versions(self) -> None:
        self._note_unlisted()
        for name in layout.names(self._versions):
            self._copy_versions(name)

    def copy_pointers(self) -> None:
        self._copier.file(self._versions / IDENTITY, f"{self._root}/{IDENTITY}")
        found = set(layout.names(self._versions))
        for name in sorted(found | set(self._numbers)):
            self._copy_pointers(name)

    def _note_unlisted(self) -> None:
        """Note folders whose models cannot be listed: `layout.names` takes them for empty."""
        folders = [self._versions]
        for folder in folders:
            try:
                names = atomic.names_in(folder)
            except OSError as error:
                self._copier.not_listed(error)
                continue
            if folder == self._versions:
                folders += [folder / each for each in sorted(names)]

    # ------------------------------------------------------------ one model

    def _copy_versions(self, name: ModelName) -> None:
        known = self._numbers.setdefault(name, set())
        try:
            numbers = layout.committed(self._folder(name))
        except StoreDamaged as error:
            self.problems.append(error.sentence)
            return
        known.update(number for number in numbers if number not in known and self._copy_version(name, number))

    def _copy_version(self, name: ModelName, number: int) -> bool:
        """Copy a version, the manifest as the last file; return whether it is still there."""
        folder, to = self._folder(name) / str(number), f"{self._place(name)}/{number}"
        copied: dict[str, Copied] = {}
        for path, is_folder in entries(folder, frozenset({folder / MANIFEST})):
            if not is_folder and (file := self._copier.file(folder / path, f"{to}/{path}")):
                copied[path] = file
        manifest = self._copier.file(folder / MANIFEST, f"{to}/{MANIFEST}")
        if manifest is None and not (folder / MANIFEST).exists():  # removed meanwhile
            self._copier.drop(to)
            return False
        self._check(VersionId(name, number), folder, self._copier.target / to / MANIFEST, copied)
        return True

    def _check(self, version: VersionId, folder: Path, manifest: Path, copied: dict[str, Copied]) -> None:
        try:
            stored = parse(manifest.read_bytes(), str(folder / MANIFEST)).files
        except (StoreDamaged, OSError) as error:
            self.problems.append(f"{version} is damaged: {error}")
            return
        self._compare(version, str(folder), stored, copied)

    def _copy_pointers(self, name: ModelName) -> None:
        folder, to = self._folder(name), self._place(name)
        pointer = self._pointer(name)
        if pointer is None and self._is_empty(name):
            self._numbers.pop(name)
            self._copier.drop(to)  # deleted, or never fitted; its reserved numbers follow
        for entry in sorted(atomic.names_in(folder)):  # promotions, reserved numbers and other notes
            if entry != CURRENT and not is_temporary(entry) and not (folder / entry).is_dir():
                self._copier.file(folder / entry, f"{to}/{entry}")
        if pointer is not None:
            self._copier.text(pointer, f"{to}/{CURRENT}")

    def _pointer(self, name: ModelName) -> bytes | None:
        """Return what `current` holds, once the version that it names is copied; None without one."""
        pointer: bytes | None = None
        for _ in range(MAX_LOOKS):
            pointer, number = self._read(name)
            self._copy_versions(name)
            if not number or number in self._numbers[name]:
                return pointer
            if self._read(name)[1] == number:  # its manifest is gone: that is damage, which stays as it is
                self.problems.append(f"{name} version {number}, its current one, is damaged: it has no manifest.")
                return pointer
        self.problems.append(f"The current version of {name} changed {MAX_LOOKS} times while it was copied.")
        return pointer

    def _read(self, name: ModelName) -> tuple[bytes | None, int | None]:
        """Return what `current` holds, and its number; None for a number that cannot be read."""
        content = None
        with suppress(OSError):
            content = layout.current_file(self._versions, name).read_bytes()
        text = (content or b"").strip()
        return content, int(text) if text.isdigit() and len(text) <= layout.MAX_NUMBER_DIGITS else None

    def _is_empty(self, name: ModelName) -> bool:
        with suppress(StoreDamaged):
            return not layout.committed(self._folder(name))
        return False

    def _folder(self, name: ModelName) -> Path:
        return layout.model_folder(self._versions, name)
