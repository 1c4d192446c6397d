"""How a version goes: hidden in one step, then removed; and what a kill left of others is swept away."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from dltk_runtime.files import atomic
from dltk_runtime.store.manifest import MANIFEST
from dltk_runtime.store.version import REMOVED


def hide(folder: Path) -> Path:
    """Take a version out of the store in one step, so that a removal killed half-way never leaves half a version."""
    return folder.rename(folder.with_name(REMOVED + folder.name))


def discard(hidden: Path) -> None:
    """Remove the files of a hidden version; what cannot be removed is swept later."""
    shutil.rmtree(hidden, ignore_errors=True)


def sweep(folder: Path, older_than: float) -> list[Path]:
    """Remove from a model's `folder` what kills left and nothing has changed for `older_than` seconds; what went."""
    gone = []
    for path in sorted(folder.iterdir()):
        with suppress(OSError):  # another replica sweeps too
            if _is_left_over(path) and _age(path) > older_than and _sweep_away(path):
                gone.append(path)
    return gone


def _is_left_over(path: Path) -> bool:
    unfinished = path.name.isdecimal() and not (path / MANIFEST).exists()
    return unfinished or path.name.startswith(REMOVED) or path.name.endswith(atomic.TEMPORARY)


def _age(path: Path) -> float:
    """Seconds since anything in it changed. The time of change counts too, since a rename sets that one alone."""
    found = [each.lstat() for each in (path, *path.rglob("*"))]
    return time.time() - max(max(each.st_mtime, each.st_ctime) for each in found)


def _sweep_away(path: Path) -> bool:
    if not path.is_dir():
        path.unlink()
        return True
    hidden = path if path.name.startswith(REMOVED) else hide(path)
    if hidden != path and (hidden / MANIFEST).exists():  # committed at this very moment
        hidden.rename(path)
        return False
    discard(hidden)
    return True
