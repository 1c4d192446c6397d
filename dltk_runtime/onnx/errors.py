"""Errors of ONNX export and scoring."""

from __future__ import annotations

from dltk_runtime.errors import DltkError


class OnnxRefused(DltkError):
    """A model cannot be exported, or a file cannot be scored."""

    http_status = 422


def not_installed(library: str) -> str:
    """Return the sentence about a library that an export needs."""
    return f"{library} is not installed: the image has it; in a clone of dltk-runtime run pip install '.[onnx]'."
