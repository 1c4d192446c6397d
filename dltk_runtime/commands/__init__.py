"""The commands of ``dltk``: one module per command, found by file name and imported on demand.

A module exports ``command``, which parses, calls one function of the library, prints the result
and exits with an `Exit` code.
"""

from __future__ import annotations

import contextlib
import math
import time
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

import click


class Exit(IntEnum):
    """The exit codes of ``dltk``."""

    OK = 0
    FAILED = 1  # stderr has the cause
    USAGE = 2  # invalid command line; click's own code
    UNREACHABLE = 3  # the container did not answer
    WARNINGS = 4  # `dltk doctor` found warnings and no errors
    # Of `dltk serve` and the container, with the numbers of sysexits.h.
    ADDRESS = 69  # the port is in use, or the address is not of this machine
    VOLUME = 73  # the models' or notebooks' folder is not writable
    FULL = 74  # no space in that folder
    SETTING = 78  # a setting or the certificate is missing or invalid


class Moment(click.ParamType[float]):
    """A point in time: ``2026-01-31``, ``2026-01-31T18:00`` (UTC), epoch seconds, or ``-1d@d``."""

    name = "time"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert to epoch seconds."""
        from dltk_runtime.emulator.standin import NotEmulated

        try:
            found = value if isinstance(value, float) else _seconds(str(value))
            datetime.fromtimestamp(found, UTC)
            return found
        except (NotEmulated, ValueError, OverflowError):
            self.fail(
                f"Invalid time {value!r}: expected 2026-01-31, 2026-01-31T18:00Z, epoch seconds or -1d@d.", param, ctx
            )


class Number(click.FloatRange):
    """A finite number in a range; click takes nan for one of every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert to float."""
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value} is no number.", param, ctx)
        return found


def _seconds(text: str) -> float:
    """Read a time; one in ISO 8601 that names no zone is UTC.

    Raises:
        NotEmulated, ValueError, OverflowError: it is none.
    """
    from dltk_runtime.emulator.standin import epoch

    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    return epoch(text, time.time())
