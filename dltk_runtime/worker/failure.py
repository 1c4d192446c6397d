"""Exceptions of notebook code as text: they never cross the process boundary as objects."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

import msgspec

from dltk_runtime.errors import DltkError
from dltk_runtime.worker.messages import ErrorReport

MAX_SENTENCE_CHARACTERS = 2000  # of an error's text in a search; the job has the traceback


class PhaseFailed(Exception):
    """A phase failed because of the notebook or the request; `report` describes the failure."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(report.sentence)
        self.report = report

    def led_by(self, cause: str) -> PhaseFailed:
        """Return the failure with its likely `cause`, unless that is empty, before its sentence."""
        if not cause:
            return self
        return PhaseFailed(msgspec.structs.replace(self.report, sentence=f"{cause}. {self.report.sentence}"))


def worded(error: Exception) -> str:
    """Return a failure with its coordinates, or the `sentence` of any other exception."""
    return str(error.report) if isinstance(error, PhaseFailed) else sentence(error)


def fault(error: Exception) -> ErrorReport:
    """Return the report of a fault of the runtime's own."""
    return ErrorReport("runtime", f"fault in the runtime: {error!r}", "", "".join(traceback.format_exception(error)))


def sentence(error: BaseException) -> str:
    """Return the type of an error and at most `MAX_SENTENCE_CHARACTERS` of its text."""
    if isinstance(error, DltkError):
        return error.sentence
    try:
        text = str(error)
    except Exception as second:  # noqa: BLE001 - a __str__ of the notebook's that raises must not hide the error
        text = f"(its text cannot be shown: {type(second).__name__})"
    if len(text) > MAX_SENTENCE_CHARACTERS:
        rest = len(text) - MAX_SENTENCE_CHARACTERS
        text = f"{text[:MAX_SENTENCE_CHARACTERS]}… (and {rest:,} more characters)"
    return f"{type(error).__name__}: {text}".rstrip(": ")


def leave_fork(error: BaseException | None) -> NoReturn:
    """End a forked child of the notebook that returned from its function.

    It ends with the exit status of a program: only the worker itself may answer the request.
    """
    status = 0 if error is None else 1
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        traceback.print_exception(error)
    sys.stdout.flush()
    os._exit(status)
