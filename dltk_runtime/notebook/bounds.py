"""Bounds of a number, as a declaration names them: ``Annotated[int, Meta(ge=1, le=500)]``.

The words are those of msgspec's `Meta`, pydantic's `Field` and annotated_types' `Interval`, whichever
a notebook imports.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

NAMES = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


@dataclass(frozen=True, slots=True)
class DeclaredBounds:
    """The bounds that a declaration names; None for those that it does not."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    @property
    def known(self) -> dict[str, float]:
        """The bounds that there are, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        """In words, such as ``at least 1, at most 500``."""
        return ", ".join(f"{NAMES[name]} {_text(value)}" for name, value in self.known.items())

    @property
    def declared(self) -> str:
        """As declared: ``Meta(ge=1, le=500)``."""
        return f"Meta({', '.join(f'{name}={_text(value)}' for name, value in self.known.items())})"

    def allow(self, value: float) -> bool:
        """Return whether a number is within."""
        return (
            (self.ge is None or value >= self.ge)
            and (self.gt is None or value > self.gt)
            and (self.le is None or value <= self.le)
            and (self.lt is None or value < self.lt)
        )


NONE = DeclaredBounds()


def bounds_of(metadata: Sequence[ast.expr]) -> DeclaredBounds:
    """Return the bounds that the metadata of an `Annotated` name by keyword; others say nothing of bounds."""
    calls = [each for each in metadata if isinstance(each, ast.Call)]
    words = [word for call in calls for word in call.keywords if word.arg in NAMES]
    return DeclaredBounds(**{str(word.arg): value for word in words if (value := _number(word.value)) is not None})


def _number(expression: ast.expr) -> float | None:
    try:
        value = ast.literal_eval(expression)
        finite = not isinstance(value, bool) and math.isfinite(value)
    except (ValueError, TypeError, OverflowError):  # no literal, no number, beyond float64
        return None
    return value if finite else None


def _text(value: float) -> str:
    """Return a number without digits that say nothing, and with all that do: ``1``, ``0.5``, ``2147483647``."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
