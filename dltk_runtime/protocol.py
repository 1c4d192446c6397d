"""Splunk's wire format and all its quirks (protocol 1): requests in, answers out, names checked.

`data` is taken over as the bytes of its JSON string and never decoded here; `meta` is small.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dltk_runtime.errors import NOT_APPLIED, NOT_FITTED, BodyInvalid, DltkError, shown
from dltk_runtime.files.memory import MemoryFile
from dltk_runtime.texts import unquote

DEFAULT_MODEL = "default"  # the name of a model fitted without `into`
SCHEMES = ("", "Bearer ", "Splunk ")
OPENINGS = {"/fit": NOT_FITTED, "/apply": NOT_APPLIED}  # of errors that have none of their own
DEEPEST = 100  # levels of objects and lists in `meta`; Splunk sends four
_SECRET = re.compile("session_?key", re.IGNORECASE)  # in `options`, in older versions in `search_info` (protocol 1.1)

_NO_TEXT = "'data' must be a text: the rows as CSV."

Meta = dict[str, Any]
Data = memoryview | MemoryFile


class _Body(msgspec.Struct):
    data: msgspec.Raw
    meta: Meta


_body = msgspec.json.Decoder(_Body)


@dataclass(frozen=True, slots=True)
class Request:
    """A fit or an apply as it was sent, but for session keys.

    Names are not yet validated. `data` is a JSON string literal or, when `plain`, the CSV itself.
    """

    data: Data
    meta: Meta
    algorithm: str | None
    model: str
    parameters: dict[str, str]
    plain: bool = False

    @property
    def meta_json(self) -> bytes:
        """`meta` for a worker: Python's own JSON, which keeps what others refuse (NaN, integers of any size)."""
        return json.dumps(self.meta).encode()

    @property
    def staging(self) -> bool:
        """Whether `mode=stage` asks to put the data beside the notebooks (fit only)."""
        return unquote(self.parameters.get("mode", "")) == "stage"

    @property
    def targets(self) -> list[str]:
        """The target's name in a list, or nothing."""
        targets = self.meta.get("target_variables")
        return [str(each) for each in targets] if isinstance(targets, list) else []


def token_matches(header: str, token: str) -> bool:
    """Whether an Authorization header carries `token`, alone or behind ``Bearer`` or ``Splunk``.

    Every form is compared whole, in a time that does not depend on where they differ.
    """
    given = header.encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(given, (scheme + token).encode()) for scheme in SCHEMES]
    return bool(token) and any(matches)


def decode(body: bytes | bytearray) -> Request:
    """The request in a body.

    Raises:
        BodyInvalid: naming the first thing that is not as Splunk sends it.
    """
    return request_of(*_parse(body))


def request_of(data: Data, sent: Meta, *, plain: bool = False) -> Request:
    """The request that `data`, a JSON string literal or `plain` CSV, and the `meta` sent with it make.

    Raises:
        BodyInvalid: as `decode` does.
    """
    meta = without_secrets(sent)  # first of all, so that no text made of it can hold one
    options = _object(meta, "options", "meta.options")
    parameters = _object(options, "params", "meta.options.params")
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in parameters.items()}
    return Request(
        data=data,
        meta=meta,
        algorithm=_name(parameters.get("algo"), "meta.options.params.algo"),
        model=_name(options.get("model_name"), "meta.options.model_name") or DEFAULT_MODEL,
        parameters=texts,
        plain=plain,
    )


def without_secrets(meta: Meta) -> Meta:
    """`meta` without Splunk's session keys, wherever they are.

    Raises:
        BodyInvalid: it is nested deeper than anything that a search sends.
    """
    return {key: _without_secrets(value, 1) for key, value in meta.items() if not _SECRET.fullmatch(key)}


def _without_secrets(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise BodyInvalid(f"'meta' is nested more than {DEEPEST} levels deep.")
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if not _SECRET.fullmatch(key)}
        return {key: each if type(each) is str else _without_secrets(each, depth + 1) for key, each in kept.items()}
    if isinstance(value, list):
        return [each if type(each) is str else _without_secrets(each, depth + 1) for each in value]
    return value


def answer(status: str, message: str, results: Iterable[bytes | memoryview] = ()) -> list[bytes | memoryview]:
    """The pieces of the JSON answer; `results` are the pieces of a JSON string literal, if any."""
    opening = b'{"status":' + msgspec.json.encode(status) + b',"message":' + _text(message)
    pieces = list(results)
    return [opening + b',"results":', *pieces, b"}"] if pieces else [opening + b"}"]


def failure(route: str, error: DltkError) -> str:
    """The message of a failure, with the opening that people look for: ``/fit: ERROR: unable to …``."""
    return failure_text(route, error.opening, error.sentence)


def failure_text(route: str, opening: str, sentence: str) -> str:
    """As `failure`, from texts; without an `opening` the route's own is taken."""
    return f"{route}: ERROR: {opening or OPENINGS[route]}. {sentence}"


def summary(fields: Mapping[str, Any]) -> bytes:
    """The body of ``/summary``: a JSON string that itself holds JSON."""
    return msgspec.json.encode(msgspec.json.encode(fields).decode())


def _parse(body: bytes | bytearray) -> tuple[memoryview, Meta]:
    """`data` as the JSON string literal that it is in the body, not copied, and `meta`."""
    try:
        parsed = _body.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _parse_leniently(body)
    data = memoryview(parsed.data)
    if data[0] != ord('"'):
        raise BodyInvalid(_NO_TEXT)
    return data, parsed.meta


def _parse_leniently(body: bytes | bytearray) -> tuple[memoryview, Meta]:
    """As Python's json reads it, which lets NaN, a byte order mark and lone surrogates pass."""
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
        raise BodyInvalid(_NO_TEXT)
    if not isinstance(parsed["meta"], dict):
        raise BodyInvalid("'meta' must be an object.")
    return memoryview(json.dumps(parsed["data"]).encode()), parsed["meta"]


def _object(parent: Mapping[str, Any], key: str, path: str) -> dict[str, Any]:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BodyInvalid(f"'{path}' must be an object, not {shown(json.dumps(value))}.")
    return value


def _name(value: Any, path: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise BodyInvalid(f"'{path}' must be a text, not {shown(json.dumps(value))}.")
    return unquote(value)


def _text(message: str) -> bytes:
    return msgspec.json.encode(message.encode("utf-8", "replace").decode())
