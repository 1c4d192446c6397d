"""What is written down of a model: its text, its summary, its metrics, the libraries it was made with."""

from __future__ import annotations

import importlib.metadata
import math
import sys
from typing import Any

import msgspec

LONGEST_TEXT = 16 * 1024**2  # bytes of str(model): dashboards read base64 pictures out of it
LONGEST_WARNING = 500  # characters
DEEPEST = 20  # levels of nested containers that are followed
LIBRARIES = (
    "numpy",
    "pandas",
    "scikit-learn",
    "scipy",
    "torch",
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "xgboost",
    "cloudpickle",
)


def description(model: Any, summary: Any) -> bytes:
    """JSON of ``{"model": str(model), "model_summary": summary}``, whatever the two hold."""
    return msgspec.json.encode({"model": _text(model)[:LONGEST_TEXT], "model_summary": plain(summary)})


def to_json(value: Any) -> bytes:
    """JSON of any value: what JSON cannot say becomes text, numbers that are none become null."""
    return msgspec.json.encode(plain(value))


def plain(value: Any, depth: int = 0) -> Any:
    """`value` in JSON's own types: arrays become lists, bytes and unknown objects become text."""
    if value is None or isinstance(value, bool | int):
        return value if not isinstance(value, int) or abs(value) < 2**63 else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if depth >= DEEPEST:
        return _text(value)
    if isinstance(value, dict):
        return {_text(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return plain(value.tolist(), depth + 1)
    return _text(value)


def metrics(info: Any) -> dict[str, float]:
    """The finite numbers in ``info["metrics"]``, where `fit` returned such a dict."""
    given = info.get("metrics") if isinstance(info, dict) else None
    if not isinstance(given, dict):
        return {}
    numbers = {str(name): _number(value) for name, value in given.items()}
    return {name: number for name, number in numbers.items() if number is not None}


def warnings(info: Any) -> tuple[str, ...]:
    """The texts in ``info["warnings"]``, where `fit` returned such a dict: what the search is to be told."""
    given = info.get("warnings") if isinstance(info, dict) else None
    return tuple(_text(each)[:LONGEST_WARNING].rstrip(".") for each in given) if isinstance(given, list | tuple) else ()


def libraries() -> dict[str, str]:
    """Versions of the libraries that this process has imported, by distribution name."""
    modules = {"scikit-learn": "sklearn", "tensorflow-cpu": "tensorflow"}
    found = {"python": sys.version.split()[0]}
    for name in LIBRARIES:
        if modules.get(name, name) in sys.modules:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    try:
        return str(value).encode("utf-8", "replace").decode()
    except Exception as error:  # noqa: BLE001 - a model whose text cannot be made is still a model
        return f"<{type(value).__name__} whose text cannot be shown: {type(error).__name__}>"
