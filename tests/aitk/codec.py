"""Stands for Splunk: the AI Toolkit's codec of model files, step by step as its public code takes them.

It imports nothing of the runtime. The steps of `decode`:

1. the row's `model` is read as JSON; an object that names its class becomes an object of that class, any other
   stays a plain dict, which has no `apply`;
2. a class that the toolkit does not know is refused, DSDL's too;
3. the class is called with `options`: the container's address is looked up anew;
4. `feature_variables` and `target_variable` are set, from `params` where they are missing, then what else is there.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

HEADER = ["algo", "model", "options"]
CLASS = ["algos.AITKContainer", "AITKContainer"]

csv.field_size_limit(2**31 - 1)  # the toolkit raises it, too: models are large


class ToolkitError(Exception):
    """What a search of the toolkit dies of."""


@dataclass
class Container:
    """Stands for an object of the class AITKContainer."""

    options: dict[str, Any]
    address: Any
    feature_variables: list[str] = field(default_factory=list)
    target_variable: str | None = None
    algo_name: str | None = None
    model_name: str | None = None
    params: dict[str, Any] = field(default_factory=dict)


def encode(options: Mapping[str, Any], features: list[str], target: str | None) -> str:
    """The model file of a fit."""
    model: dict[str, Any] = {
        "__mlspl_type": CLASS,
        "params": options,
        "options": options,
        "algo_name": None,
        "model_name": None,
    }
    model |= {"target_variable": target, "feature_variables": features}
    return file_of("AITKContainer", model, options)


def file_of(algorithm: str, model: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """A model file with any content."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerow([algorithm, json.dumps(model), json.dumps(options)])
    return text.getvalue()


def decode(content: str, look_up: Callable[[Mapping[str, Any]], Any]) -> Container:
    """The object of a model file; `look_up` finds the address for its options."""
    header, row = csv.reader(content.splitlines(keepends=True))
    if header != HEADER:
        raise ToolkitError(f"unexpected header {header}")
    model = json.loads(row[1])
    if "__mlspl_type" not in model:
        raise ToolkitError("'dict' object has no attribute 'apply'")
    if model["__mlspl_type"] != CLASS:
        raise ToolkitError(f"{model['__mlspl_type'][0]} may not be compatible with this version of MLTK")
    options = model["options"]
    params = model.get("params") or {}
    container = Container(options, look_up(options))
    container.feature_variables = model.get("feature_variables") or params.get("feature_variables", [])
    container.target_variable = model.get("target_variable") or next(iter(params.get("target_variable") or []), None)
    for name in ("algo_name", "model_name", "params"):
        setattr(container, name, model.get(name))
    return container
