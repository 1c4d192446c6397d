"""What a measurement gives: medians with their spread, taken in turn, and the bar that they are held to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The median of some values with the quartiles around it."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """The spread of at least one value."""
        if len(values) < 2:
            return cls(values[0], values[0], values[0], len(values))
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high, len(values))


@dataclass(frozen=True)
class Bar:
    """What must hold: `value`, for which `text` says what it is, is at most (or, `at_least`, at least) `limit`."""

    text: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it holds."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(frozen=True)
class Figure:
    """One row of the table. `unit` is ``s``, ``1/s`` or ``MB``; what was not measured is None."""

    what: str
    unit: str
    service: Spread
    naive: Spread | None = None
    floor: Spread | None = None
    bars: tuple[Bar, ...] = ()


def in_turn(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """The values of each way, one from each in every round, in an order that turns around with each round."""
    values: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for _ in range(rounds):
        for name in names:
            values[name].append(ways[name]())
        names.reverse()
    return values


def ratio(values: dict[str, list[float]], over: str, under: str) -> float:
    """The median of the ratios of each round's pair."""
    return statistics.median(a / b for a, b in zip(values[over], values[under], strict=True))
