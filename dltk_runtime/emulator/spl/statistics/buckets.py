"""``bin``: round numbers and times down to spans."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.spl import options
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.functions.times import snapped
from dltk_runtime.emulator.spl.options import natural
from dltk_runtime.emulator.spl.rows import frame_of, rows_of
from dltk_runtime.emulator.spl.values import Value, number, single, tidy
from dltk_runtime.emulator.standin.times import UNIT_SECONDS
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

_SPAN = re.compile(r"(\d+)\s*([a-z]*)")
_UNITS = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("mon", "month", "months"), "mon"),
}
_WEEKS = frozenset({"w", "week", "weeks"})


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A span of `count` units: s, m, h, d or mon. Days and months begin at midnight in UTC."""

    count: int
    unit: str

    def start(self, seconds: float) -> float:
        """Return the beginning of the span that `seconds` of the epoch lies in."""
        if self.unit == "mon":
            return snapped(datetime.fromtimestamp(seconds, UTC), "mon").timestamp()
        length = self.count * UNIT_SECONDS[self.unit]
        return seconds // length * length

    def next(self, start: float) -> float:
        """Return the beginning of the following span."""
        if self.unit != "mon":
            return start + self.count * UNIT_SECONDS[self.unit]
        return self.start(start + 32 * UNIT_SECONDS["d"])


def read_span(written: str) -> TimeSpan:
    """Read a span of time such as 30m, 1d or 120min.

    Raises:
        SearchInvalid: it has another form, or one that runs in Splunk only.
    """
    if "log" in written:
        raise SearchInvalid("logarithmic spans run in Splunk only")
    found = _SPAN.fullmatch(written.lower())
    if found is None or not int(found[1]):
        raise SearchInvalid(f"expected a span such as 5m, 1h or 1d, got {shown(written)}")
    if found[2] in _WEEKS:
        raise SearchInvalid("a span of weeks runs in Splunk only: its first day is not documented")
    unit = _UNITS.get(found[2])
    if unit is None or (unit == "mon" and int(found[1]) > 1):
        raise SearchInvalid(f"a span of {shown(written)} runs in Splunk only")
    return TimeSpan(int(found[1]), unit)


def bin_(arguments: str, _: Context) -> Step:
    """Round a field down, as in ``bin _time span=5m`` or ``bin x span=10 AS band``."""
    given, words = options.split(arguments, {"span": str, "bins": natural, "minspan": str})
    names = [unquote(word) for word in words]
    if len(names) not in {1, 3} or (len(names) == 3 and names[1].lower() != "as"):
        raise SearchInvalid("expected the name of one field, and AS before a new name")
    source, made = names[0], names[-1]
    round_down = _rounding(source, given)

    def step(frame: pd.DataFrame) -> Result:
        rows = rows_of(frame)
        place = round_down([row.get(source) for row in rows])
        kept = [row | {made: place(row.get(source))} if row.get(source) is not None else row for row in rows]
        return Result(frame_of(kept, [*frame.columns, made] if source in frame.columns else frame.columns))

    return step


def _rounding(source: str, given: dict[str, object]) -> Callable[[list[Value]], Callable[[Value], Value]]:
    """Return a function from all values of the field to the function that rounds one of them."""
    if source == "_time":
        if set(given) != {"span"}:
            raise SearchInvalid("give span=, as in bin _time span=5m: Splunk chooses it by the time range otherwise")
        span = read_span(str(given["span"]))
        return lambda _: lambda value: None if (at := number(value)) is None else tidy(span.start(at))
    if "span" in given:
        if len(given) > 1:
            raise SearchInvalid("give only one of span=, bins= and minspan=")
        written = str(given["span"])
        if "log" in written:
            raise SearchInvalid("logarithmic spans run in Splunk only")
        if not re.fullmatch(r"\d+(\.\d+)?", written) or not float(written):
            raise SearchInvalid(f"expected a number as span, got {shown(written)}")
        return lambda _: lambda value: _band(value, written)
    least = float(number(str(given.get("minspan", "1"))) or 1)
    bins = given.get("bins", 100)
    return lambda values: _band_of(_chosen(values, int(str(bins)), least))


def _band_of(written: str) -> Callable[[Value], Value]:
    return lambda value: _band(value, written)


def _chosen(values: list[Value], bins: int, least: float) -> str:
    """Return the smallest power of ten as span, from 1 on, that makes at most `bins` bins."""
    amounts = [amount for value in values if (amount := number(value)) is not None]
    if not amounts:
        return "1"
    low, high = min(amounts), max(amounts)
    if high != low and high - low < 1:
        raise SearchError("bin of a range below 1 without span= runs in Splunk only: give span=.")
    span = 1
    while span < least or math.floor(high / span) - math.floor(low / span) + 1 > bins:
        span *= 10
    return str(span)


def _band(value: Value, written: str) -> Value:
    """Return ``10-20`` for 15 and a span of 10; the span says how many decimals there are."""
    single("bin", value)
    amount, span = number(value), float(written)
    if amount is None:
        return value
    digits = len(written.partition(".")[2])
    low = math.floor(amount / span) * span
    return f"{low:.{digits}f}-{low + span:.{digits}f}"
