"""What a feature looked like at the fit, and how far from it the rows of today are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """How the values of one feature were spread over bins; `counts` has one number of rows for each bin.

    Numbers: ``below edges[0]``, ``edges[0] to edges[1]``, …, ``edges[-1] and more``, missing. The first and the last
    edge are the least and the highest value of the fit, so that the outer bins were empty then.
    Texts and booleans: one bin for each of `categories`, then all others, then missing.
    """

    counts: list[int]
    edges: list[float] = []
    categories: list[str] = []
    complete: bool = False  # no other category was there
    mean: float | None = None  # of numbers

    @property
    def rows(self) -> int:
        """Rows that were counted."""
        return sum(self.counts)

    def distance(self, counts: Sequence[int]) -> float:
        """The population stability index of `counts`: 0 for the same shares, from 0.2 on another population.

        Half a row is added to each bin, so that an empty one makes no infinite distance.
        """
        old, new = _shares(self.counts), _shares(counts)
        return sum((now - then) * math.log(now / then) for then, now in zip(old, new, strict=True))

    def unseen(self, counts: Sequence[int]) -> float:
        """The share of rows whose value the fit never saw: another category, or a number out of its range."""
        if not self.edges and not self.complete:
            return 0.0  # nobody knows which of the others were there
        outside = counts[-2] + (counts[0] if self.edges else 0)
        return outside / max(sum(counts), 1)


def _shares(counts: Sequence[int]) -> list[float]:
    whole = sum(counts) + 0.5 * len(counts)
    return [(count + 0.5) / whole for count in counts]


ENOUGH = 1_000  # rows of applies that one judgement is made of, at least
