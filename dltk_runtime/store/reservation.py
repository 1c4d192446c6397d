"""How a version comes to be: a number and a folder for one fit, then the commit."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from dltk_runtime.files import atomic
from dltk_runtime.secret_names import parameters_without_secrets
from dltk_runtime.store import removal
from dltk_runtime.store.manifest import FORMAT, MANIFEST, Facts, Manifest, StoredFile
from dltk_runtime.store.version import RESERVED, UNDECIDED, Version, highest, number_in


class Reservation:
    """A number and a folder for one fit's result; leaving it without `commit` removes the folder.

    Not shared between threads, but any thread may call `commit`, which reads every file of the folder.
    """

    def __init__(self, version: Version) -> None:
        self._version = version
        self._ended = False

    @property
    def number(self) -> int:
        return self._version.number

    @property
    def folder(self) -> Path:
        return self._version.folder

    @property
    def load_name(self) -> str:
        """The `name` for the notebook's `save`."""
        return self._version.load_name

    @property
    def kept_model(self) -> Path:
        """Where the runtime keeps a model that the notebook's `save` did not store."""
        return self._version.kept_model

    def touch(self) -> None:
        """Say that the fit still runs; a folder without manifest and untouched for a day is swept away."""
        with suppress(OSError):
            os.utime(self.folder)

    def commit(self, facts: Facts, code: bytes, description: bytes) -> Version:
        """Make the folder a version: its files first, its manifest last, each on the disk before the next.

        Raises:
            NotStored: no space or no right; then nothing was committed.
        """
        try:
            self._write(facts, code, description)
        except OSError as error:
            raise atomic.not_stored(f"{self._version}", self.folder, error) from error
        self._ended = True
        return self._version

    def _write(self, facts: Facts, code: bytes, description: bytes) -> None:
        self._version.code.write_bytes(code)
        self._version.description.write_bytes(description)
        stored = [_stored(self.folder, path) for path in atomic.regular_files(self.folder)]
        (self.folder / UNDECIDED).touch()
        for parent, _, _ in os.walk(self.folder):
            atomic.sync_folder(Path(parent))
        # The folders above may be new: model, algorithm, versions, and the models' folder that names them.
        for folder in list(self.folder.parents)[:4]:
            atomic.sync_folder(folder)
        atomic.write(self.folder / MANIFEST, atomic.to_json(self._manifest(facts, stored)))

    def _manifest(self, facts: Facts, stored: list[StoredFile]) -> Manifest:
        given = msgspec.structs.asdict(facts) | {"parameters": parameters_without_secrets(facts.parameters)}
        return Manifest(
            **given,
            format=FORMAT,
            algorithm=self._version.name.algorithm,
            model=self._version.name.model,
            number=self.number,
            time=datetime.now(UTC),
            files=stored,
        )

    def abandon(self) -> None:
        """Remove the folder unless it was committed; what cannot be removed now is swept later."""
        if not self._ended:
            self._ended = True
            with suppress(OSError):
                removal.discard(removal.hide(self.folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.abandon()


def _stored(folder: Path, path: Path) -> StoredFile:
    size, digest = atomic.sync_and_hash(path)
    return StoredFile(str(path.relative_to(folder)), size, digest)


def reserve(folder: Path) -> int:
    """Reserve the next number in the model's `folder` and make its folder; safe among processes and replicas.

    The mark of the highest number handed out is never removed. A number that was used once can therefore be
    made again only by a process that looked at the folder before and comes late: it then sees a higher mark.
    """
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        number = highest(folder) + 1
        mark = folder / f"{RESERVED}{number}"
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            continue
        if highest(folder) > number:
            mark.unlink(missing_ok=True)  # whoever holds the higher number may have removed it
            continue
        try:
            (folder / str(number)).mkdir()
        except OSError:
            mark.unlink(missing_ok=True)
            raise
        _remove_lower_marks(folder, number)
        return number


def _remove_lower_marks(folder: Path, number: int) -> None:
    for mark in folder.glob(f"{RESERVED}*"):
        if number_in(mark.name) < number:
            mark.unlink(missing_ok=True)
