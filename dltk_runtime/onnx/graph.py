"""An ONNX model that is run by onnxruntime on the CPU."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dltk_runtime.onnx import FEATURES, RESULTS, TARGET
from dltk_runtime.onnx.errors import OnnxRefused, not_installed

DTYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(string)": np.object_,
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a graph's results: float, integer, boolean or object (text), shape (rows,)."""

    name: str
    values: np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a graph with its columns."""

    name: str
    columns: tuple[Column, ...]


class Graph:
    """One ONNX model; `features` are its inputs in their order, `results` its columns, `target` the predicted field."""

    def __init__(self, content: bytes, where: str, features: Sequence[str] = ()) -> None:
        """Open a model; `where` names it in errors, `features` stand in for those of its metadata.

        Raises:
            OnnxRefused: onnxruntime is not installed or cannot load it, or nobody knows its features.
        """
        self._where = where
        self._session = _session(content, where)
        known = self._session.get_modelmeta().custom_metadata_map
        self.results = _names(known.get(RESULTS))
        self.target: str | None = known.get(TARGET) or None
        self.features = list(features) or _names(known.get(FEATURES)) or self._input_names()

    @classmethod
    def read(cls, path: Path) -> Graph:
        """Open a file.

        Raises:
            OnnxRefused: as the constructor, or the file cannot be read.
        """
        try:
            return cls(path.read_bytes(), path.name)
        except OSError as error:
            raise OnnxRefused(f"{path} cannot be read: {error.strerror}.") from error

    def run(self, frame: pd.DataFrame) -> list[Output]:
        """Score rows that have the features.

        Raises:
            OnnxRefused: a feature is missing or of another kind, or the results are no columns.
        """
        missing = [name for name in self.features if name not in frame.columns]
        if missing:
            raise OnnxRefused(f"{self._where}: the rows lack the field(s) {', '.join(missing)}.")
        try:
            found = self._session.run(None, self._inputs(frame))
        except OnnxRefused:
            raise
        except Exception as error:
            raise OnnxRefused(f"{self._where} cannot score these rows: {_first_line(error)}") from error
        names = [each.name for each in self._session.get_outputs()]
        return [self._output(*each) for each in zip(names, found, strict=True)]

    def _input_names(self) -> list[str]:
        inputs = self._session.get_inputs()
        if len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].shape[1] != 1:
            raise OnnxRefused(
                f"{self._where} has one matrix as its input and no metadata '{FEATURES}', so that the order of the "
                "fields is unknown. Write it with 'dltk models export --onnx'."
            )
        return [each.name for each in inputs]

    def _inputs(self, frame: pd.DataFrame) -> dict[str, np.ndarray[Any, Any]]:
        inputs = self._session.get_inputs()
        if [each.name for each in inputs] != self.features and len(inputs) == 1:
            return {inputs[0].name: frame[self.features].to_numpy(dtype=self._dtype(inputs[0].type))}
        return {each.name: self._column(frame, each) for each in inputs}

    def _column(self, frame: pd.DataFrame, wanted: Any) -> np.ndarray[Any, Any]:
        if wanted.name not in frame.columns:
            raise OnnxRefused(f"{self._where}: its input '{wanted.name}' is no field of the rows.")
        dtype = self._dtype(wanted.type)
        column = frame[wanted.name]
        values = (column.astype(str) if dtype is np.object_ else column).to_numpy(dtype=dtype)
        return np.asarray(values.reshape(-1, 1) if len(wanted.shape) == 2 else values)

    def _dtype(self, kind: str) -> Any:
        if kind not in DTYPES:
            raise OnnxRefused(f"{self._where}: inputs of type {kind} are not supported, only {', '.join(DTYPES)}.")
        return DTYPES[kind]

    def _output(self, name: str, values: Any) -> Output:
        if not isinstance(values, np.ndarray) or values.ndim not in (1, 2):
            raise OnnxRefused(f"{self._where}: its output '{name}' is no column and no table of columns.")
        if values.ndim == 1 or values.shape[1] == 1:
            return Output(name, (Column(name, values.reshape(len(values))),))
        return Output(name, tuple(Column(f"{name}_{place}", each) for place, each in enumerate(values.T)))


def _session(content: bytes, where: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise OnnxRefused(not_installed("onnxruntime")) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors, which are raised too
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise OnnxRefused(f"{where} cannot be loaded by onnxruntime: {_first_line(error)}") from error


def _names(text: str | None) -> list[str]:
    """Return the names in a JSON list; none where it is missing or anything else."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [str(each) for each in found] if isinstance(found, list) else []


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
