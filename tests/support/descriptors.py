"""The file descriptors of this process: those that are open, and none left."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
from collections.abc import Iterator
from pathlib import Path


def descriptors() -> set[str]:
    """Return those that are open. What earlier tests left open can go at any time, so compare with ``<=``."""
    listed = list(Path("/proc/self/fd").iterdir())  # with that of the list itself, which is closed by now
    return {each.name for each in listed if os.path.lexists(each)}


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Let this process get no further file descriptor."""
    gc.collect()  # not meanwhile: it might close some
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
