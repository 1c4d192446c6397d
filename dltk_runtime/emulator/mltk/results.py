"""What a command hands to the next one: rows, and messages as Splunk shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from dltk_runtime.errors import DltkError


class Level(StrEnum):
    """How Splunk marks a message."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Message:
    """One message below the search bar; `error` is what lies behind it, where this side raised."""

    level: Level
    text: str
    error: DltkError | None = None

    def __str__(self) -> str:
        return f"{self.level} {self.text}"


@dataclass(frozen=True, slots=True)
class Result:
    """The rows behind a command, and what it had to say."""

    frame: pd.DataFrame
    messages: tuple[Message, ...] = ()


def info(text: str) -> Message:
    return Message(Level.INFO, text)


def warn(text: str) -> Message:
    return Message(Level.WARN, text)


def failed(error: DltkError) -> Message:
    return Message(Level.ERROR, error.sentence, error)


def once(messages: Iterable[Message]) -> tuple[Message, ...]:
    """`messages` in order, each text once: an apply in chunks says the same for every chunk."""
    first: dict[tuple[Level, str], Message] = {}
    for each in messages:
        first.setdefault((each.level, each.text), each)
    return tuple(first.values())


def broken(messages: Iterable[Message]) -> bool:
    """Whether any message is an error: the search succeeded, its fit or apply did not."""
    return any(message.level is Level.ERROR for message in messages)
