"""The starts of a cron schedule as Splunk writes it, in UTC."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise, takewhile

from cronsim import CronSim, CronSimError

from dltk_runtime.errors import shown
from dltk_runtime.flows.errors import FlowInvalid

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))  # minute, hour, day of month, month, day of week (0: Sunday)
_NUMERIC = re.compile(r"[\d*,/-]+")  # without the names, `L` and `#` that cronsim reads and Splunk does not document
_STEP = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)/(\d+)")


def starts(schedule: str, begin: float, end: float) -> Iterator[float]:
    """Return every start from `begin` on and before `end`, in epoch seconds.

    When day of month and day of week are both restricted, either is enough.

    Raises:
        FlowInvalid: `schedule` is not a valid cron schedule.
    """
    fields = schedule.split()
    if len(fields) != len(_RANGES):
        raise FlowInvalid(f"the schedule {shown(schedule)} must have five fields")
    for field in fields:
        if not _NUMERIC.fullmatch(field):
            raise FlowInvalid(f"the schedule {shown(schedule)} cannot be read at {shown(field)}")
    explicit = " ".join(_without_open_steps(*field) for field in zip(fields, _RANGES, strict=True))
    try:
        moments = CronSim(explicit, datetime.fromtimestamp(math.ceil(begin) - 1, UTC))
    except CronSimError as error:
        raise FlowInvalid(f"the schedule {shown(schedule)} cannot be read: {error}") from error
    return takewhile(lambda moment: moment < end, (moment.timestamp() for moment in moments))


@lru_cache(maxsize=256)
def longest_pause(schedule: str, begin: float, end: float) -> float:
    """Return the longest time between two starts of a period, in seconds; 0 where there are fewer than two.

    Raises:
        FlowInvalid: `schedule` is not a valid cron schedule.
    """
    return max((later - one for one, later in pairwise(starts(schedule, begin, end))), default=0.0)


def _without_open_steps(field: str, limits: tuple[int, int]) -> str:
    """Return the field with steps such as ``*/2`` and ``5/2`` as ranges: ``0-59/2``, ``5-59/2``.

    cronsim differs from what we assume of Splunk in three points: ``*/2`` in a field of days is no
    restriction, a range of one value has no end, and a step in the day of week reaches 7.
    """

    parts = ((part, _STEP.fullmatch(part)) for part in field.split(","))
    return ",".join(_as_range(step, *limits) if step else part for part, step in parts)


def _as_range(step: re.Match[str], low: int, high: int) -> str:
    begin, end, every = int(step[1] or low), int(step[2] or high), int(step[3])
    return str(begin) if begin == end and every else f"{begin}-{end}/{every}"
