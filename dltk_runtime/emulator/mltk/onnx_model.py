"""``apply onnx:NAME``: an ONNX file that is scored here, as a search head would, without a container.

The AI Toolkit's names of result columns were not seen. They are those of the same model in a container.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pandas as pd

from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.mltk import reply, request
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.errors import nearest
from dltk_runtime.onnx.errors import OnnxRefused
from dltk_runtime.onnx.graph import Graph


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """One file that `apply` names."""

    graph: Graph

    @classmethod
    def find(cls, folder: Path, name: str) -> Self:
        """Open the file of a model.

        Raises:
            SearchInvalid: it is not there, or cannot be scored.
        """
        path = folder / f"{name}.onnx"
        if not path.is_file():
            known = sorted(each.stem for each in folder.glob("*.onnx"))
            raise SearchInvalid(f'model "onnx:{name}" does not exist: there is no {path}.{nearest(name, known)}')
        try:
            return cls(Graph.read(path))
        except OnnxRefused as error:
            raise SearchInvalid(error.sentence) from error

    def apply(self, frame: pd.DataFrame, output_name: str | None) -> Result:
        """Score the rows; one with a null in a feature stays without a result.

        Raises:
            SearchError: the rows lack a feature, or it has values of another kind.
        """
        rows = request.infer(frame)
        known = [name for name in self.graph.features if name in rows.columns]
        whole = rows[known].notna().all(axis="columns")
        try:
            outputs = self.graph.run(rows[whole])
        except OnnxRefused as error:
            raise SearchError(error.sentence) from error
        columns = [column for output in outputs for column in output.columns]
        names = self.graph.results if len(self.graph.results) == len(columns) else [each.name for each in columns]
        found = {name: each.values for name, each in zip(names, columns, strict=True)}
        results = pd.DataFrame(found, index=rows.index[whole]).reindex(rows.index)
        return Result(reply.merge(rows, results, self.graph.target, output_name))
