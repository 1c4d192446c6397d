"""Whether the numbers in a tensor's JSON fit into its datatype: none is cut off, and none becomes infinite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dltk_runtime.texts import printable

MAX_SHOWN_CHARACTERS = 60  # of what a client gave where a number belongs
CHECKS_INTEGERS = int(np.__version__.partition(".")[0]) >= 2  # numpy does since its second release


def array_of(values: Sequence[Any], kind: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return decoded JSON values as an array of shape (values).

    Raises:
        OverflowError: one does not fit.
        TypeError, ValueError: one is of another kind.
    """
    if not CHECKS_INTEGERS and kind.kind in "iu":
        _check_integers(values, kind)
    with np.errstate(over="ignore"):  # refused below
        array = np.array(values, dtype=kind)
    if kind.kind == "f" and np.isinf(array).any():  # JSON has no infinity
        raise OverflowError(f"a number is out of bounds for {kind}")
    return array


def _check_integers(values: Sequence[int], kind: np.dtype[Any]) -> None:
    bounds = np.iinfo(kind)
    for value in (min(values), max(values)) if values else ():
        if not bounds.min <= value <= bounds.max:
            raise OverflowError(f"{printable(str(value)[:MAX_SHOWN_CHARACTERS])} is out of bounds for {bounds.dtype}")
