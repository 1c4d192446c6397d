"""Errors of batch runs."""

from __future__ import annotations

from dltk_runtime.errors import DltkError
from dltk_runtime.notebook.errors import place_of


class BatchError(DltkError):
    """The base class of errors of `dltk batch`."""


class BatchInvalid(BatchError):
    """A run cannot begin as it was ordered."""

    http_status = 400


class BatchFailed(BatchError):
    """A cell, its kernel or the deadline ended a run; `retry`: another attempt may succeed."""

    http_status = 422

    def __init__(
        self, sentence: str, *, kind: str = "", coordinates: str = "", traceback: str = "", retry: bool = False
    ) -> None:
        super().__init__(sentence)
        self._kind = kind
        self.coordinates = coordinates
        self.traceback = traceback
        self.retry = retry

    @property
    def place(self) -> str:
        """The type of the exception, or how the kernel ended, and the coordinates."""
        return place_of(self._kind or type(self).__name__, self.coordinates)
