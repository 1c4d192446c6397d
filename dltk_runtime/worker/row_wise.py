"""Row-wise notebooks: whether small requests may be applied together, and how they are.

A notebook with ``row_wise = True`` says that the result of each row depends on that row alone. The
fit checks it on its own rows; the workers of a version that passed apply requests together whose
columns have the same names and types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

SAMPLE_ROWS = 32  # of the fit, at equal distances
SINGLE_ROWS = 4  # of these that are applied one by one
# Two results of one model in another batch: float32 has a precision of 1.2e-7, and sums of it lose some digits.
RELATIVE_TOLERANCE = 1e-5
ABSOLUTE_TOLERANCE = 1e-7


def dependence(apply: Callable[[pd.DataFrame], pd.DataFrame], rows: pd.DataFrame, whole: pd.DataFrame) -> str:
    """Return how the results of `rows` depend on other rows; "" if that is not seen.

    A sample is applied in another order, and some of its rows one by one; each result must be the
    one that this row has in `whole`, the result of all `rows`.

    Args:
        apply: applies the model to a frame that it may change.
        rows: the rows of the fit.
        whole: what `apply` returned for all of them.
    """
    if len(whole) != len(rows):
        return f"{len(rows):,} rows gave {len(whole):,} results"
    for what, places in _parts(len(rows)):
        result = apply(rows.iloc[places].reset_index(drop=True))
        if found := _difference(result, whole.iloc[places]):
            return f"{what}, {found}"
    return ""


def _parts(rows: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the places of rows to be applied together, with words for them."""
    sample = np.unique(np.linspace(0, rows - 1, min(SAMPLE_ROWS, rows)).astype(int))
    half = len(sample) // 2
    yield "in another order", np.concatenate([sample[half:], sample[:half][::-1]])
    for place in sample[:: max(len(sample) // SINGLE_ROWS, 1)][:SINGLE_ROWS]:
        yield f"row {place + 1} alone", np.array([place])


def _difference(result: pd.DataFrame, expected: pd.DataFrame) -> str:
    """Return how two results of the same rows differ; "" if they agree."""
    if len(result) != len(expected):
        return f"{len(expected):,} rows gave {len(result):,} results"
    if list(map(str, result.columns)) != list(map(str, expected.columns)):
        return "the columns are others"
    for number, name in enumerate(expected.columns):
        if not _agree(result.iloc[:, number], expected.iloc[:, number]):
            return f"column '{name}' has other values"
    return ""


def _agree(values: pd.Series, expected: pd.Series) -> bool:
    """Return whether two columns have the same type, and the same values but for rounding."""
    if values.dtype != expected.dtype:
        return False
    ours, theirs = values.to_numpy(), expected.to_numpy()
    if values.dtype.kind == "f":
        return bool(np.allclose(ours, theirs, rtol=RELATIVE_TOLERANCE, atol=ABSOLUTE_TOLERANCE, equal_nan=True))
    lacking = pd.isna(ours)
    return bool((lacking == pd.isna(theirs)).all() and (ours[~lacking] == theirs[~lacking]).all())


def groups(frames: Mapping[int, pd.DataFrame]) -> list[list[int]]:
    """Return the numbers of frames that may be applied as one: those with rows, and the same columns and types."""
    found: dict[object, list[int]] = {}
    for number, frame in frames.items():
        alike = (tuple(frame.columns), tuple(frame.dtypes), isinstance(frame.index, pd.RangeIndex))
        found.setdefault(alike if len(frame) else number, []).append(number)
    return list(found.values())


def cut(result: pd.DataFrame, lengths: Sequence[int]) -> list[pd.DataFrame]:
    """Cut a result into those of frames with these numbers of rows, each with an index of its own."""
    ends = np.cumsum(lengths)
    return [result.iloc[end - length : end].reset_index(drop=True) for end, length in zip(ends, lengths, strict=True)]
