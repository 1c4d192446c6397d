"""The files of versions that a node has fetched: once for all, by what is in them.

::

    applies/<id>/files/…        of a version, whole
    applies/<id>/<hash>.json    code that runs in place of the version's own
    applies/.incoming-…         files that still arrive
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from dltk_runtime.cluster.files import reserved
from dltk_runtime.files import atomic
from dltk_runtime.store.manifest import StoredFile
from dltk_runtime.units import DAY_SECONDS

FOLDER = "applies"  # below the models' folder
FILES = "files"
INCOMING = ".incoming-"
MAX_KEPT = 64  # versions that are kept though nothing has them loaded


class KeptFiles:
    """The folder of all versions on this node; several nodes may share it."""

    def __init__(self, models: Path) -> None:
        self._root = models / FOLDER
        self._whole = set[str]()  # ids whose files this process has read whole

    def folder(self, files_id: str) -> Path:
        """Return the folder of a version's files."""
        return self._root / files_id / FILES

    def has(self, files_id: str, files: Sequence[StoredFile]) -> bool:
        """Return whether a version is here, as its manifest says; the first time its files are read."""
        folder = self.folder(files_id)
        if not _is_whole(folder, files, hashes=files_id not in self._whole):
            self._whole.discard(files_id)
            return False
        self._whole.add(files_id)
        with suppress(OSError):
            os.utime(folder)  # for `clean`
        return True

    def begin(self) -> str:
        """Make a folder for files that arrive; returns its name."""
        name = f"{INCOMING}{secrets.token_hex(8)}"
        (self._root / name / FILES).mkdir(parents=True)
        return name

    def write(self, incoming: str, path: str, data: bytes, offset: int) -> None:
        """Write a piece of a file; pieces come in order.

        Raises:
            OSError: it cannot be written, or leads out of the folder.
        """
        folder = str(self._root / incoming / FILES)
        with reserved(folder) as target, target.more(path) if offset else target.new(path) as file:
            file.write(data)

    def end(self, incoming: str, files_id: str, files: Sequence[StoredFile]) -> None:
        """Keep what has arrived; if another one was faster, its files are.

        Raises:
            OSError: a file is not as the manifest says.
        """
        source = self._root / incoming
        try:
            if not _is_whole(source / FILES, files, hashes=True):
                raise OSError("a file of the version did not arrive as it was stored")
            if (self._root / files_id).exists() and not self.has(files_id, files):
                shutil.rmtree(self._root / files_id, ignore_errors=True)  # damaged since
            with suppress(FileExistsError, OSError):
                source.rename(self._root / files_id)
        finally:
            shutil.rmtree(source, ignore_errors=True)
        self._whole.add(files_id)

    def code(self, files_id: str, code: bytes) -> Path:
        """Return the path of a file with `code`."""
        path = self._root / files_id / f"{sha256(code).hexdigest()}.json"
        if not path.exists():
            atomic.write(path, code, durable=False)
        return path

    def clean(self, used: Collection[str]) -> None:
        """Remove what never arrived whole, and the versions used longest ago, but none of `used`."""
        now = time.time()
        known = sorted(self._known(), reverse=True)
        for number, (time_used, path) in enumerate(known):
            arriving = path.name.startswith(INCOMING)
            old = now - time_used > DAY_SECONDS
            if old and (arriving or number >= MAX_KEPT) and path.name not in used:
                shutil.rmtree(path, ignore_errors=True)

    def _known(self) -> Iterator[tuple[float, Path]]:
        for path in self._root.glob("*"):
            with suppress(OSError):
                yield (path / FILES).stat().st_mtime, path


def _is_whole(folder: Path, files: Sequence[StoredFile], *, hashes: bool) -> bool:
    try:
        return all(
            (folder / each.path).lstat().st_size == each.size
            and (not hashes or atomic.sha256(folder / each.path) == each.sha256)
            for each in files
        )
    except OSError:
        return False
