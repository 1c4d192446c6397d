"""Compile `numbers.cpp`: ``python -m dltk_runtime.tables.native.build`` (``make setup``, and the image).

Without a C++17 compiler, or where the compiled code cannot be loaded, this says so and ends well:
the runtime then reads and writes numbers with pandas and msgspec, more slowly and with the same
results.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dltk_runtime.tables.native import code

COMPILERS = ("g++", "clang++", "c++")
# No -ffast-math and no -march: results to the bit, on any processor of the architecture.
FLAGS = ("-std=c++17", "-O3", "-ffp-contract=off", "-fPIC", "-shared", "-static-libstdc++", "-static-libgcc")
TIMEOUT_SECONDS = 300


class NotBuilt(Exception):
    """There is no compiled code; the text says why."""


def build(target: Path = code.FILE, flags: Sequence[str] = ()) -> Path:
    """Compile the source into `target`, which is replaced only by code that loads.

    Raises:
        NotBuilt: there is no compiler, it failed, or what it made cannot be loaded.
    """
    compiler = os.environ.get("CXX") or next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise NotBuilt(f"no C++ compiler found (looked for {', '.join(COMPILERS)} and the variable CXX)")
    made = target.with_name(f"{target.name}.{os.getpid()}")
    command = [
        compiler,
        *FLAGS,
        *flags,
        f'-DSOURCE_HASH="{code.source_hash()}"',
        str(code.SOURCE),
        "-o",
        str(made),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
        if done.returncode:
            raise NotBuilt(f"{compiler} ended with code {done.returncode}: {done.stderr.strip()[-2000:]}")
        made.replace(target)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotBuilt(f"{compiler} did not run: {error}") from error
    finally:
        made.unlink(missing_ok=True)
    return target


def main() -> None:
    """Compile, and say what came of it."""
    try:
        sys.stdout.write(f"compiled {build()}\n")
    except NotBuilt as reason:
        sys.stdout.write(f"numbers are read and written without compiled code: {reason}\n")


if __name__ == "__main__":
    main()
