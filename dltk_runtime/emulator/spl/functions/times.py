"""Functions of time. All of them are in UTC, as `dltk search` is."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl.functions.function import Function
from dltk_runtime.emulator.spl.values import Value, number, text, tidy
from dltk_runtime.emulator.standin.times import UNIT_SECONDS
from dltk_runtime.errors import shown

_CODE = re.compile(r"%(\d?[A-Za-z%])")
# Codes that Splunk and Python's strftime write alike in UTC, and those that are written here.
_ALIKE = frozenset("YymdHMSbBaAjpIwVG%")
_SAME_AS = {"T": "%H:%M:%S", "F": "%Y-%m-%d", "D": "%m/%d/%y"}
_DATE_CODES = ({"Y", "y"}, {"m", "b", "B"}, {"d", "e"})
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("w", "week", "weeks"), "w"),
    **dict.fromkeys(("mon", "month", "months"), "mon"),
    **dict.fromkeys(("q", "qtr", "qtrs", "quarter", "quarters"), "q"),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), "y"),
}
_MONTHS = {"mon": 1, "q": 3, "y": 12}
_PART = re.compile(r"(?P<shift>[+-]\d*[a-z]+)|@(?P<snap>[a-z]+[0-7]?)")


def _strftime(moment: Value, form: Value) -> Value:
    seconds = number(moment)
    return None if seconds is None else format_time(seconds, text(form) or "")


def format_time(seconds: float, form: str) -> str:
    """Format epoch seconds in UTC.

    Raises:
        SearchInvalid: `form` has a code that runs in Splunk only.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    return _CODE.sub(lambda code: _written(code[1], moment, form), form)


def _written(code: str, moment: datetime, form: str) -> str:
    if code in _SAME_AS or code in _ALIKE:
        return moment.strftime(_SAME_AS.get(code, f"%{code}"))
    if code[-1] in "NQ":
        digits = int(code[0]) if code[0].isdigit() else 3
        return f"{moment.microsecond:06d}"[:digits].ljust(digits, "0")
    made = {
        "e": f"{moment.day:2d}",
        "k": f"{moment.hour:2d}",
        "s": str(int(moment.timestamp())),
        "Z": "UTC",
        "z": "+0000",
    }
    if code not in made:
        raise SearchInvalid(f"the code %{code} in the time format {shown(form)} runs in Splunk only")
    return made[code]


def _strptime(written: Value, form: Value) -> Value:
    try:
        moment = datetime.strptime(text(written) or "", _parsing(text(form) or ""))  # noqa: DTZ007 - UTC if it has no zone
    except ValueError:
        return None
    return f"{(moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp():.6f}"


@lru_cache
def _parsing(form: str) -> str:
    """Translate a format of strptime() to Python's; it must have a year, a month and a day."""
    plain = _CODE.sub(lambda code: _SAME_AS.get(code[1], code[0]), form)
    codes = {code[1] for code in _CODE.finditer(plain)}
    for code in codes:
        if code not in _ALIKE | {"e", "k", "z", "Z"} and code[-1] not in "NQ":
            raise SearchInvalid(f"the code %{code} in the time format {shown(form)} runs in Splunk only")
    if not all(codes & wanted for wanted in _DATE_CODES):
        raise SearchInvalid(f"the time format {shown(form)} has no year, month and day: Splunk takes today's")
    same = {"e": "%d", "k": "%H"}
    return _CODE.sub(lambda code: "%f" if code[1][-1] in "NQ" else same.get(code[1], code[0]), plain)


def _check_strptime(arguments: Sequence[Any]) -> None:
    if arguments[1].literal is not None:
        _parsing(arguments[1].literal)


def _check_strftime(arguments: Sequence[Any]) -> None:
    if arguments[1].literal is not None:
        format_time(0, arguments[1].literal)


def _relative_time(moment: Value, modifier: Value) -> Value:
    seconds = number(moment)
    return None if seconds is None else tidy(shifted(seconds, text(modifier) or ""))


def shifted(seconds: float, modifier: str) -> float:
    """Shift and snap epoch seconds, as in ``-1d@d+3h``, in UTC.

    Raises:
        SearchInvalid: `modifier` has another form.
    """
    if not modifier or _PART.sub("", modifier):
        raise SearchInvalid(f"{shown(modifier)} is no time modifier such as -1d@d or @w1")
    moment = datetime.fromtimestamp(seconds, UTC)
    for part in _PART.finditer(modifier):
        moment = snapped(moment, part["snap"]) if part["snap"] else _moved(moment, part["shift"])
    return moment.timestamp()


def _moved(moment: datetime, shift: str) -> datetime:
    found = re.fullmatch(r"([+-])(\d*)([a-z]+)", shift)
    unit = _UNITS.get(found[3]) if found else None
    if found is None or unit is None:
        raise SearchInvalid(f"{shown(shift)} has no unit of time that runs here")
    count = int(found[2] or 1) * (-1 if found[1] == "-" else 1)
    if unit not in _MONTHS:
        return moment + timedelta(seconds=count * UNIT_SECONDS[unit])
    year, month = divmod(moment.year * 12 + moment.month - 1 + count * _MONTHS[unit], 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def snapped(moment: datetime, snap: str) -> datetime:
    """Round down to a unit such as ``h``, ``d``, ``mon``, or to a day of the week, ``w0`` to ``w7``."""
    unit = _UNITS.get(snap.rstrip("01234567"))
    if unit is None or (unit != "w" and snap[-1].isdigit()):
        raise SearchInvalid(f"{shown('@' + snap)} is no unit of time that runs here")
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "w":
        day = int(snap[-1]) % 7 if snap[-1].isdigit() else 0  # 0 is Sunday
        return midnight - timedelta(days=(moment.isoweekday() - day) % 7)
    if unit in _MONTHS:
        month = (moment.month - 1) // _MONTHS[unit] * _MONTHS[unit] + 1
        return midnight.replace(month=month, day=1)
    seconds = moment.timestamp()
    return datetime.fromtimestamp(seconds // UNIT_SECONDS[unit] * UNIT_SECONDS[unit], UTC)


def clock_functions(clock: Callable[[], float]) -> Mapping[str, Function]:
    """Return the functions that read the time of the search."""
    return {
        "now": Function(lambda: tidy(int(clock())), 0, 0, form="now()"),
        "time": Function(lambda: tidy(clock()), 0, 0, form="time()"),
    }


TIMES: Mapping[str, Function] = {
    "relative_time": Function(_relative_time, 2, 2, kinds="nt", form='relative_time(time, "modifier")'),
    "strftime": Function(_strftime, 2, 2, kinds="vt", form='strftime(time, "format")', check=_check_strftime),
    "strptime": Function(_strptime, 2, 2, kinds="vt", form='strptime(text, "format")', check=_check_strptime),
}
