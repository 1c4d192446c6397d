"""What one comparison says: one word, from the figures and from the old container's own noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from dltk_runtime.shadow.record import SUCCESS, ComparedRequest
from dltk_runtime.tables.figures import ColumnFigures

# One repetition is one sample of the noise, so its largest difference is often exceeded.
NOISE_FACTOR = 3.0


class ComparisonVerdict(StrEnum):
    """What a comparison says: what says nothing of ours first, then the best first."""

    OLD_FAILS = "old fails"
    EQUAL = "equal"  # every cell, and the types
    WITHIN = "within 1e-6"
    NOISY = "noisy"  # no further from the old container's answer than its own second one
    DIFFERS = "differs"
    OURS_FAILS = "ours fails"


Noise = Mapping[str, tuple[float, float]]  # by column: share of unequal cells, largest difference


def judge(record: ComparedRequest, noise: Noise) -> ComparisonVerdict:
    """Judge a comparison with the noise of its model's columns."""
    figures = record.figures
    if record.old != SUCCESS:
        return ComparisonVerdict.OLD_FAILS
    if record.ours != SUCCESS or figures is None:
        return ComparisonVerdict.OURS_FAILS
    if not figures.same_shape:
        return ComparisonVerdict.DIFFERS
    if not figures.differing:
        return ComparisonVerdict.EQUAL
    if figures.within:
        return ComparisonVerdict.WITHIN
    described = len(figures.columns) == figures.differing
    if described and all(each.within or _is_noise(each, noise) for each in figures.columns):
        return ComparisonVerdict.NOISY
    return ComparisonVerdict.DIFFERS


def noise_of(records: Iterable[ComparedRequest]) -> dict[str, tuple[float, float]]:
    """Return the noise of one model: in which columns the old container differs from itself."""
    found: dict[str, tuple[float, float]] = {}
    for record in records:
        for each in record.figures.columns if record.repeat and record.figures is not None else ():
            unequal, largest = found.get(each.name, (0.0, 0.0))
            found[each.name] = max(unequal, 1 - each.equal), max(largest, each.largest or 0.0)
    return found


def _is_noise(column: ColumnFigures, noise: Noise) -> bool:
    if column.name not in noise or column.types[0] != column.types[1]:
        return False
    unequal, largest = noise[column.name]
    if column.largest is None:
        return 1 - column.equal <= NOISE_FACTOR * unequal
    return column.largest <= NOISE_FACTOR * largest
