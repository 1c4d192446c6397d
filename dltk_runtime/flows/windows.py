"""Windows and schedules of a flow: how long windows are, and when the searches start that write them.

::

    window           a search starts       and writes
    1 to 4 minutes   every 5, 6 or 12      the windows that have ended since
    5 to 60 minutes  every window          that window: its own range of time
    2 to 12 hours    every window          the windows that have ended since, and for an hour before
    a day            once a day            the same; days begin at midnight in a stated zone

At most 12 starts an hour pass the vetting for Splunk Cloud. Splunk's ``@d`` and ``strftime`` mean
the zone of whoever owns the search, and a cron schedule that of the search head, so days are
computed from a table of the zone's offsets, and a start that shifts by an hour loses nothing.
"""

from __future__ import annotations

import hashlib
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from dltk_runtime.units import DAY_SECONDS

HOUR_MINUTES, DAY_MINUTES = 60, 1440
# Minutes between the starts of a search for windows of so many minutes.
_STARTS_OF_SHORT = {1: 5, 2: 6, 3: 6, 4: 12}
LONG = (120, 180, 240, 360, 480, 720, DAY_MINUTES)
# A start may come an hour late or early, and a day may have 23 or 25 hours, where clocks are changed.
SLACK_MINUTES = 60
FIRST_YEAR, LAST_YEAR = 2020, 2040  # of the table of offsets
# From the beginning of a day into the next one, whether the day has 23, 24 or 25 hours.
INTO_NEXT_DAY_SECONDS = 30 * 3600
# To either side of midnight, to have the offsets before and after a change of the clocks there: of 2 hours at most.
AROUND_SECONDS = 6 * 3600


def fits(interval: int) -> bool:
    """Return whether windows may be of so many minutes, when rows are stored as events."""
    return interval in _STARTS_OF_SHORT or interval in LONG or fits_a_start(interval)


def fits_a_start(interval: int) -> bool:
    """Return whether each start can write one window of so many minutes."""
    return 5 <= interval <= HOUR_MINUTES and HOUR_MINUTES % interval == 0


def period(interval: int) -> int:
    """Return the minutes between two starts of the search that writes windows of so many minutes."""
    return _STARTS_OF_SHORT.get(interval, interval)


def minute_of(name: str, interval: int) -> int:
    """Return a minute from 0 to `interval` - 1 that differs between flows, so that not all start together."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % interval


def aligned(lag: int, minute: int, interval: int) -> int:
    """Return the least lag in minutes, from `lag` on, with which runs at `minute` end at a multiple."""
    return lag + (minute - lag) % interval


def reach(interval: int) -> int:
    """Return the minutes that a start reads: the windows that it writes, whole."""
    if interval <= HOUR_MINUTES:
        return period(interval)
    return 2 * interval + SLACK_MINUTES * (2 if interval == DAY_MINUTES else 1)


def ended(interval: int) -> int:
    """Return for how many minutes back from the end of its range a start writes what has ended."""
    return period(interval) if interval <= HOUR_MINUTES else interval + SLACK_MINUTES


def windows_of_a_start(interval: int) -> int:
    """Return how many windows one start writes at most."""
    return period(interval) // interval if interval <= HOUR_MINUTES else 2


def cron(interval: int, minute: int, lag: int, zone: str) -> str:
    """Return the schedule of the search that writes windows, at `minute` of the hour."""
    if interval <= HOUR_MINUTES:
        return f"{minute}-59/{period(interval)} * * * *"
    if interval < DAY_MINUTES:
        return f"{minute} */{interval // HOUR_MINUTES} * * *"
    return f"{minute} {_hour_of_days(lag, zone)} * * *"


def _hour_of_days(lag: int, zone: str) -> int:
    """Return the hour in which the search for days starts: two hours and the lag after the latest end of a day."""
    latest = max(-offset % DAY_SECONDS for _, offset in offsets(zone)) // 3600  # in UTC
    return (latest + 2 + lag // HOUR_MINUTES) % 24


def read_at(interval: int, minute: int, lag: int, zone: str) -> str:
    """Return SPL for the start, in epoch seconds, that reads the window which ends at the field `win_end`.

    It is the first one from `lag` minutes on after that; for windows of more than an hour by the
    schedule of a search head whose zone is UTC.
    """
    if interval <= HOUR_MINUTES:
        return f"win_end+{aligned(lag, minute, period(interval)) * 60}"
    first = (minute + (HOUR_MINUTES * _hour_of_days(lag, zone) if interval == DAY_MINUTES else 0)) * 60
    return f"ceiling((win_end+{lag * 60}-{first})/{interval * 60})*{interval * 60}+{first}"


def begin(interval: int, zone: str) -> str:
    """Return SPL that turns the field `at`, epoch seconds, into the beginning of the window that it lies in.

    Where clocks are put back from one o'clock, midnight comes twice, and the day begins with the
    first: the larger of the offsets around it gives the earlier moment, and the offset then in force
    the beginning.
    """
    if interval < DAY_MINUTES or zone == "UTC":
        return f"eval at=floor(at/{interval * 60})*{interval * 60}"
    if len(known := offsets(zone)) == 1:
        return f"eval at=floor((at+{known[0][1]})/{DAY_SECONDS})*{DAY_SECONDS}-{known[0][1]}"
    midnight = f"midnight=floor((at+shift)/{DAY_SECONDS})*{DAY_SECONDS}"
    return (
        f"eval shift={_shift('at', zone)} | eval {midnight}, near=midnight-shift-{AROUND_SECONDS} "
        f"| eval shift={_shift('near', zone)} | eval near=near+{2 * AROUND_SECONDS} "
        f"| eval shift=max(shift,{_shift('near', zone)}) | eval near=midnight-shift "
        f"| eval at=midnight-{_shift('near', zone)} | fields - shift midnight near"
    )


def _shift(field: str, zone: str) -> str:
    """Return SPL for the offset, at a time in epoch seconds, of a zone that has several."""
    found = offsets(zone)
    cases = [f"{field}<{end},{offset}" for (end, _), (_, offset) in zip(found[1:], found, strict=False)]
    return f"case({','.join(cases)},{field}>={found[-1][0]},{found[-1][1]})"


@lru_cache(maxsize=16)
def offsets(zone: str) -> tuple[tuple[int, int], ...]:
    """Return the offsets of a zone: ``(first second of it, seconds east of UTC)``, oldest first."""
    return tuple(_offsets(UTC if zone == "UTC" else ZoneInfo(zone)))


def _offsets(zone: tzinfo) -> Iterator[tuple[int, int]]:
    time = int(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp())
    end = int(datetime(LAST_YEAR, 1, 1, tzinfo=UTC).timestamp())
    last = _offset(zone, time)
    yield time, last
    for later in range(time, end, DAY_SECONDS):
        now = _offset(zone, later)
        if now != last:
            low, high = later - DAY_SECONDS, later
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == last else (low, middle)
            yield high, now
            last = now


def _offset(zone: tzinfo, time: int) -> int:
    return int((datetime.fromtimestamp(time, zone).utcoffset() or timedelta()).total_seconds())


def known(zone: str) -> bool:
    """Return whether the machine's time zone database has the zone; UTC needs none."""
    if zone == "UTC":
        return True
    try:
        ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
