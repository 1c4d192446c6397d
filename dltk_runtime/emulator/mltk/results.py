"""What a command hands to the next one: rows, and messages as Splunk shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from dltk_runtime.errors import DltkError


class MessageLevel(StrEnum):
    """How Splunk marks a message."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class SearchMessage:
    """One message below the search bar; `error` is what lies behind it, where this side raised."""

    level: MessageLevel
    text: str
    error: DltkError | None = None

    def __str__(self) -> str:
        return f"{self.level} {self.text}"


@dataclass(frozen=True, slots=True)
class Result:
    """The rows behind a command, and what it had to say."""

    frame: pd.DataFrame
    messages: tuple[SearchMessage, ...] = ()


def info(text: str) -> SearchMessage:
    return SearchMessage(MessageLevel.INFO, text)


def warn(text: str) -> SearchMessage:
    return SearchMessage(MessageLevel.WARN, text)


def failed(error: DltkError) -> SearchMessage:
    return SearchMessage(MessageLevel.ERROR, error.sentence, error)


def once(messages: Iterable[SearchMessage]) -> tuple[SearchMessage, ...]:
    """`messages` in order, each text once: an apply in chunks says the same for every chunk."""
    first: dict[tuple[MessageLevel, str], SearchMessage] = {}
    for each in messages:
        first.setdefault((each.level, each.text), each)
    return tuple(first.values())


def broken(messages: Iterable[SearchMessage]) -> bool:
    """Whether any message is an error: the search succeeded, its fit or apply did not."""
    return any(message.level is MessageLevel.ERROR for message in messages)
