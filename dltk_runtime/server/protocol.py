"""Splunk's wire format (protocol 1): requests in, answers out. Used by Splunk's routes alone.

`data` is taken over as the bytes of its JSON string and never decoded here; `meta` is small.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from dltk_runtime.apply.apply import Applied
from dltk_runtime.call import Meta, Request
from dltk_runtime.errors import APPLY_DONE, NOT_APPLIED, NOT_FITTED, BodyInvalid, DltkError
from dltk_runtime.fit.queue import Submitted
from dltk_runtime.fit.training import Trained
from dltk_runtime.payload import Payload
from dltk_runtime.server.errors import MetaTooLarge
from dltk_runtime.service.register import Registered
from dltk_runtime.service.stage import Staged
from dltk_runtime.service.status import Status
from dltk_runtime.units import MIB

# In the summary, to the letter: the AI Toolkit's status page looks for it (protocol 6).
APP = "Splunk App for Data Science and Deep Learning"
OPENINGS = {"/fit": NOT_FITTED, "/apply": NOT_APPLIED}  # of errors that have none of their own
TEXT_REQUIRED = "'data' must be a text: the rows as CSV."

MAX_META_BYTES = 16 * MIB  # of `meta`, with all that comes behind the rows
MAX_META_VALUES = 1_000_000  # in `meta`: names of fields, mostly
MAX_META_CONTAINERS = 10_000  # objects and lists in `meta`, which garbage collection walks; Splunk sends about ten
MIN_HEAVY_BYTES = 1 * MIB  # of a body, from which on it is decoded in a thread
MAX_LIGHT_CONTAINERS = 1000  # beyond which it is, too

Pieces = list[bytes | memoryview]
Answer = Applied | Trained | Submitted | Staged | Registered | Status


class _Body(msgspec.Struct):
    data: msgspec.Raw
    meta: msgspec.Raw


_body = msgspec.json.Decoder(_Body)
_meta = msgspec.json.Decoder(Meta)


# ---------------------------------------------------------------- requests


def is_heavy(body: bytes | bytearray) -> bool:
    """Return whether a body takes long to decode, so that the event loop should not do it."""
    if len(body) >= MIN_HEAVY_BYTES:
        return True
    return len(body) > MAX_LIGHT_CONTAINERS and _containers(body) > MAX_LIGHT_CONTAINERS


def check_size(meta: bytes | bytearray) -> None:
    """Refuse a `meta`, or what is behind the rows, that has too many bytes.

    Raises:
        MetaTooLarge: it has.
    """
    if len(meta) > MAX_META_BYTES:
        raise MetaTooLarge(f"{MAX_META_BYTES:,} bytes")


def decode(body: bytes | bytearray) -> Request:
    """Decode the request in a body.

    Raises:
        BodyInvalid: naming the first entry that is not as Splunk sends it.
    """
    data, meta = _parse(body)
    return Request.of(Payload(data, escaped=True), meta)


def _parse(body: bytes | bytearray) -> tuple[memoryview, Meta]:
    """Return `data` as the JSON string literal that it is in the body, not copied, and `meta`."""
    try:
        parsed = _body.decode(body)
        _check(parsed.meta)
        meta = _meta.decode(parsed.meta)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _parse_leniently(body)
    data = memoryview(parsed.data)
    if data[0] != ord('"'):
        raise BodyInvalid(TEXT_REQUIRED)
    return data, meta


def _check(meta: bytes | bytearray | msgspec.Raw) -> None:
    """Refuse a `meta` that would become too many objects, before any of them is made.

    Raises:
        MetaTooLarge: naming the bound.
    """
    text = bytes(meta)
    check_size(text)
    if _containers(text) > MAX_META_CONTAINERS:
        raise MetaTooLarge(f"{MAX_META_CONTAINERS:,} objects and lists")
    if text.count(b",") > MAX_META_VALUES:
        raise MetaTooLarge(f"{MAX_META_VALUES:,} values")


def _containers(text: bytes | bytearray) -> int:
    """Return how many objects and lists a JSON text may have; brackets in strings count too."""
    return text.count(b"[") + text.count(b"{")


def _parse_leniently(body: bytes | bytearray) -> tuple[memoryview, Meta]:
    """Parse with Python's json, which accepts NaN, a byte order mark and lone surrogates.

    Here `meta` cannot be told from the rows before all is parsed, so a large body is bounded as if
    it were one.
    """
    if len(body) >= MIN_HEAVY_BYTES:
        _check(body)
    try:
        parsed = json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BodyInvalid(f"The body is not UTF-8 from byte {error.start} on.") from error
    except RecursionError as error:
        raise BodyInvalid("The body is no JSON that can be read: it is nested too deeply.") from error
    except ValueError as error:
        raise BodyInvalid(f"The body is no JSON: {error}.") from error
    if not isinstance(parsed, dict):
        raise BodyInvalid("The body must be a JSON object with 'data' and 'meta'.")
    if missing := [key for key in ("data", "meta") if key not in parsed]:
        raise BodyInvalid(f"The body lacks {' and '.join(map(repr, missing))}.")
    if not isinstance(parsed["data"], str):
        raise BodyInvalid(TEXT_REQUIRED)
    if not isinstance(parsed["meta"], dict):
        raise BodyInvalid("'meta' must be an object.")
    return memoryview(json.dumps(parsed["data"]).encode()), parsed["meta"]


# ---------------------------------------------------------------- answers


def answered(route: str, answer: Answer) -> Pieces:
    """Encode what a fit or an apply answers."""
    match answer:
        case Applied():
            return _json("success", ". WARNING: ".join([APPLY_DONE, *answer.warnings]), answer.results)
        case Trained():
            return _json("success", answer.text, answer.results)
        case Submitted():
            return _json("submitted", _submitted(answer))
        case Registered():
            return _json("registered", _registered(answer))
        case Staged():
            return _json("staged", _staged(answer))
        case Status():
            return _json("success", f"{route} done successfully", answer.results)


def failed(route: str, error: DltkError) -> Pieces:
    """Encode a failure, with the opening that people look for: ``/fit: ERROR: unable to …``."""
    return _json("error", failure(route, error.opening, error.sentence))


def fault(route: str, call: str) -> Pieces:
    """Encode a fault of the runtime itself, in the call with this id."""
    return _json("error", failure(route, "", fault_sentence(call)))


def fault_sentence(call: str) -> str:
    """Return the sentence about a fault in the call with this id."""
    return f"There is a fault in the runtime; the container's log has the traceback of request {call}."


def failure(route: str, opening: str, sentence: str) -> str:
    """Return the message of a failure; without an `opening` the route's own is used."""
    return f"{route}: ERROR: {opening or OPENINGS[route]}. {sentence}"


def summary(fields: Mapping[str, Any]) -> bytes:
    """Encode the body of ``/summary``: a JSON string that itself holds JSON."""
    return msgspec.json.encode(msgspec.json.encode(fields).decode())


def _submitted(submitted: Submitted) -> str:
    known = submitted.known_state
    state = f"was submitted before and is {known}" if known else "is queued"
    return (
        f"/fit submitted: job {submitted.job} {state}. Follow it with 'dltk jobs watch {submitted.job}'; "
        f"'| apply {submitted.name.model}' works as soon as the model has a version."
    )


def _registered(registered: Registered) -> str:
    name = registered.name
    use = f"use version {registered.number}" if registered.number else "load what the notebook's load() finds"
    text = (
        f"/fit registered: Splunk's entry for model '{name.model}' names the algorithm '{name.algorithm}', and nothing "
        f"was trained. Its applies {use}"
    )
    return ". WARNING: ".join([text, *registered.warnings])


def _staged(staged: Staged) -> str:
    aside = staged.moved_aside
    note = f" The files that were there are now {' and '.join(aside)}." if aside else ""
    return f"Model data staged successfully in {staged.csv} - no model was built yet.{note}"


def _json(status: str, message: str, results: Payload | None = None) -> Pieces:
    """Return the pieces of the JSON answer; large results are not copied."""
    opening = b'{"status":' + msgspec.json.encode(status) + b',"message":' + _text(message)
    return [opening + b"}"] if results is None else [opening + b',"results":', literal(results), b"}"]


def literal(results: Payload) -> memoryview:
    """Return results as a JSON string literal."""
    return results.view() if results.escaped else memoryview(msgspec.json.encode(str(results.view(), "utf-8")))


def _text(message: str) -> bytes:
    return msgspec.json.encode(message.encode("utf-8", "replace").decode())
