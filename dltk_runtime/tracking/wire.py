"""The messages between the front and the helper process: one JSON object a line, both ways."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dltk_runtime.tracking.facts import TrackingLine


class SendOutcome(StrEnum):
    """What became of a message."""

    DONE = "done"
    LATER = "later"  # the server is not there, or not able: send it again
    REFUSED = "refused"  # the server will never take it


class Hello(msgspec.Struct, frozen=True):
    """The first line to the helper: variables with secrets, which its environment must not show.

    It is kept from reading `hidden`: what it sends lies where notebooks can write.
    """

    variables: dict[str, str]
    hidden: list[str] = []


class Ask(msgspec.Struct, frozen=True):
    """Send one thing. Those with `now` do not wait for those without."""

    number: int
    root: str  # the folder of tracking
    line: TrackingLine
    now: bool = False


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of it; `alive` says of one for later whether the server answers at all."""

    number: int
    outcome: SendOutcome
    run: str = ""
    experiment: str = ""
    error: str = ""
    alive: bool = False
