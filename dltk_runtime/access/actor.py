"""Who did something, and why, as jobs, histories and events keep it."""

from __future__ import annotations

import getpass
import os

import msgspec

from dltk_runtime.texts import printable

MAX_PERSON_CHARACTERS = 200
MAX_REASON_CHARACTERS = 500


class Actor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who did something.

    Attributes:
        owner: name of the token; of the container's own tokens the variable, `api_token` or
            `DLTK_ADMIN_TOKEN`; empty on the command line, where none is needed.
        person: who used it, as a trusted proxy says; on the command line the user of the machine.
        reason: why, as the person gave it.
        sid: id of the search in Splunk, where the request has it.
    """

    owner: str = ""
    person: str = ""
    reason: str = ""
    sid: str = ""

    def because(self, reason: str) -> Actor:
        """Return the same with a reason, cut to `MAX_REASON_CHARACTERS`, on one line."""
        return msgspec.structs.replace(self, reason=one_line(reason, MAX_REASON_CHARACTERS))


NOBODY = Actor()


def on_machine() -> Actor:
    """Return the user of this machine, for commands that work on a folder; the number of one without a name."""
    try:
        return Actor(person=getpass.getuser())
    except (KeyError, OSError):  # in a container, whose user may be any number
        return Actor(person=f"user {os.getuid()}")


def one_line(text: str, characters: int) -> str:
    """Return foreign text on one line, without control characters, cut."""
    return " ".join(printable(text[: 4 * characters]).split())[:characters]
