"""Make an ONNX model of a loaded model: by its notebook, else by the converter of its one estimator."""

from __future__ import annotations

import inspect
import json
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dltk_runtime.onnx import DEFAULT_OPSET, FEATURES, RESULTS, converters
from dltk_runtime.onnx.errors import OnnxRefused, not_installed
from dltk_runtime.onnx.versions import release

OWN = "to_onnx"
MAX_SHOWN_CHARACTERS = 300  # of a converter's error
ADVICE = "Let the notebook define to_onnx(model), which returns the ONNX model of all that apply does."
MAIN_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True, slots=True)
class Conversion:
    """An ONNX model (`onnx.ModelProto`) and what made it."""

    model: Any
    by: str


def convert(model: Any, own: Callable[..., Any] | None, features: Sequence[str], opset: int) -> Conversion:
    """Convert a model to at most that opset; 0 stands for the default.

    Raises:
        OnnxRefused: there is no converter, or it cannot.
        Exception: whatever the notebook's `to_onnx` raises.
    """
    if own is not None:
        return _by_notebook(model, own, opset)
    kind, estimator = estimator_in(model)
    convert_one, names = CONVERTERS[kind]
    versions = f"{release(*names[0])}, {release(*names[1])}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = convert_one(estimator, len(features), opset or DEFAULT_OPSET)
    except ImportError as error:
        raise OnnxRefused(not_installed(error.name or str(error))) from error
    except Exception as error:
        text = next(iter(str(error).strip().splitlines()), type(error).__name__)[:MAX_SHOWN_CHARACTERS]
        kind_name = f"{type(estimator).__module__.partition('.')[0]}'s {type(estimator).__name__}"
        raise OnnxRefused(f"{kind_name} cannot be converted ({versions}): {text.rstrip('.')}. {ADVICE}") from error
    return Conversion(made, versions)


def estimator_in(model: Any) -> tuple[str, Any]:
    """Return the one estimator that a model is, or has as a value of its dict, and its library.

    Raises:
        OnnxRefused: there is none, or more than one.
    """
    parts = model.values() if isinstance(model, Mapping) else (model,)
    found = {id(part): (kind, part) for part in parts if (kind := _library(part))}
    if len(found) == 1:
        return next(iter(found.values()))
    what = "no estimator" if not found else f"{len(found)} estimators"
    raise OnnxRefused(f"the model has {what} of {', '.join(BASES)}, and exactly one can be converted. {ADVICE}")


def finished(
    made: Any, outputs: int, features: Sequence[str], results: Sequence[str], known: Mapping[str, str]
) -> bytes:
    """Return the file: the first `outputs` outputs, names in its metadata, the oldest format that fits."""
    import onnx

    del made.graph.output[outputs:]
    seen = dict[str, int]()
    for each in made.opset_import:
        seen["" if each.domain in MAIN_DOMAINS else each.domain] = each.version
    del made.opset_import[:]
    made.opset_import.extend(onnx.helper.make_opsetid(*each) for each in sorted(seen.items()))
    made.ir_version = min(made.ir_version, onnx.helper.find_min_ir_version_for(made.opset_import, ignore_unknown=True))
    props = {each.key: each.value for each in made.metadata_props}
    props |= {FEATURES: json.dumps(list(features)), RESULTS: json.dumps(list(results)), **known}
    onnx.helper.set_model_props(made, props)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def opset_of(made: Any) -> int:
    """Return the version of the main operators; 0 for a graph without any."""
    return max((each.version for each in made.opset_import if each.domain in MAIN_DOMAINS), default=0)


def _by_notebook(model: Any, own: Callable[..., Any], opset: int) -> Conversion:
    takes_opset = "opset" in inspect.signature(own).parameters
    made = own(model, opset=opset) if takes_opset and opset else own(model)
    import onnx

    made = onnx.load_from_string(made) if isinstance(made, bytes) else made
    if not isinstance(made, onnx.ModelProto):
        raise OnnxRefused(f"to_onnx returned {type(made).__name__}, and an onnx.ModelProto or its bytes are due.")
    if opset and opset_of(made) > opset:
        raise OnnxRefused(
            f"to_onnx made opset {opset_of(made)}, and --opset allows {opset}. "
            "Leave --opset out, or let to_onnx(model, opset) take it."
        )
    return Conversion(made, f"the notebook's {OWN}")


# The class that tells a library's models, in the order of the questions: Keras' may be PyTorch's modules, and
# XGBoost's models are estimators of scikit-learn.
BASES: dict[str, str] = {"keras": "Model", "torch": "nn.Module", "xgboost": "XGBModel", "sklearn": "base.BaseEstimator"}

Distributions = tuple[tuple[str, ...], tuple[str, ...]]

CONVERTERS: dict[str, tuple[Callable[[Any, int, int], Any], Distributions]] = {
    "sklearn": (converters.of_sklearn, (("skl2onnx",), ("scikit-learn",))),
    "xgboost": (converters.of_xgboost, (("onnxmltools",), ("xgboost", "xgboost-cpu"))),
    "torch": (converters.of_torch, (("onnx",), ("torch",))),
    "keras": (converters.of_keras, (("onnx",), ("keras",))),
}


def _library(part: Any) -> str:
    """Return the library of an estimator; "" for anything else. Imports nothing."""
    for library, path in BASES.items():
        base: Any = sys.modules.get(library)
        for name in path.split("."):
            base = getattr(base, name, None)
        if isinstance(base, type) and isinstance(part, base):
            return library
    return ""
