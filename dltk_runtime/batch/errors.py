"""dltk_runtime.batch.errors."""

from __future__ import annotations

from dltk_runtime.errors import DltkError


class BatchError(DltkError):
    """A run of `dltk batch`."""


class BatchInvalid(BatchError):
    """A run that cannot be begun as it was ordered."""

    http_status = 400


class BatchFailed(BatchError):
    """A run that a cell, its kernel or the deadline ended; `retry` says whether the same again may do better."""

    http_status = 422

    def __init__(self, sentence: str, *, coordinates: str = "", traceback: str = "", retry: bool = False) -> None:
        super().__init__(sentence)
        self.coordinates = coordinates
        self.traceback = traceback
        self.retry = retry
