"""The promotions of a model: the file ``promoted``, one line each, appended and never changed.

::

    5d3a0e11 {"version":3,"time":"2026-01-31T08:00:00Z"}

A line is a promotion only when it is whole: it ends with a newline, and its first word is the
CRC-32 of the rest. So neither a torn line nor a changed byte makes a version count as promoted.
A line is written before the file ``current`` is replaced.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files import atomic

_CRC_DIGITS = 8


class Promotion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One promotion. `time` is UTC.

    `found` marks a version that was current when the history began: runtime 0.1.0 kept none, so
    nothing is known of the versions before it.
    """

    version: int
    time: datetime
    found: bool = False


def read(path: Path) -> list[Promotion]:
    """Return the whole promotions in a file, oldest first; none when it does not exist.

    Raises:
        StoreDamaged: it exists and cannot be read.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreDamaged(f"{path} cannot be read: {error.strerror}. Check the volume and its permissions.") from error
    return [found for line in data.split(b"\n")[:-1] if (found := _parsed(line)) is not None]


def append(path: Path, *versions: int, found: bool = False) -> None:
    """Add a promotion for each of `versions`, and wait until the disk has them.

    Raises:
        OSError: they cannot be written.
    """
    now = datetime.now(UTC)
    lines = b"".join(_line(Promotion(version, now, found)) for version in versions)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        atomic.write_all(descriptor, b"\n" + lines if torn else lines)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if not size:
        atomic.sync_folder(path.parent)


def before(promotions: Sequence[Promotion], number: int | None) -> list[int]:
    """Return the numbers that were current before `number`, the last one first, each once.

    Without `number`, or when it was never promoted: all.
    """
    numbers = [each.version for each in promotions]
    if number in numbers:
        del numbers[len(numbers) - 1 - numbers[::-1].index(number) :]
    return [each for each in dict.fromkeys(reversed(numbers)) if each != number]


def bad_lines(path: Path) -> int:
    """Return how many lines are not whole; 0 when the file cannot be read."""
    with suppress(OSError):
        return sum(1 for line in path.read_bytes().split(b"\n") if line and _parsed(line) is None)
    return 0


def _line(promotion: Promotion) -> bytes:
    text = msgspec.json.encode(promotion)
    return b"%0*x %s\n" % (_CRC_DIGITS, zlib.crc32(text), text)


def _parsed(line: bytes) -> Promotion | None:
    crc, text = line[:_CRC_DIGITS], line[_CRC_DIGITS + 1 :]
    if crc != b"%0*x" % (_CRC_DIGITS, zlib.crc32(text)):
        return None
    try:
        return msgspec.json.decode(text, type=Promotion)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
