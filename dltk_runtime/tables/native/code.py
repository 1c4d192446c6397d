"""Open the compiled `numbers.cpp`. Imports nothing heavy: the front process unescapes with it."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
from pathlib import Path

from dltk_runtime import booleans

VARIABLE = "DLTK_COMPILED"  # of the setting; the pool passes it on to its workers
SOURCE = Path(__file__).with_name("numbers.cpp")
FILE = Path(__file__).with_name("numbers.so")
ROOM_BYTES = 16  # beside the text, which the code may write to: as many are copied at a time


def opened(file: Path = FILE) -> ctypes.CDLL | None:
    """Open the compiled code; None where there is none for this source, or where the setting says no."""
    if not booleans.parse(os.environ.get(VARIABLE, "true")):
        return None
    try:
        code = ctypes.CDLL(str(file))
        code.dltk_source.restype = ctypes.c_char_p
        return code if code.dltk_source() == source_hash().encode() else None
    except (OSError, AttributeError):
        return None


def source_hash() -> str:
    """Return the SHA-256 of the source, which the compiled code holds too."""
    return hashlib.sha256(SOURCE.read_bytes()).hexdigest()


class Unescaper:
    """Unescapes pieces of a JSON string that are plain ASCII, with escapes of one character."""

    def __init__(self, code: ctypes.CDLL) -> None:
        self._unescape = code.dltk_unescape
        self._unescape.restype = ctypes.c_int64
        self._unescape.argtypes = (ctypes.c_char_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)

    def unescape(self, text: bytes) -> tuple[bytearray, int] | None:
        """Return the text of a piece, and where it ended: at its quote, at half an escape, or at its end.

        None if anything else is in it.
        """
        out, used = bytearray(len(text) + ROOM_BYTES), ctypes.c_int64()
        room = ctypes.c_char.from_buffer(out)
        size = self._unescape(text, len(text), ctypes.byref(room), ctypes.byref(used))
        del room  # it keeps the array from being cut
        del out[max(size, 0) :]
        return None if size < 0 else (out, used.value)


@functools.cache
def unescaper() -> Unescaper | None:
    """Load the compiled code to unescape with; None where there is none."""
    code = opened()
    return Unescaper(code) if code is not None else None
