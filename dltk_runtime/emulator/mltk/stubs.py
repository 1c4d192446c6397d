"""Stub model files: what Splunk keeps of a model whose substance lies in a container (protocol 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.files import atomic

PREFIX, SUFFIX = "__mlspl_", ".mlmodel"
HEADER = ["algo", "model", "options"]


@dataclass(frozen=True, slots=True)
class Stub:
    """One model as ``fit … into`` left it: `options` of the meta, features with globs expanded, the target if any."""

    name: str
    algorithm: str
    options: dict[str, Any]
    features: tuple[str, ...]
    target: str | None

    def to_csv(self) -> str:
        """Return the content of the stub's file."""
        model = {"feature_variables": self.features, "target_variable": self.target}
        row = [self.algorithm, json.dumps(model), json.dumps(self.options)]
        return pd.DataFrame([row], columns=HEADER).to_csv(index=False)


@dataclass(frozen=True, slots=True)
class Stubs:
    """The folder of stub files; names are those that the grammar let pass."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / f"{PREFIX}{name}{SUFFIX}"

    def names(self) -> list[str]:
        found = self.folder.glob(f"{PREFIX}*{SUFFIX}")
        return sorted(path.name.removeprefix(PREFIX).removesuffix(SUFFIX) for path in found)

    def read(self, name: str) -> Stub:
        """The stub of that name.

        Raises:
            SearchInvalid: there is none, or its file is no stub.
        """
        try:
            row = pd.read_csv(self.path(name), dtype=str, keep_default_na=False)[HEADER].iloc[0]
            model, options = json.loads(row["model"]), json.loads(row["options"])
            return Stub(name, row["algo"], options, tuple(model["feature_variables"]), model["target_variable"])
        except FileNotFoundError as error:
            raise SearchInvalid(f'model "{name}" does not exist.') from error
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise SearchInvalid(
                f'model "{name}" cannot be read from {self.path(name)}: {error}. Fit it again'
            ) from error

    def write(self, stub: Stub) -> None:
        """Store `stub`, in place of one of that name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic.write(self.path(stub.name), stub.to_csv().encode(), durable=False)

    def delete(self, name: str) -> None:
        """Raises `SearchInvalid` when there is no such model."""
        try:
            self.path(name).unlink()
        except FileNotFoundError as error:
            raise SearchInvalid(f'model "{name}" does not exist.') from error


def make_stub(name: str, algorithm: str, meta: Mapping[str, Any]) -> Stub:
    """What a fit with this `meta` leaves behind; a session key would not be kept."""
    options = {key: value for key, value in meta["options"].items() if key not in {"session_key", "search_info"}}
    target = next(iter(meta.get("target_variables", [])), None)
    return Stub(name, algorithm, options, tuple(meta["feature_variables"]), target)
