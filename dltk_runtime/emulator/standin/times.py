"""Splunk's time modifiers, resolved at a given moment. All in UTC: days begin at midnight there."""

from __future__ import annotations

import re
from datetime import datetime

from dltk_runtime.emulator.standin.refusal import NotEmulated

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONG = {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("week", "weeks"), "w"),
}
_RELATIVE = re.compile(r"(?:(?P<sign>[+-])(?P<count>\d*)(?P<unit>[a-z]+))?(?:@(?P<snap>[a-z]+))?")
_FIRST_DAY_OF_WEEK = 3  # 1970-01-01 was a Thursday, and Splunk's weeks begin on Sunday


def epoch(modifier: str | float, now: float) -> float:
    """Epoch seconds of ``-15m@m``, ``now``, ``@d``, ``1700000000`` or an ISO 8601 time; `now` is the moment it is said.

    An empty modifier is 0, the beginning of all time, as for Splunk's ``earliest``.

    Raises:
        NotEmulated: another form, such as ``@mon``, ``@w1``, ``-1d@d+3h`` or ``rt``.
    """
    text = str(modifier).strip()
    if text in ("", "0"):
        return 0.0
    if text in ("now", "now()"):
        return now
    for read in (float, lambda each: datetime.fromisoformat(each).timestamp()):
        try:
            return float(read(text))
        except ValueError:
            continue
    return _relative(text, now)


def _relative(text: str, now: float) -> float:
    found = _RELATIVE.fullmatch(text.lower())
    if not found:
        raise NotEmulated(f"the time modifier {text!r}", "Use forms such as -15m@m, @d, now or epoch seconds.")
    moment = now
    if found["sign"]:
        count = int(found["count"] or 1) * _seconds(found["unit"], text)
        moment += count if found["sign"] == "+" else -count
    return _snapped(moment, _seconds(found["snap"], text)) if found["snap"] else moment


def _seconds(unit: str, text: str) -> int:
    try:
        return UNIT_SECONDS[_LONG.get(unit, unit)]
    except KeyError:
        raise NotEmulated(f"the unit {unit!r} in the time modifier {text!r}", "Use s, m, h, d or w.") from None


def _snapped(moment: float, span: int) -> float:
    shift = (_FIRST_DAY_OF_WEEK + 1) * UNIT_SECONDS["d"] if span == UNIT_SECONDS["w"] else 0
    return (moment + shift) // span * span - shift
