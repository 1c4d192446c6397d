"""Rows on their way: bytes that the server passes on and never parses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Form(StrEnum):
    """How rows are written where Splunk's CSV is not asked for."""

    CSV = "csv"  # plain text, not a JSON string
    ARROW = "arrow"  # an Arrow IPC stream
    JSON = "json"  # see `tables.json_rows`
    TENSORS = "tensors"  # named tensors, see `tables.tensors`


@dataclass(frozen=True, slots=True)
class Forms:
    """The form in which a client sent its rows, and the one in which it wants the results."""

    rows: Form
    results: Form


@dataclass(frozen=True, slots=True)
class Door:
    """What an apply of another client than Splunk needs: forms of `Form`, and the fields of the fit."""

    rows: str
    results: str
    fields: tuple[str, ...]  # in the order of the fit; none for files of an old volume
    most: int  # bytes that the rows may take once decompressed


class Buffer(Protocol):
    """Bytes that are written once, from front to end, and that a worker can read without a copy."""

    def __len__(self) -> int: ...

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        """Append `data`."""
        ...

    def view(self) -> memoryview:
        """Return the bytes written so far, not copied."""
        ...


@dataclass(frozen=True, slots=True)
class Payload:
    """Rows as CSV (UTF-8): the text itself or, when `escaped`, the JSON string literal that holds it.

    Those of a request with `Forms` are in the form that these name, and not escaped.
    """

    data: bytes | memoryview | Buffer
    escaped: bool

    def __len__(self) -> int:
        return len(self.data)

    def view(self) -> memoryview:
        """Return the bytes, not copied."""
        return memoryview(self.data) if isinstance(self.data, bytes | memoryview) else self.data.view()


NO_ROWS = Payload(b"", escaped=False)
