"""Models of the toolkit's algorithms, kept as the rows that they were trained on.

A model is trained again when it is read, with the same rows, parameters and seed. So no file holds
code, and any version of scikit-learn reads it.
"""

from __future__ import annotations

import io
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dltk_runtime.emulator.errors import SearchError, SearchInvalid
from dltk_runtime.emulator.mltk import request
from dltk_runtime.emulator.mltk.grammar import ApplyCommand, FitCommand
from dltk_runtime.emulator.mltk.results import Result, SearchMessage
from dltk_runtime.emulator.mltk.toolkit import ALGORITHMS, ToolkitModel, add_results, train
from dltk_runtime.files import atomic

PREFIX, SUFFIX = "__dltk_", ".json"


@dataclass(frozen=True, slots=True)
class KeptModel:
    """One model of the toolkit; `rows` are CSV, `options` those of the fit."""

    name: str
    algorithm: str
    params: dict[str, Any]
    options: dict[str, Any]
    target: str | None
    rows: str

    def trained(self) -> ToolkitModel:
        """Train the model again."""
        return train(self.algorithm, self.params, pd.read_csv(io.StringIO(self.rows)), self.target)

    def apply(self, frame: pd.DataFrame, apply: ApplyCommand) -> Result:
        """Score `frame`; parameters of an apply are refused."""
        if apply.params:
            raise SearchError(f"parameters of apply with a {self.algorithm} run in Splunk only.")
        name = apply.output_name or self.options.get("output_name")
        return Result(add_results(self.trained(), frame, name))


def make_kept(fit: FitCommand, rows: pd.DataFrame) -> tuple[KeptModel, list[SearchMessage]]:
    """Make the model of a fit on `rows`, and warnings about fields; without a seed one is drawn.

    Raises:
        SearchError: the target is missing, or there are no rows or features.
    """
    columns = list(rows.columns)
    target = next(iter(request.expand_globs(fit.options.get("target_variable", []), columns)), None)
    names = request.expand_globs(fit.options["feature_variables"], columns)
    used, warnings = request.select(rows, [*([target] if target else []), *(n for n in names if n != target)])
    if target is not None and target not in used.columns:
        raise SearchError(f"Missing field(s): {target}.")
    if used.empty or list(used.columns) == [target]:
        raise SearchError("No valid fields or rows to fit the model to.")
    algorithm = ALGORITHMS[fit.algorithm]
    params = algorithm.read(fit.options.get("params", {}))
    if algorithm.seeded and "random_state" not in params:
        params["random_state"] = secrets.randbelow(2**31)
    options = {**fit.options, "algo_name": fit.algorithm}
    return KeptModel(fit.model or "", fit.algorithm, params, options, target, used.to_csv(index=False)), warnings


@dataclass(frozen=True, slots=True)
class KeptModels:
    """The folder of kept models."""

    folder: Path

    def path(self, name: str) -> Path:
        """Return the path of a model's file."""
        return self.folder / f"{PREFIX}{name}{SUFFIX}"

    def names(self) -> list[str]:
        """List the models, sorted."""
        found = self.folder.glob(f"{PREFIX}*{SUFFIX}")
        return sorted(path.name.removeprefix(PREFIX).removesuffix(SUFFIX) for path in found)

    def read(self, name: str) -> KeptModel | None:
        """Read a model, or return None if there is none of that name.

        Raises:
            SearchInvalid: its file is damaged.
        """
        path = self.path(name)
        if not path.is_file():
            return None
        try:
            kept = KeptModel(**json.loads(path.read_text(encoding="utf-8")))
            if kept.algorithm not in ALGORITHMS:
                raise ValueError(f"no algorithm {kept.algorithm!r}")
        except (OSError, ValueError, TypeError) as error:
            raise SearchInvalid(f'model "{name}" cannot be read from {path}: {error}. Fit it again') from error
        return kept

    def write(self, kept: KeptModel) -> None:
        """Write a model, replacing one of the same name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic.write(self.path(kept.name), json.dumps(asdict(kept)).encode(), durable=False)

    def delete(self, name: str) -> bool:
        """Remove a model, if there is one; return whether there was."""
        there = self.path(name).is_file()
        self.path(name).unlink(missing_ok=True)
        return there
