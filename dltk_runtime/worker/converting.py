"""The ONNX file of the loaded model, and its comparison with apply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dltk_runtime.onnx.comparing import compare
from dltk_runtime.onnx.convert import ADVICE, Conversion, convert, finished, opset_of
from dltk_runtime.onnx.errors import OnnxRefused
from dltk_runtime.onnx.graph import Column, Graph, Output
from dltk_runtime.worker.messages import Convert, Converted

Blob = bytes | memoryview


def as_float32(frame: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """Return the features with each number rounded to what a float32 can be, as float64.

    So the graph and apply see the same values, and differ by computation alone.

    Raises:
        OnnxRefused: a feature is missing, or there are no rows.
    """
    if missing := [name for name in features if name not in frame.columns]:
        raise OnnxRefused(f"the rows lack the field(s) {', '.join(missing)}, which the model was fitted on.")
    if frame.empty:
        raise OnnxRefused("there are no rows to compare on.")
    rounded = {
        name: frame[name].to_numpy(np.float32).astype(np.float64)
        for name in features
        if pd.api.types.is_numeric_dtype(frame[name]) and not pd.api.types.is_bool_dtype(frame[name])
    }
    return frame[list(features)].assign(**rounded)


class OnnxCandidate:
    """An ONNX model that is no file yet."""

    def __init__(self, request: Convert, model: Any, own: Callable[..., Any] | None) -> None:
        self._request = request
        self._model = model
        self._own = own
        self._made: Conversion | None = None

    def convert(self) -> None:
        """Make the ONNX model.

        Raises:
            Exception: as `onnx.convert.convert`.
        """
        self._made = convert(self._model, self._own, self._request.features, self._request.opset)

    def compared(self, expected: pd.DataFrame, rows: pd.DataFrame) -> tuple[Converted, Blob]:
        """Compare with what apply returned for the rows; return the file, empty if it differs too much.

        Raises:
            OnnxRefused: the graph cannot score the rows, or its results are not those of apply.
        """
        assert self._made is not None  # noqa: S101 - `convert` comes first
        made = self._made.model
        outputs = Graph(made.SerializeToString(), "the ONNX model", self._request.features).run(rows)
        kept = _outputs_like(outputs, expected, len(rows))
        columns, others = _columns(outputs[:kept]), _columns(outputs[kept:])
        differences = compare(expected, columns, others)
        opset = opset_of(made)
        answer = Converted(self._made.by, opset, differences)
        if any(each.problem for each in differences):
            return answer, b""
        results = [str(name) for name in expected.columns]
        return answer, finished(made, kept, self._request.features, results, self._request.known)


def _columns(outputs: Sequence[Output]) -> list[Column]:
    return [column for output in outputs for column in output.columns]


def _outputs_like(outputs: Sequence[Output], expected: pd.DataFrame, rows: int) -> int:
    """Return how many outputs, from the first on, have together as many columns as apply.

    Raises:
        OnnxRefused: no number of them has, or apply returned another number of rows.
    """
    if len(expected) != rows:
        raise OnnxRefused(f"apply returns {len(expected):,} rows for {rows:,}, and a graph scores each row by itself.")
    for kept in range(1, len(outputs) + 1):
        if len(_columns(outputs[:kept])) == len(expected.columns):
            return kept
    names = ", ".join(column.name for column in _columns(outputs))
    raise OnnxRefused(
        f"apply returns the column(s) {', '.join(map(str, expected.columns))}, the ONNX model {names}: "
        f"apply does more than its estimator. {ADVICE}"
    )
