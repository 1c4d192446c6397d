"""Errors of ONNX export and scoring."""

from __future__ import annotations

from dltk_runtime.errors import DltkError


class OnnxRefused(DltkError):
    """A model cannot be exported, or a file cannot be scored."""

    http_status = 422
