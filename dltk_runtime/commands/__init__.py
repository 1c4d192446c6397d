"""The commands of ``dltk``, one module each, found by their file names and imported when asked for.

A module exports ``command``. It parses, calls one function of the library, prints, and leaves with an `Exit`.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the exit code of ``dltk`` means."""

    OK = 0
    FAILED = 1  # something went wrong, and stderr says what
    USAGE = 2  # the command line itself is wrong; click's own code
    UNREACHABLE = 3  # the container did not answer
