"""Describe a model for its version: text, summary, metrics, and the libraries it needs."""

from __future__ import annotations

import contextlib
import importlib.metadata
import math
import sys
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from dltk_runtime.notebook.frameworks import RECORDED
from dltk_runtime.units import MIB
from dltk_runtime.worker.failure import worded
from dltk_runtime.worker.messages import SUMMARY_FAILED

MAX_TEXT_CHARACTERS = 16 * MIB  # of str(model): dashboards read base64 pictures out of it
MAX_WARNING_CHARACTERS = 500
MAX_DEPTH = 20  # levels of nested containers that are followed


class NotebookCall(Protocol):
    """Calls a function of a notebook, and returns what it returns."""

    def __call__(self, phase: str, function: Callable[..., Any], /, *arguments: Any) -> Any: ...


def described(model: Any, summary: Callable[..., Any] | None, call: NotebookCall) -> tuple[bytes, str]:
    """Return the `description` of a model, and a notice if ``summary(model)`` raised."""
    notice, result = "", None
    if summary is not None:
        try:
            result = call("summary", summary, model)
        except Exception as error:  # noqa: BLE001 - a summary that raises anything must not cost the model
            notice = f"{SUMMARY_FAILED}{worded(error)}"
    return description(model, result), notice


def description(model: Any, summary: Any) -> bytes:
    """Return JSON ``{"model": str(model), "model_summary": summary}`` of any two objects."""
    return msgspec.json.encode({"model": _text(model)[:MAX_TEXT_CHARACTERS], "model_summary": plain(summary)})


def to_json(value: Any) -> bytes:
    """Encode any value as JSON: other types become text, NaN and infinities become null."""
    return msgspec.json.encode(plain(value))


def plain(value: Any, depth: int = 0) -> Any:
    """Convert `value` to JSON's own types: arrays to lists, bytes and unknown objects to text."""
    if value is None or isinstance(value, bool | int):
        return value if not isinstance(value, int) or abs(value) < 2**63 else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if depth >= MAX_DEPTH:
        return _text(value)
    if isinstance(value, dict):
        return {_text(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return plain(value.tolist(), depth + 1)
    return _text(value)


def metrics(info: Any) -> dict[str, float]:
    """Return the finite numbers in ``info["metrics"]``, if `fit` returned such a dict."""
    given = info.get("metrics") if isinstance(info, dict) else None
    if not isinstance(given, dict):
        return {}
    numbers = {str(name): _number(value) for name, value in given.items()}
    return {name: number for name, number in numbers.items() if number is not None}


def warnings(info: Any) -> tuple[str, ...]:
    """Return the texts in ``info["warnings"]``, if `fit` returned such a dict."""
    given = info.get("warnings") if isinstance(info, dict) else None
    if not isinstance(given, list | tuple):
        return ()
    return tuple(_text(each)[:MAX_WARNING_CHARACTERS].rstrip(".") for each in given)


def libraries() -> dict[str, str]:
    """Return the releases of Python and of imported `RECORDED` libraries, by distribution."""
    found = {"python": sys.version.split()[0]}
    imported = (library for library in RECORDED if library.module in sys.modules)
    for name in (name for library in imported for name in library.distribution_names):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
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
