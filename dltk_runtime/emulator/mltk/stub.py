"""The content of a stub file in its two forms: DSDL's ``MLTKContainer``, the toolkit's ``AITKContainer`` (protocol 7).

The file is a CSV with the columns of `HEADER` and one row. `model` is JSON that names its class;
without that name MLTK decodes a plain dict, and `apply` fails.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dltk_runtime.emulator.mltk.grammar import CONTAINERS
from dltk_runtime.errors import shown
from dltk_runtime.secret_names import meta_without_session_keys

HEADER = ["algo", "model", "options"]
DSDL, TOOLKIT = CONTAINERS
TYPE_KEY = "__mlspl_type"
MODULES = {DSDL: "mltkc", TOOLKIT: "algos"}  # of the classes, as `TYPE_KEY` names them
OWN_FORM = (
    "its entry was written by an earlier 'dltk search', in a form that Splunk cannot read. "
    "Fit the model again to replace it"
)


@dataclass(frozen=True, slots=True)
class Stub:
    """One model after ``fit … into``; its features have no globs.

    Attributes:
        algorithm: `DSDL` or `TOOLKIT`, which decides the form; another one runs in Splunk itself.
        options: those of the fit, without session keys.
        endpoint: address of the container at the fit. It decides nothing: Splunk looks the address up
            at each call.
        notice: what is wrong with the file that this was read from, or an empty text.
    """

    name: str
    algorithm: str
    options: dict[str, Any]
    features: tuple[str, ...]
    target: str | None
    endpoint: str = ""
    notice: str = ""

    @property
    def named_after(self) -> str | None:
        """The target that ``apply`` names the first result column after; None: all columns get a prefix.

        The toolkit's decoder sets a target in any case, so a model without one yields ``predicted_None``.
        """
        return str(self.target) if self.algorithm == TOOLKIT else self.target

    def to_csv(self) -> str:
        """Return the content of the stub's file."""
        row = [self.algorithm, json.dumps(self._model()), json.dumps(self.options)]
        return pd.DataFrame([row], columns=HEADER).to_csv(index=False)

    def _model(self) -> dict[str, Any]:
        named = {TYPE_KEY: [f"{MODULES[self.algorithm]}.{self.algorithm}", self.algorithm]}
        features = list(self.features)
        if self.algorithm == TOOLKIT:
            copies = {"params": self.options, "options": self.options, "algo_name": None, "model_name": None}
            return named | copies | {"target_variable": self.target, "feature_variables": features}
        fields = {"endpoint_url": self.endpoint, "out_params": self.options, "feature_variables": features}
        return named | {"dict": fields if self.target is None else fields | {"target_variable": self.target}}


def make_stub(name: str, algorithm: str, meta: Mapping[str, Any], endpoint: str = "") -> Stub:
    """Make the stub of a fit with this `meta`, without session keys."""
    options = _without_session(meta["options"])
    target = next(iter(meta.get("target_variables", [])), None)
    return Stub(name, algorithm, options, tuple(meta["feature_variables"]), target, endpoint)


def stub_of_model(
    kind: str,
    name: str,
    params: Mapping[str, str],
    features: Sequence[str],
    target: str | None,
    limits: Mapping[str, str],
) -> Stub:
    """Make the stub that ``fit KIND … target from features into app:NAME`` leaves, without that fit."""
    options: dict[str, Any] = {"params": dict(params), "args": [*([target] if target else []), *features]}
    options |= {"target_variable": [target]} if target else {}
    options |= {"feature_variables": list(features), "model_name": name, "algo_name": kind}
    return Stub(name, kind, options | {"mlspl_limits": dict(limits), "kfold_cv": None}, tuple(features), target)


def parse_stub(name: str, content: bytes) -> Stub:
    """Parse a stub file of either form; of other classes only the type and the options are read.

    Raises:
        ValueError, LookupError, TypeError, DltkError: it is not a stub. The texts have no values of the file.
    """
    row = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)[HEADER].iloc[0]
    model, options = _object(row["model"]), _without_session(_object(row["options"]))
    if TYPE_KEY not in model:
        return Stub(name, row["algo"], options, *_fields(model, {}), notice=OWN_FORM)
    match model[TYPE_KEY]:
        case [_, str(kind)]:
            pass
        case _:
            raise TypeError(f"{TYPE_KEY} names no module and class")
    if kind == DSDL:
        fields = _part(model, "dict")
        endpoint = str(fields.get("endpoint_url", ""))
        return Stub(name, kind, options, *_fields(fields, _part(fields, "out_params")), endpoint)
    if kind == TOOLKIT:
        return Stub(name, kind, options, *_fields(model, _part(model, "params")))
    return Stub(name, row["algo"], options, (), None)


def _without_session(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without the session of whoever fitted; older apps kept it in `search_info`."""
    return {key: each for key, each in meta_without_session_keys(options).items() if key != "search_info"}


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error
    if not isinstance(found, dict):
        raise TypeError("the JSON is not an object")
    return found


def _part(found: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return an object within another one; an empty one where it is missing or null."""
    part = found.get(key) or {}
    if not isinstance(part, dict):
        raise TypeError(f"{key} is not an object")
    return part


def _fields(found: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[tuple[str, ...], str | None]:
    """Return features and target; `params` are the options of the fit, which MLTK falls back to."""
    features = found.get("feature_variables", params.get("feature_variables"))
    target = found.get("target_variable") or params.get("target_variable")
    if isinstance(target, list):
        target = next(iter(target), None)
    if not isinstance(features, list) or not all(isinstance(each, str) for each in features):
        raise TypeError("feature_variables is not a list of names")
    if not isinstance(target, str | None):
        raise TypeError("target_variable is not a name")
    return tuple(features), target


def runs_in_splunk(stub: Stub) -> str:
    """Return the text for a model that is not a container's."""
    return (
        f'model "{stub.name}" is of type {shown(stub.algorithm)}, which runs inside Splunk. '
        f"Only models of {' and '.join(CONTAINERS)} call a container and run here."
    )
