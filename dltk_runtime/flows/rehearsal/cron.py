"""Cron schedules as Splunk writes them: when a search starts. In UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dltk_runtime.errors import shown
from dltk_runtime.flows.errors import FlowInvalid

_PART = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
MINUTE = 60


@dataclass(frozen=True, slots=True)
class Cron:
    """The values that minute, hour, day of month, month and day of week (0 is Sunday) may have."""

    fields: tuple[frozenset[int], ...]
    any_day: tuple[bool, bool]  # whether day of month and day of week are `*`

    def starts(self, begin: float, end: float) -> Iterator[float]:
        """Epoch seconds of every start from `begin` on and before `end`."""
        moment = -(-begin // MINUTE) * MINUTE
        while moment < end:
            if self.at(moment):
                yield moment
            moment += MINUTE

    def at(self, moment: float) -> bool:
        """Whether it starts in this minute. When both days are restricted, either is enough, as in cron."""
        time = datetime.fromtimestamp(moment, UTC)
        minute, hour, day, month, weekday = self.fields
        days = (time.day in day, (time.weekday() + 1) % 7 in weekday)
        right_day = all(days) if any(self.any_day) else any(days)
        return time.minute in minute and time.hour in hour and time.month in month and right_day


def parse(text: str) -> Cron:
    """Read ``2-59/5 * * * *``.

    Raises:
        FlowInvalid: it is no schedule.
    """
    parts = text.split()
    if len(parts) != len(_RANGES):
        raise FlowInvalid(f"the schedule {shown(text)} must have five fields")
    fields = tuple(_values(part, low, high, text) for part, (low, high) in zip(parts, _RANGES, strict=True))
    return Cron(fields, (parts[2] == "*", parts[4] == "*"))


def _values(field: str, low: int, high: int, text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise FlowInvalid(f"the schedule {shown(text)} cannot be read at {shown(part)}")
        first, last, step = match.groups()
        begin = int(first) if first else low
        end = int(last) if last else high if not first or step else begin
        if not (low <= begin <= end <= high or (high == 6 and end == 7)):
            raise FlowInvalid(f"the schedule {shown(text)} has {shown(part)}, beyond {low} to {high}")
        found.update(value % 7 if high == 6 else value for value in range(begin, end + 1, int(step or 1)))
    return frozenset(found)
