"""Clocks that are wrong: variables under which a process lives by another time of day.

The process asks the real kernel and gets another answer, as on a machine whose clock was set wrongly. The times of
files come from the volume, and stay right.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock_shift.c")
COMPILERS = ("cc", "gcc", "clang")


def library(folder: Path) -> Path | None:
    """Compile what shifts a clock; None without a compiler."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return None
    made = folder / "clock_shift.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(SOURCE)], check=True)
    return made


def shifted(made: Path | None, seconds: int) -> dict[str, str]:
    """Return the variables for a clock that is `seconds` ahead; none without the library, and for a right one."""
    return {"LD_PRELOAD": str(made), "CLOCK_SHIFT_SECONDS": str(seconds)} if made is not None and seconds else {}
