"""Records on disk as JSON, which a fault can damage and a notebook can write.

What lies outside the bounds of a field is damage: no list computes with a time that names no zone, or
with a number that no float can hold. And whatever is wrong with a text is one error.

msgspec 0.22 describes a type to itself when it first decodes one. Where another thread decodes the same
type meanwhile, it follows a null pointer, and the process ends. So types are described here, one at a time.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

Record = TypeVar("Record")

_DESCRIBED: dict[Any, msgspec.json.Decoder[Any]] = {}
_DESCRIBING = threading.Lock()

MAX_NUMBER_DIGITS = 18  # of any number, as of those of versions
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=10**MAX_NUMBER_DIGITS)]


def decoded(data: bytes | str | msgspec.Raw, kind: type[Record]) -> Record:
    """Return the record in a JSON text.

    Raises:
        msgspec.DecodeError: it is none of that kind, is no text, or is nested too deeply.
    """
    decoder = described(kind)
    try:
        return decoder.decode(data)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def converted(value: object, kind: type[Record], *, strict: bool = True) -> Record:
    """Return the record that is made of a value's parts.

    Raises:
        msgspec.ValidationError: it is none of that kind.
    """
    described(kind)
    return msgspec.convert(value, kind, strict=strict)


def described(kind: type[Record]) -> msgspec.json.Decoder[Record]:
    """Return the decoder of a type, which any thread can use."""
    if (found := _DESCRIBED.get(kind)) is None:
        with _DESCRIBING:
            found = _DESCRIBED[kind] = msgspec.json.Decoder(kind)
    return found
