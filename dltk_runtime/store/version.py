"""One version of a model, and the folder that the versions of one model lie in.

::

    versions/umap/default/
        current             "3": the version that apply uses
        reserved-7          the highest number handed out; it stays, so that no number is used twice
        3/                  a version: whole, since its manifest is there
            umap_default.json   what the notebook's save wrote
            code.json           the notebook and its helpers, as they were
            summary.json        str(model) and its summary
            version.json        the manifest, written last
            undecided           there from the commit until it is known whether the version becomes current
        7/                  a fit is running, or was killed: no manifest
        removed-2/          on its way out: no version any more
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files import atomic
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.errors import NotExported, VersionUnknown
from dltk_runtime.store.manifest import MANIFEST, Manifest, StoredFile, read_manifest

DAY = 86400.0  # seconds after which what a fit left unfinished counts as abandoned
CODE = "code.json"
DESCRIPTION = "summary.json"
KEPT_MODEL = "model.cloudpickle"
OURS = frozenset({CODE, DESCRIPTION, KEPT_MODEL, MANIFEST})  # no file of a notebook has such a name: theirs have a "_"
UNDECIDED = "undecided"
REMOVED = "removed-"
RESERVED = "reserved-"
_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_MARK = re.compile(rf"(?:{RESERVED}|{REMOVED})?({_NUMBER.pattern})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """One committed result of one fit. Number 0 stands for what lies there without a commit: files of an old volume."""

    id: VersionId
    folder: Path

    def __str__(self) -> str:
        return str(self.id)

    @property
    def name(self) -> ModelName:
        return self.id.name

    @property
    def number(self) -> int:
        return self.id.number

    @property
    def load_name(self) -> str:
        """What `save` and `load` are called with, relative to the models' folder."""
        if self.number == 0:
            return self.name.legacy
        return f"versions/{self.name.algorithm}/{self.name.model}/{self.number}/{self.name.legacy}"

    @property
    def code(self) -> Path:
        """The sources the fit ran, as `notebook.pack` wrote them."""
        return self.folder / CODE

    @property
    def description(self) -> Path:
        """JSON ``{"model": str(model), "model_summary": …}``, made right after the fit."""
        return self.folder / DESCRIPTION

    @property
    def kept_model(self) -> Path:
        """The model itself; there only when the notebook's `save` stored nothing."""
        return self.folder / KEPT_MODEL

    def is_undecided(self) -> bool:
        """Whether the fit has yet to promote it, or not to: then nobody else may prune it, for a day."""
        with suppress(OSError):
            return time.time() - (self.folder / UNDECIDED).stat().st_mtime < DAY
        return False

    def decided(self) -> None:
        """The fit has promoted it, or not."""
        with suppress(OSError):  # the mark loses its meaning after a day
            (self.folder / UNDECIDED).unlink(missing_ok=True)

    def manifest(self) -> Manifest:
        """What the version says about itself; cheap, since it is parsed once.

        Raises:
            VersionUnknown: it was removed, or is version 0.
            StoreDamaged: its manifest cannot be read.
        """
        try:
            return read_manifest(self.folder)
        except FileNotFoundError as error:
            raise VersionUnknown(
                f"{self} has no manifest in {self.folder}: it was removed, or never committed."
            ) from error

    def verify(self, *, hashes: bool = False) -> None:
        """Compare the files with the manifest: their sizes, and with `hashes` their contents.

        Raises:
            VersionUnknown: it was removed.
            StoreDamaged: naming the first file that is missing or has changed.
        """
        for stored in self.manifest().files:
            if problem := _problem(self.folder / stored.path, stored, hashes):
                raise StoreDamaged(
                    f"{self} is damaged: {stored.path} in {self.folder} {problem}. "
                    "Make another version current with 'dltk models promote', or fit again."
                )

    def export(self, to: Path, *, force: bool = False) -> list[Path]:
        """Copy the notebook's files into `to` under a DSDL container's flat names; the files written.

        Raises:
            NotExported: there are none, or `to` has one of them already and `force` is not given.
            StoreDamaged: a file is missing or was changed.
            NotStored: they cannot be written.
        """
        self.verify(hashes=True)
        names = [stored.path for stored in self.manifest().files if stored.path not in OURS]
        if not names:
            raise NotExported(f"{self} has no files of its own to export: its save stored nothing.")
        there = [name for name in names if (to / name).exists()]
        if there and not force:
            raise NotExported(f"{to} has {', '.join(there)} already. Choose another folder, or overwrite with --force.")
        try:
            return [atomic.copy(self.folder / name, to / name) for name in names]
        except OSError as error:
            raise atomic.not_stored(f"The files of {self}", to, error) from error


def _problem(path: Path, stored: StoredFile, hashes: bool) -> str:
    try:
        size = path.stat().st_size
        if size != stored.size:
            return f"has {size:,} bytes, and had {stored.size:,} when it was stored"
        if hashes and atomic.sha256(path) != stored.sha256:
            return "has changed since it was stored"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""


def numbers(folder: Path) -> list[int]:
    """The numbers of the folders of a model, ascending: whole versions and unfinished ones; none without the folder."""
    return sorted(int(name) for name in atomic.names_in(folder) if _NUMBER.fullmatch(name))


def committed(folder: Path) -> list[int]:
    """The numbers of a model's whole versions, ascending."""
    # Without a Path for each: /metrics counts thousands.
    return [number for number in numbers(folder) if os.path.exists(f"{folder}/{number}/{MANIFEST}")]  # noqa: PTH110


def highest(folder: Path) -> int:
    """The highest number that the model's folder knows of: versions, reserved, and those on their way out."""
    return max(map(number_in, atomic.names_in(folder)), default=0)


def number_in(entry: str) -> int:
    """The number that the name of a model's file or folder carries: 7 for ``7``, ``reserved-7``; else 0."""
    found = _MARK.fullmatch(entry)
    return int(found[1]) if found else 0
