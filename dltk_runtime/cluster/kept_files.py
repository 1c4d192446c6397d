"""The files of versions that a node has fetched: once for all, by what is in them.

::

    applies/<id>/files/…        of a version, whole
    applies/<id>/of/<home>      which version it is, of which home: one that has it no more has its mark removed
    applies/<id>/<hash>.json    code that runs in place of the version's own
    applies/.incoming-<key>     files that still arrive, for one call
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from dltk_runtime.cluster.abandoned import remove_untouched, touch
from dltk_runtime.cluster.apply_messages import Copy
from dltk_runtime.cluster.files import reserved
from dltk_runtime.files import atomic
from dltk_runtime.files.records import decoded
from dltk_runtime.store.manifest import StoredFile
from dltk_runtime.units import DAY_SECONDS

FOLDER = "applies"  # below the models' folder
FILES = "files"
OF = "of"
INCOMING = ".incoming-"
KEPT_SECONDS = DAY_SECONDS  # since its last apply that a version is kept


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

    def is_damaged(self, files_id: str, files: Sequence[StoredFile]) -> bool:
        """Return whether a version is not here, or not any more as its manifest says; its files are read again."""
        self._whole.discard(files_id)
        return not self.has(files_id, files)

    def begin(self, key: str) -> str:
        """Make a folder for files that arrive for a call; returns its name."""
        name = f"{INCOMING}{key}"
        (self._root / name / FILES).mkdir(parents=True)
        return name

    def drop(self, key: str) -> None:
        """Remove what has arrived for a call that is over."""
        shutil.rmtree(self._root / f"{INCOMING}{key}", ignore_errors=True)

    def write(self, incoming: str, path: str, data: bytes, offset: int) -> None:
        """Write a piece of a file; pieces come in order.

        Raises:
            OSError: it cannot be written, or leads out of the folder.
        """
        folder = str(self._root / incoming / FILES)
        os.utime(folder)  # it still arrives, for `clean`
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
            folder = self.folder(files_id)
            folder.parent.mkdir(exist_ok=True)
            touch(folder.parent)  # one that has no files yet may be old
            if folder.exists() and self.is_damaged(files_id, files):
                shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # there are some
                (source / FILES).rename(folder)
                self._whole.add(files_id)
        finally:
            shutil.rmtree(source, ignore_errors=True)

    def mark(self, copy: Copy, origin: str) -> None:
        """Note of which version of a home the files are."""
        path = self._root / _checked(copy.files_id) / OF / _checked(origin)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            atomic.write(path, msgspec.json.encode(copy), durable=False)

    def copies(self, origin: str) -> list[Copy]:
        """Return the versions of a home that are kept; a mark that cannot be read is removed with its files."""
        found = []
        for path in self._root.glob(f"*/{OF}/{_checked(origin)}"):
            try:
                found.append(decoded(path.read_bytes(), Copy))
            except (OSError, ValueError):
                self.unmark(path.parent.parent.name, origin)
        return found

    def unmark(self, files_id: str, origin: str) -> bool:
        """Note that a home has a version no more; returns whether no other has it, and the files are gone."""
        folder = self._root / _checked(files_id)
        (folder / OF / _checked(origin)).unlink(missing_ok=True)
        if atomic.names_in(folder / OF):
            return False
        self._whole.discard(files_id)
        shutil.rmtree(folder, ignore_errors=True)
        return True

    def code(self, files_id: str, code: bytes) -> Path:
        """Return the path of a file with `code`."""
        path = self._root / files_id / f"{sha256(code).hexdigest()}.json"
        if not path.exists():
            atomic.write(path, code, durable=False)
        return path

    def clean(self, used: Collection[str]) -> None:
        """Remove what never arrived whole, and versions that nobody uses any more; those of `used` are marked."""
        for each in used:
            with suppress(OSError):
                os.utime(self.folder(each))  # another node that shares the folder does not know
        remove_untouched(self._root, f"{INCOMING}*", FILES)
        remove_untouched(self._root, "[!.]*", FILES, KEPT_SECONDS)


def _checked(name: str) -> str:
    if not name.isalnum():
        raise ValueError(f"the other side names {name!r}")
    return name


def _is_whole(folder: Path, files: Sequence[StoredFile], *, hashes: bool) -> bool:
    try:
        return all(
            (folder / each.path).lstat().st_size == each.size
            and (not hashes or atomic.sha256(folder / each.path) == each.sha256)
            for each in files
        )
    except OSError:
        return False
