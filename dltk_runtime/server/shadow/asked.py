"""What a kept request asked for, and what the old container answered: decoded once it is our turn."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from dltk_runtime.access.actor import one_line
from dltk_runtime.call import Request
from dltk_runtime.errors import DltkError
from dltk_runtime.files.records import decoded
from dltk_runtime.names import MAX_NAME_LENGTH
from dltk_runtime.notebook.parameters import RUNTIME_MODES
from dltk_runtime.payload import NO_ROWS
from dltk_runtime.server import protocol
from dltk_runtime.server.shadow.kept import KeptRequest
from dltk_runtime.shadow.record import ERROR, SUCCESS

NO_ANSWER = "no answer"
UNREADABLE = "no JSON"
REPEATED_MODEL = "dltk_shadow_repeat"  # that the old container fits a second time, beside the search's own
Named = tuple[str, str]  # the algorithm and model of a request; an apply need not name the algorithm: then ""


class _Reply(msgspec.Struct):
    status: str
    results: msgspec.Raw = msgspec.Raw(b"")


class _Sent(msgspec.Struct):
    data: msgspec.Raw
    meta: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OldAnswer:
    """An answer of the old container: its outcome and, on success, its results as a JSON string literal."""

    outcome: str
    results: bytes = b""

    @classmethod
    def of(cls, status: int, body: bytes) -> Self:
        """Read an answer; `status` is 0 where there was none."""
        if status != 200:
            return cls(f"HTTP {status}" if status else NO_ANSWER)
        try:
            reply = decoded(body, _Reply)
        except msgspec.DecodeError:
            return cls(UNREADABLE)
        results = bytes(reply.results)
        if reply.status == SUCCESS and results.startswith(b'"'):
            return cls(SUCCESS, results)
        return cls(ERROR if reply.status in (SUCCESS, ERROR) else reply.status[:20])


@dataclass(frozen=True, slots=True)
class ShadowRequest:
    """A request that is to be answered here too, and the old container's answer."""

    request: Request
    rows: int
    old: OldAnswer

    @classmethod
    def of(cls, kept: KeptRequest) -> Self:
        """Decode what was kept. The request has no session key any more.

        Raises:
            DltkError: it is not what Splunk sends.
        """
        request = protocol.decode(kept.sent())
        rows = max(bytes(request.rows.view()).count(b"\\n") - 1, 0)
        return cls(request, rows, OldAnswer.of(kept.status if kept.answered else 0, kept.answer()))

    def trains_nothing(self, route: str) -> bool:
        """Return whether it is a fit that no model comes of, or none before its answer."""
        return route == "/fit" and self.request.mode in (*RUNTIME_MODES, "async")


def named(request: Request) -> Named:
    """Return the algorithm and model that a request names, as they are kept: no name of ours is longer."""
    return one_line(request.algorithm or "", MAX_NAME_LENGTH), one_line(request.model, MAX_NAME_LENGTH)


def repeated(route: str, body: bytes) -> bytes:
    """Return the body to send to the old container once more; a fit goes into a model of its own.

    Raises:
        ValueError: it is not what Splunk sends.
    """
    if route != "/fit":
        return body
    sent = decoded(body, _Sent)
    sent.meta.setdefault("options", {})["model_name"] = REPEATED_MODEL
    return msgspec.json.encode(sent)


def model_in(tail: bytes) -> Named | None:
    """Return what the end of a request names, of which the rows were not kept; None if unknown."""
    at = tail.rfind(b'"meta"')
    if at < 0:
        return None
    try:
        text = tail[at:].decode().partition(":")[2].lstrip()
        meta, _ = json.JSONDecoder().raw_decode(text)
        return named(Request.of(NO_ROWS, meta))
    except (ValueError, AttributeError, DltkError, RecursionError):
        return None
