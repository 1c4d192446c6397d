"""The distribution of a feature's values at the fit, and the distance of later rows from it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import msgspec

HASH_BYTES = 16  # of a hashed category, and of a salt
MIN_JUDGED_ROWS = 1_000  # rows of applies from which on drift is judged


class Baseline(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The distribution of one feature's values over bins: `counts` are the rows in each bin.

    Bins of numbers: ``below edges[0]``, ``edges[0] to edges[1]``, …, ``edges[-1] and more``,
    missing. The first and the last edge are the minimum and the maximum of the fit, so that the
    outer bins were empty then. Bins of texts and booleans: one for each of `categories`, then all
    others, then missing. With a `salt` the categories are hashes, as `hashed` makes them.
    """

    counts: list[int]
    edges: list[float] = []
    categories: list[str] = []
    complete: bool = False  # whether `categories` are all that the fit saw
    mean: float | None = None  # of numbers
    salt: str | msgspec.UnsetType = msgspec.UNSET  # hexadecimal; another one for each field of each version

    @property
    def rows(self) -> int:
        """The number of rows that were counted."""
        return sum(self.counts)

    def distance(self, counts: Sequence[int]) -> float:
        """Return the population stability index of `counts`: 0 for equal shares.

        From 0.2 on the populations differ. Half a row is added to each bin, so that an empty bin
        does not make the index infinite.
        """
        old, new = _shares(self.counts), _shares(counts)
        return sum((now - then) * math.log(now / then) for then, now in zip(old, new, strict=True))

    def unseen(self, counts: Sequence[int]) -> float:
        """Return the share of rows (0 to 1) with a value that the fit did not see.

        That is another category, or a number out of the fit's range.
        """
        if not self.edges and not self.complete:
            return 0.0  # the other categories of the fit are not recorded
        outside = counts[-2] + (counts[0] if self.edges else 0)
        return outside / max(sum(counts), 1)


def hashed(text: str, salt: str) -> str:
    """Return what stands for a text in a baseline that keeps no values: a keyed BLAKE2b, in hexadecimal.

    It hides a text from who reads it, not from who has the salt beside it and tries likely ones.
    """
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, key=bytes.fromhex(salt), digest_size=HASH_BYTES).hexdigest()


def _shares(counts: Sequence[int]) -> list[float]:
    whole = sum(counts) + 0.5 * len(counts)
    return [(count + 0.5) / whole for count in counts]
