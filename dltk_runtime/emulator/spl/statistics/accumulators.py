"""What the functions of stats compute, value by value.

An accumulator takes values in the order of rows and can drop the oldest one, which is how
streamstats moves a window. Each step takes constant time, or logarithmic time in the size of the
window, so that any number of rows takes time in proportion. Sums are exact.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import Counter, deque
from fractions import Fraction
from typing import Any, Protocol

from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.spl.values import Value, multi, number, text, tidy

MAX_LIST_VALUES = 100  # list_maxsize in limits.conf
MAX_STREAMED_VALUES = 1_000


class Accumulator(Protocol):
    """A statistic of the values that were added and not dropped; null if it has none."""

    def add(self, value: Value) -> None: ...
    def drop(self, value: Value) -> None: ...
    def result(self) -> Value: ...


class Count:
    """The number of values."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, _: Value) -> None:
        self._count += 1

    def drop(self, _: Value) -> None:
        self._count -= 1

    def result(self) -> Value:
        return self._count


class Moments:
    """Sum, mean and spread of the numbers, from exact sums of their first two powers."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._squares = kind not in {"sum", "avg"}
        self._count, self._sum, self._square_sum = 0, Fraction(0), Fraction(0)

    def add(self, value: Value) -> None:
        self._change(value, 1)

    def drop(self, value: Value) -> None:
        self._change(value, -1)

    def _change(self, value: Value, sign: int) -> None:
        amount = number(value)
        if amount is None or not math.isfinite(amount):
            return
        exact = Fraction(amount)
        self._count += sign
        self._sum += sign * exact
        if self._squares:
            self._square_sum += sign * exact * exact

    def result(self) -> Value:
        count = self._count
        if not count:
            return None
        if self.kind in {"sum", "avg", "sumsq"}:
            total = self._square_sum if self.kind == "sumsq" else self._sum
            return _plain(total / count if self.kind == "avg" else total)
        divisor = count * (count if self.kind in {"varp", "stdevp"} else count - 1)
        variance = (count * self._square_sum - self._sum**2) / divisor if divisor else Fraction(0)
        return _plain(variance) if self.kind in {"var", "varp"} else tidy(math.sqrt(variance))


class Extreme:
    """The smallest or largest value: a number if there is any, else a text."""

    def __init__(self, kind: str) -> None:
        self._sign = -1 if kind == "max" else 1
        self._added = self._dropped = 0
        self._numbers: deque[tuple[int, float]] = deque()
        self._texts: deque[tuple[int, str]] = deque()

    def add(self, value: Value) -> None:
        amount = number(value)
        if amount is None:
            self._push(self._texts, text(value) or "")
        else:
            self._push(self._numbers, amount)
        self._added += 1

    def _push(self, queue: deque[tuple[int, Any]], value: Any) -> None:
        while queue and (queue[-1][1] >= value if self._sign > 0 else queue[-1][1] <= value):
            queue.pop()
        queue.append((self._added, value))

    def drop(self, _: Value) -> None:
        for queue in (self._numbers, self._texts):
            if queue and queue[0][0] == self._dropped:
                queue.popleft()
        self._dropped += 1

    def result(self) -> Value:
        if self._numbers:
            return tidy(self._numbers[0][1])
        return self._texts[0][1] if self._texts else None


class Range:
    """The difference of the largest and the smallest number."""

    def __init__(self) -> None:
        self._least, self._most = Extreme("min"), Extreme("max")

    def add(self, value: Value) -> None:
        if number(value) is not None:
            self._least.add(value)
            self._most.add(value)

    def drop(self, value: Value) -> None:
        if number(value) is not None:
            self._least.drop(value)
            self._most.drop(value)

    def result(self) -> Value:
        least, most = number(self._least.result()), number(self._most.result())
        return None if least is None or most is None else tidy(most - least)


class Percentile:
    """A percentile by linear interpolation between ranks; the median rounds an exact half up.

    Splunk approximates these above 1,000 distinct values; here they are exact.
    """

    def __init__(self, percent: float, *, median: bool = False) -> None:
        self._percent, self._median = percent, median
        self._pending: list[float] = []
        self._sorted: list[float] = []

    def add(self, value: Value) -> None:
        amount = number(value)
        if amount is not None:
            self._pending.append(amount)

    def drop(self, value: Value) -> None:
        amount = number(value)
        if amount is not None:
            self._merge()
            del self._sorted[bisect_left(self._sorted, amount)]

    def _merge(self) -> None:
        if len(self._pending) > 1:
            self._sorted = sorted([*self._sorted, *self._pending])
        elif self._pending:
            insort(self._sorted, self._pending[0])
        self._pending = []

    def result(self) -> Value:
        self._merge()
        if not self._sorted:
            return None
        position = self._percent / 100 * (len(self._sorted) - 1)
        below = int(position)
        above = min(below + 1, len(self._sorted) - 1)
        first, second = self._sorted[below], self._sorted[above]
        found = first + (position - below) * (second - first)
        even = len(self._sorted) % 2 == 0
        return tidy(found + 0.5 if self._median and even and found % 1 == 0.5 else found)


class Distinct:
    """Counts of distinct values: their number, the values in order of text, or the most frequent."""

    def __init__(self, kind: str, *, streamed: bool = False) -> None:
        self._kind, self._streamed = kind, streamed
        self._counts: Counter[str] = Counter()

    def add(self, value: Value) -> None:
        self._counts[text(value) or ""] += 1
        if self._streamed and self._kind == "values" and len(self._counts) > MAX_STREAMED_VALUES:
            raise SearchError(
                f"streamstats values() of more than {MAX_STREAMED_VALUES:,} distinct values runs in Splunk only"
            )

    def drop(self, value: Value) -> None:
        key = text(value) or ""
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]

    def result(self) -> Value:
        if self._kind == "dc":
            return len(self._counts)
        if self._kind == "values":
            return multi(sorted(self._counts))
        most = max(self._counts.values(), default=0)
        return min((value for value, count in self._counts.items() if count == most), default=None)


class InOrder:
    """The first, the last, or the list of the first 100 values, in the order of rows."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._values: deque[Value] = deque()

    def add(self, value: Value) -> None:
        self._values.append(value)

    def drop(self, _: Value) -> None:
        self._values.popleft()

    def result(self) -> Value:
        if not self._values:
            return None
        if self._kind == "list":
            return multi([value for value, _ in zip(self._values, range(MAX_LIST_VALUES), strict=False)])
        return self._values[0 if self._kind == "first" else -1]


class ByTime:
    """The value of the earliest or latest row; `add` takes pairs of time and value."""

    def __init__(self, kind: str) -> None:
        self._later = kind == "latest"
        self._best: tuple[float, Value] | None = None

    def add_at(self, time: float, value: Value) -> None:
        """Take a value of a row at `time`, in epoch seconds."""
        best = self._best
        if best is None or (time > best[0] if self._later else time < best[0]):
            self._best = (time, value)

    def result(self) -> Value:
        return None if self._best is None else self._best[1]


def _plain(exact: Fraction) -> Value:
    return exact.numerator if exact.denominator == 1 else tidy(float(exact))
