"""The time of a volume, by which the ages of files on it are measured.

Clocks of machines that share a volume may differ by minutes. So an age is the difference between
two times that the volume itself gave: that of a file touched now, and that of the file in question.
"""

from __future__ import annotations

import os
from pathlib import Path

from dltk_runtime.files.atomic import AS_OURS

CLOCK = ".clock"  # the file that is touched


def now(folder: Path) -> float:
    """Return the time of the volume that holds `folder`, in seconds since the epoch.

    0.0 when the folder cannot be written: then everything in it is young, and nothing is taken
    for abandoned.
    """
    try:
        descriptor = os.open(folder / CLOCK, os.O_WRONLY | os.O_CREAT | AS_OURS, 0o666)
        try:
            os.utime(descriptor)  # without a time: the volume's own
            return os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)
    except OSError:
        return 0.0
