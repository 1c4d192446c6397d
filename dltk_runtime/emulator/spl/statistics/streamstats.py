"""``streamstats``: statistics over the rows so far, or over a window of them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence

import pandas as pd

from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.spl import expressions
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.options import flag, whole
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.statistics.accumulators import Accumulator
from dltk_runtime.emulator.spl.statistics.aggregation import Aggregate, Aggregation, Key, parse_aggregation
from dltk_runtime.emulator.spl.values import Fields, Value, number, text
from dltk_runtime.emulator.standin.times import UNIT_SECONDS

MAX_WINDOW_ROWS = 10_000  # max_stream_window in limits.conf


def streamstats(arguments: str, context: Context) -> Step:
    """Add the columns of ``stats`` over the rows so far; see `_READERS` for the options."""
    wanted = parse_aggregation(arguments, context.eval_functions(), _READERS, streamed=True)
    window = int(wanted.options.get("window", 0) or 0)  # type: ignore[call-overload]
    if window > MAX_WINDOW_ROWS:
        raise SearchInvalid(f"window= is at most {MAX_WINDOW_ROWS:,} rows")
    resets = [_condition(wanted, name, context) for name in ("reset_before", "reset_after")]

    def step(frame: pd.DataFrame) -> Result:
        rows = rows_of(frame)
        if "time_window" in wanted.options:
            _check_order(rows)
        aggregates = wanted.resolve(frame.columns)
        stream = _Stream(wanted, aggregates, window)
        made = [_streamed(stream, row, resets) for row in rows]
        return Result(frame_of(made, [*frame.columns, *(each.name for each in aggregates)]))

    return step


def _streamed(stream: _Stream, row: Row, resets: Sequence[Callable[[Fields], Value] | None]) -> Row:
    before, after = resets
    if before is not None and before(row) is True:
        stream.reset()
    made = stream.take(row)
    if after is not None and after(row) is True:
        stream.reset()
    return made


class _Stream:
    """The state of one streamstats: per group, the accumulators and the rows in their window."""

    def __init__(self, wanted: Aggregation, aggregates: tuple[Aggregate, ...], window: int) -> None:
        self._wanted, self._aggregates, self._window = wanted, aggregates, window
        given = wanted.options
        self._current = bool(given.get("current", True))
        self._shared = bool(given.get("global", True)) and bool(wanted.by)
        self._on_change = bool(given.get("reset_on_change", False))
        self._seconds = given.get("time_window")
        self.reset()

    def reset(self) -> None:
        self._groups: dict[Key, _Group] = {}
        self._recent: deque[Key] = deque()
        self._last: Key | None = None

    def take(self, row: Row) -> Row:
        keys = self._wanted.keys(row)
        if len(keys) > 1:
            raise SearchError("streamstats BY a field with several values runs in Splunk only.")
        if not keys:
            return row
        (key,) = keys
        if self._on_change and self._last is not None and key != self._last:
            self.reset()
        self._last = key
        group = self._groups.setdefault(key, _Group(self._aggregates))
        if not self._current:
            self._forget(group, row)
            before = group.results()
        group.add(row)
        self._limit(key, group, row)
        return row | (group.results() if self._current else before)

    def _limit(self, key: Key, group: _Group, row: Row) -> None:
        """Drop what left the window; without `current` the window ends before the next row."""
        if self._window and self._shared:
            self._recent.append(key)
            if len(self._recent) > self._window:
                self._groups[self._recent.popleft()].drop()
        elif self._window and len(group) > self._window:
            group.drop()
        if self._current:
            self._forget(group, row)

    def _forget(self, group: _Group, row: Row) -> None:
        if self._seconds is not None:
            now = number(row.get("_time")) or 0
            while len(group) and abs(now - (number(group.oldest.get("_time")) or 0)) >= float(str(self._seconds)):
                group.drop()


class _Group:
    """The rows of one group in the window, and an accumulator per column."""

    def __init__(self, aggregates: tuple[Aggregate, ...]) -> None:
        self._parts: list[tuple[Aggregate, Accumulator]] = [(each, each.make()) for each in aggregates]  # type: ignore[misc]
        self._rows: deque[Row] = deque()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def oldest(self) -> Row:
        return self._rows[0]

    def add(self, row: Row) -> None:
        self._rows.append(row)
        for aggregate, made in self._parts:
            for value in aggregate.values(row):
                made.add(value)

    def drop(self) -> None:
        row = self._rows.popleft()
        for aggregate, made in self._parts:
            for value in aggregate.values(row):
                made.drop(value)

    def results(self) -> Row:
        return {aggregate.name: made.result() for aggregate, made in self._parts}


def _condition(wanted: Aggregation, name: str, context: Context) -> Callable[[Fields], Value] | None:
    written = wanted.options.get(name)
    if written is None:
        return None
    return expressions.parse_condition(str(written).strip("()"), context.eval_functions()).evaluate


def _seconds(value: str) -> float:
    found = re.fullmatch(r"(\d+)([smhd])?", value)
    if found is None or not int(found[1]):
        raise SearchInvalid(f"expected a duration such as 15m, got {value!r}")
    return float(int(found[1]) * UNIT_SECONDS[found[2] or "s"])


def _check_order(rows: Sequence[Row]) -> None:
    times = [number(row.get("_time")) for row in rows]
    known = [time for time in times if time is not None]
    if len(known) < len(times) or known not in (sorted(known), sorted(known, reverse=True)):
        raise SearchInvalid("time_window= is for rows sorted by _time, in either direction", "streamstats")


def _not_allnum(value: str) -> bool:
    if flag(value):
        raise SearchInvalid("allnum=t runs in Splunk only")
    return False


def _expression(value: str) -> str:
    return text(value) or ""


_READERS = {
    "allnum": _not_allnum,
    "current": flag,
    "global": flag,
    "reset_after": _expression,
    "reset_before": _expression,
    "reset_on_change": flag,
    "time_window": _seconds,
    "window": whole,
}
