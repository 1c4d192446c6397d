"""Models of the toolkit's algorithms, kept as the rows that they were trained on.

A model is trained again when it is read, with the same rows, parameters and seed. So no file holds
code, and any version of scikit-learn reads it.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.toolkit import ALGORITHMS, Trained, train
from dltk_runtime.files import atomic

PREFIX, SUFFIX = "__dltk_", ".json"


@dataclass(frozen=True, slots=True)
class Kept:
    """One model of the toolkit; `rows` are CSV, `options` those of the fit."""

    name: str
    algorithm: str
    params: dict[str, Any]
    options: dict[str, Any]
    target: str | None
    rows: str

    def trained(self) -> Trained:
        """Train the model again."""
        return train(self.algorithm, self.params, pd.read_csv(io.StringIO(self.rows)), self.target)


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

    def read(self, name: str) -> Kept | None:
        """Read a model, or return None if there is none of that name.

        Raises:
            SearchInvalid: its file is damaged.
        """
        path = self.path(name)
        if not path.is_file():
            return None
        try:
            kept = Kept(**json.loads(path.read_text(encoding="utf-8")))
            if kept.algorithm not in ALGORITHMS:
                raise ValueError(f"no algorithm {kept.algorithm!r}")
        except (OSError, ValueError, TypeError) as error:
            raise SearchInvalid(f'model "{name}" cannot be read from {path}: {error}. Fit it again') from error
        return kept

    def write(self, kept: Kept) -> None:
        """Write a model, replacing one of the same name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic.write(self.path(kept.name), json.dumps(asdict(kept)).encode(), durable=False)

    def delete(self, name: str) -> None:
        """Remove a model, if there is one."""
        self.path(name).unlink(missing_ok=True)
