"""Results of commands: rows, and messages as Splunk shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from dltk_runtime.errors import DltkError


class MessageLevel(StrEnum):
    """Severity of a message, as Splunk writes it."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class SearchMessage:
    """One message of a search; `error` is its cause if it was raised on this side."""

    level: MessageLevel
    text: str
    error: DltkError | None = None

    def __str__(self) -> str:
        return f"{self.level} {self.text}"


@dataclass(frozen=True, slots=True)
class Result:
    """Rows and messages of one command."""

    frame: pd.DataFrame
    messages: tuple[SearchMessage, ...] = ()


def info(text: str) -> SearchMessage:
    """Make an INFO message."""
    return SearchMessage(MessageLevel.INFO, text)


def warn(text: str) -> SearchMessage:
    """Make a WARN message."""
    return SearchMessage(MessageLevel.WARN, text)


def failed(error: DltkError) -> SearchMessage:
    """Make an ERROR message from an exception."""
    return SearchMessage(MessageLevel.ERROR, error.sentence, error)


def once(messages: Iterable[SearchMessage]) -> tuple[SearchMessage, ...]:
    """Remove repeated messages, which an apply in chunks yields, and keep the order."""
    first: dict[tuple[MessageLevel, str], SearchMessage] = {}
    for each in messages:
        first.setdefault((each.level, each.text), each)
    return tuple(first.values())


def has_errors(messages: Iterable[SearchMessage]) -> bool:
    """Return whether any message is an error, which means that a fit or apply failed."""
    return any(message.level is MessageLevel.ERROR for message in messages)
