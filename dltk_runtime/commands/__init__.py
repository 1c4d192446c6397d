"""The commands of ``dltk``, one module each, found by their file names and imported when asked for.

A module exports ``command``. It parses, calls one function of the library, prints, and leaves with an `Exit`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from enum import IntEnum

import click


class Exit(IntEnum):
    """What the exit code of ``dltk`` means."""

    OK = 0
    FAILED = 1  # something went wrong, and stderr says what
    USAGE = 2  # the command line itself is wrong; click's own code
    UNREACHABLE = 3  # the container did not answer
    WARNINGS = 4  # `dltk doctor` found something to look at, and nothing that stops searches
    # of `dltk serve` and of the container; numbers as in sysexits.h
    ADDRESS = 69  # the port is taken, or the address is none of this machine's
    VOLUME = 73  # the folder for models or notebooks cannot be written
    FULL = 74  # there is no space there
    SETTING = 78  # a setting or the certificate is missing or cannot be used


class Moment(click.ParamType[float]):
    """A moment as people write it: ``2026-01-31``, ``2026-01-31T18:00`` (UTC), epoch seconds, or ``-1d@d``."""

    name = "time"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Epoch seconds."""
        from dltk_runtime.emulator.standin import NotEmulated, epoch

        if isinstance(value, float):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
            return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
        except ValueError:
            pass
        try:
            return epoch(str(value), time.time())
        except NotEmulated:
            self.fail(f"{value!r} is no time: write 2026-01-31, 2026-01-31T18:00Z, epoch seconds or -1d@d.", param, ctx)
