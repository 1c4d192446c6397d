"""Files of records that are appended, one line each, and never changed.

::

    5d3a0e11 {"version":3,"time":"2026-01-31T08:00:00Z"}

A record counts only when its line is whole: it ends with a newline, and its first word is the
CRC-32 of the rest. So neither a torn line nor a changed byte is taken for a record. Notebooks can
write to the volume: what they wrote so counts no more than a torn line, where it could be no record.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files import atomic
from dltk_runtime.files.records import decoded

Record = TypeVar("Record", bound=msgspec.Struct)
_CRC_DIGITS = 8


def read(path: Path | str, kind: type[Record], limit: int = atomic.MAX_RECORD_BYTES) -> list[Record]:
    """Return the whole records in a file, oldest first; none when it does not exist.

    Raises:
        StoreDamaged: it exists and cannot be read, or has more bytes than `limit`.
    """
    try:
        data = atomic.read(path, limit)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreDamaged(f"{path} cannot be read: {error.strerror}. Check the volume and its permissions.") from error
    return [found for line in data.split(b"\n")[:-1] if (found := _parsed(line, kind)) is not None]


def append(path: Path, records: Sequence[msgspec.Struct], *, durable: bool = True) -> None:
    """Add records; if `durable`, wait until the disk has them.

    Raises:
        OSError: they cannot be written.
    """
    lines = encoded(records)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | atomic.AS_OURS, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        atomic.write_all(descriptor, b"\n" + lines if torn else lines)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if durable and not size:
        atomic.sync_folder(path.parent)


def blank(path: Path, kind: type[Record], chosen: Callable[[Record], bool]) -> int:
    """Overwrite the chosen records with blanks, in place, and return their number; others may append meanwhile.

    Raises:
        OSError: the file cannot be written, or is a link.
    """
    count = 0
    with suppress(FileNotFoundError, NotADirectoryError), atomic.opened(path, "r+b") as file:
        position = 0
        for line in list(file):
            if line.endswith(b"\n") and (found := _parsed(line[:-1], kind)) is not None and chosen(found):
                os.pwrite(file.fileno(), b" " * (len(line) - 1), position)
                count += 1
            position += len(line)
        os.fsync(file.fileno())
    return count


def bad_lines(path: Path, kind: type[msgspec.Struct]) -> int:
    """Return how many lines are not whole; 0 when the file cannot be read."""
    with suppress(OSError):
        return sum(1 for line in atomic.read(path).split(b"\n") if line and _parsed(line, kind) is None)
    return 0


def encoded(records: Sequence[msgspec.Struct]) -> bytes:
    """Return what a file of these records holds."""
    return b"".join(map(_line, records))


def _line(record: msgspec.Struct) -> bytes:
    text = msgspec.json.encode(record)
    return b"%0*x %s\n" % (_CRC_DIGITS, zlib.crc32(text), text)


def _parsed(line: bytes, kind: type[Record]) -> Record | None:
    crc, text = line[:_CRC_DIGITS], line[_CRC_DIGITS + 1 :]
    if crc != b"%0*x" % (_CRC_DIGITS, zlib.crc32(text)):
        return None
    try:
        return decoded(text, kind)
    except msgspec.DecodeError:
        return None
