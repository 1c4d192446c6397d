"""Records on disk as JSON, which a fault can damage and a notebook can write.

What lies outside the bounds of a field is damage: no list computes with a time that names no zone, or
with a number that no float can hold. And whatever is wrong with a text is one error.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

Record = TypeVar("Record")

MAX_NUMBER_DIGITS = 18  # of any number, as of those of versions
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=10**MAX_NUMBER_DIGITS)]


def decoded(data: bytes | str | msgspec.Raw, kind: type[Record]) -> Record:
    """Return the record in a JSON text.

    Raises:
        msgspec.DecodeError: it is none of that kind, is no text, or is nested too deeply.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error
