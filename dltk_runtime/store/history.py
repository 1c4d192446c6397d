"""The promotions of a model: the file ``promoted``, one line each, as `files.lines` keeps them.

A line is written before the file ``current`` is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dltk_runtime.files import lines
from dltk_runtime.files.records import Count, Moment
from dltk_runtime.names import ModelName, VersionId


class Promotion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One promotion. `time` is UTC.

    `found` marks a version that was current when the history began: runtime 0.1.0 kept none, so
    nothing is known of the versions before it.
    """

    version: Count
    time: Moment
    found: bool = False


class Known:
    """The version of each model that was asked for last and was promoted: a promotion is never taken back."""

    def __init__(self) -> None:
        self._numbers: dict[ModelName, int] = {}

    def contains(self, version_id: VersionId, promotions: Callable[[ModelName], Sequence[Promotion]]) -> bool:
        """Return whether a version was promoted; True where `promotions`, which are read if need be, do not say."""
        name, number = version_id.name, version_id.number
        if self._numbers.get(name) == number:
            return True
        found = promotions(name)
        if found and all(each.version != number for each in found):
            return False
        self._numbers[name] = number
        return True

    def forget(self, name: ModelName) -> None:
        """Forget a model, which was removed."""
        self._numbers.pop(name, None)


def read(path: Path) -> list[Promotion]:
    """Return the whole promotions in a file, oldest first; none when it does not exist.

    Raises:
        StoreDamaged: it exists and cannot be read.
    """
    return lines.read(path, Promotion)


def append(path: Path, *versions: int, found: bool = False) -> None:
    """Add a promotion for each of `versions`, and wait until the disk has them.

    Raises:
        OSError: they cannot be written.
    """
    now = datetime.now(UTC)
    lines.append(path, [Promotion(version, now, found) for version in versions])


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
    return lines.bad_lines(path, Promotion)
