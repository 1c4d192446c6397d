"""Splunk's wire format and all its quirks (protocol 1): requests in, answers out, names checked.

`data` is taken over as the bytes of its JSON string and never decoded here; `meta` is small.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dltk_runtime.errors import BodyInvalid, DltkError, shown

DEFAULT_MODEL = "default"  # the name of a model fitted without `into`
SCHEMES = ("", "Bearer ", "Splunk ")
SECRETS = ("session_key",)  # in `options`, or in older versions in `search_info` (protocol 1.1)

Meta = dict[str, Any]


class _Body(msgspec.Struct):
    data: msgspec.Raw
    meta: Meta


_body = msgspec.json.Decoder(_Body)


@dataclass(frozen=True, slots=True)
class Request:
    """A fit or an apply as it was sent: names are not yet validated, `data` is a JSON string literal."""

    data: memoryview
    meta: Meta
    algorithm: str | None
    model: str
    parameters: dict[str, str]

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
    given = header.encode("utf-8", "surrogateescape")
    matches = [hmac.compare_digest(given, (scheme + token).encode()) for scheme in SCHEMES]
    return bool(token) and any(matches)


def unquote(value: str) -> str:
    """A parameter's value without the one pair of quotes that the search had around it."""
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def decode(body: bytes | bytearray) -> Request:
    """The request in a body.

    Raises:
        BodyInvalid: naming the first thing that is not as Splunk sends it.
    """
    try:
        parsed = _body.decode(body)
        data, meta = memoryview(parsed.data), parsed.meta
    except (msgspec.DecodeError, UnicodeDecodeError):
        data, meta = _decode_leniently(bytes(body))
    if not data or data[0] != ord('"'):
        raise BodyInvalid("'data' must be a text: the rows as CSV.")
    options = _object(meta, "options", "meta.options")
    parameters = _object(options, "params", "meta.options.params")
    texts = {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in parameters.items()}
    return Request(
        data=data,
        meta=without_secrets(meta),
        algorithm=_name(parameters.get("algo"), "meta.options.params.algo"),
        model=_name(options.get("model_name"), "meta.options.model_name") or DEFAULT_MODEL,
        parameters=texts,
    )


def without_secrets(meta: Meta) -> Meta:
    """`meta` without Splunk's session keys, at whatever depth they are."""
    return {
        key: without_secrets(value) if isinstance(value, dict) else value
        for key, value in meta.items()
        if key not in SECRETS
    }


def answer(status: str, message: str, results: Iterable[bytes | memoryview] = ()) -> list[bytes | memoryview]:
    """The pieces of the JSON answer; `results` are the pieces of a JSON string literal, if any."""
    opening = b'{"status":' + msgspec.json.encode(status) + b',"message":' + _text(message)
    pieces = list(results)
    return [opening + b',"results":', *pieces, b"}"] if pieces else [opening + b"}"]


def failure(route: str, error: DltkError) -> str:
    """The message of a failure, with the opening that people look for: ``/fit: ERROR: unable to …``."""
    opening = f"{error.opening}. " if error.opening else ""
    return f"{route}: ERROR: {opening}{error.sentence}"


def summary(fields: Mapping[str, Any]) -> bytes:
    """The body of ``/summary``: a JSON string that itself holds JSON."""
    return msgspec.json.encode(msgspec.json.encode(fields).decode())


def _decode_leniently(body: bytes) -> tuple[memoryview, Meta]:
    """As Python's json reads it, which lets NaN, a byte order mark and lone surrogates pass."""
    try:
        parsed = json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BodyInvalid(f"The body is not UTF-8 from byte {error.start} on.") from error
    except (ValueError, RecursionError) as error:
        raise BodyInvalid(f"The body is no JSON: {error}.") from error
    if not isinstance(parsed, dict):
        raise BodyInvalid("The body must be a JSON object with 'data' and 'meta'.")
    if missing := [key for key in ("data", "meta") if key not in parsed]:
        raise BodyInvalid(f"The body lacks {' and '.join(map(repr, missing))}.")
    if not isinstance(parsed["meta"], dict):
        raise BodyInvalid("'meta' must be an object.")
    return memoryview(json.dumps(parsed["data"]).encode()), parsed["meta"]


def _object(parent: Mapping[str, Any], key: str, path: str) -> dict[str, Any]:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BodyInvalid(f"'{path}' must be an object, not {shown(json.dumps(value, default=str))}.")
    return value


def _name(value: Any, path: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise BodyInvalid(f"'{path}' must be a text, not {shown(json.dumps(value, default=str))}.")
    return unquote(value)


def _text(message: str) -> bytes:
    return msgspec.json.encode(message.encode("utf-8", "replace").decode())
