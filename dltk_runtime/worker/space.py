"""Say how much space is left when a `save` fails for want of it, in whatever words its library has."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dltk_runtime.units import MIB
from dltk_runtime.worker.failure import PhaseFailed

MIN_FREE_BYTES = MIB  # with less, every failure of a save says so: PyTorch's text does not mention the disk
_NO_SPACE_ERRNOS = {errno.ENOSPC, errno.EDQUOT}


@contextlib.contextmanager
def saving_to(folder: Path) -> Iterator[None]:
    """Add the free bytes of `folder` to the sentence of a phase that fails because it is full.

    Raises:
        PhaseFailed: what the block raised, with that addition.
    """
    try:
        yield
    except PhaseFailed as failure:
        free = shutil.disk_usage(folder).free
        if free >= MIN_FREE_BYTES and not _is_full(failure.__cause__):
            raise
        sentence = f"{failure.report.sentence}; {free:,} bytes are free in {folder}"
        raise PhaseFailed(msgspec.structs.replace(failure.report, sentence=sentence)) from failure.__cause__


def _is_full(error: BaseException | None) -> bool:
    """Return whether an error says that there is no space; numpy counts instead of naming the cause."""
    if not isinstance(error, OSError):
        return False
    text = str(error)
    return error.errno in _NO_SPACE_ERRNOS or (" requested and " in text and text.endswith(" written"))
