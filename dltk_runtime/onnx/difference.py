"""How a column of an ONNX file differs from one of apply; imports no pandas, as the front reads it."""

from __future__ import annotations

import msgspec


class OtherClass(msgspec.Struct, frozen=True):
    """A row with another class: its number from 0, both classes, its distance from a threshold if known."""

    row: int
    apply: str
    onnx: str
    distance: float | None


class Difference(msgspec.Struct, frozen=True):
    """How one column differs over `rows` rows; `problem` says why that is too much, "" if it is not."""

    column: str
    kind: str  # "number" or "class"
    rows: int
    absolute: float = 0.0  # of numbers: the largest
    relative: float = 0.0  # of numbers: the largest where the value is not near 0
    differing: int = 0  # of classes: rows
    shown: tuple[OtherClass, ...] = ()
    problem: str = ""
