"""Errors of batch runs."""

from __future__ import annotations

from dltk_runtime.errors import DltkError


class BatchError(DltkError):
    """The base class of errors of `dltk batch`."""


class BatchInvalid(BatchError):
    """A run cannot begin as it was ordered."""

    http_status = 400


class BatchFailed(BatchError):
    """A cell, its kernel or the deadline ended a run; `retry`: another attempt may succeed."""

    http_status = 422

    def __init__(self, sentence: str, *, coordinates: str = "", traceback: str = "", retry: bool = False) -> None:
        super().__init__(sentence)
        self.coordinates = coordinates
        self.traceback = traceback
        self.retry = retry
