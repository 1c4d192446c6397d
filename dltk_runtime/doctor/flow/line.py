"""One line of the examination of an installed flow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What a line says, in ascending order."""

    OK = "ok"
    UNKNOWN = "unknown"  # it could not be read
    WARNING = "warning"  # works, but not as intended or not for long
    RED = "red"  # searches fail, or do not run


@dataclass(frozen=True, slots=True)
class Line:
    """What was found, where it was looked for, and what to do; `cure` may be empty."""

    state: State
    check: str
    text: str
    where: str
    cure: str = ""


def ok(check: str, text: str, where: str) -> Line:
    """Make a line without a problem."""
    return Line(State.OK, check, text, where)


def unknown(check: str, text: str, where: str, cure: str = "") -> Line:
    """Make a line for what could not be read."""
    return Line(State.UNKNOWN, check, text, where, cure)


def warning(check: str, text: str, where: str, cure: str) -> Line:
    """Make a line of state warning."""
    return Line(State.WARNING, check, text, where, cure)


def red(check: str, text: str, where: str, cure: str) -> Line:
    """Make a line of state red."""
    return Line(State.RED, check, text, where, cure)


def worst(lines: Iterable[Line]) -> State:
    """Return the highest state among the lines."""
    order = list(State)
    return max((line.state for line in lines), key=order.index, default=State.OK)
