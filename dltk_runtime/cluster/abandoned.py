"""What an actor that was killed leaves on its node's disk: models of its fits, files of versions that arrived.

Who uses a folder touches it every few seconds. Several nodes may share the disk, and their clocks may differ, so ages
are by the volume's own time.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from dltk_runtime.files import clock

ABANDONED_SECONDS = 600.0  # without a touch: a front takes a node that is silent for much less for lost


def touch(folder: Path) -> None:
    """Note that a folder is in use."""
    with suppress(OSError):  # it is made again when it is needed
        os.utime(folder)


def remove_untouched(root: Path, pattern: str, touched: str = "", seconds: float = ABANDONED_SECONDS) -> None:
    """Remove the folders below `root` that nobody has touched for so long.

    `touched` is what is touched in each of them, if not the folder itself; whoever was killed may have left a folder
    without it. Nothing is removed where the volume's time is not known.
    """
    found = list(root.glob(pattern))
    if not found:
        return
    now = clock.now(root)
    for folder in found:
        with suppress(OSError):
            if now - _touched(folder, touched) > seconds:
                shutil.rmtree(folder, ignore_errors=True)


def _touched(folder: Path, name: str) -> float:
    """Return when what is touched in a folder was touched last, by the volume's time."""
    try:
        return (folder / name).stat().st_mtime
    except FileNotFoundError:
        return folder.stat().st_mtime
