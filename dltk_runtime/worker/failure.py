"""Exceptions of notebook code as text: they never cross the process boundary as objects."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

import msgspec

from dltk_runtime.errors import DltkError
from dltk_runtime.worker.messages import ErrorReport

MAX_SENTENCE_CHARACTERS = 2000  # of an error's text as a search shows it; the job's traceback has more


class PhaseFailed(Exception):
    """A phase failed through the notebook's or the request's fault; `report` describes the failure."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(report.sentence)
        self.report = report

    def led_by(self, cause: str) -> PhaseFailed:
        """The same failure with its likely cause in front of the sentence; unchanged if `cause` is empty."""
        if not cause:
            return self
        return PhaseFailed(msgspec.structs.replace(self.report, sentence=f"{cause}. {self.report.sentence}"))


def worded(error: Exception) -> str:
    """A failure with its coordinates, or the `sentence` of any other exception."""
    return str(error.report) if isinstance(error, PhaseFailed) else sentence(error)


def sentence(error: BaseException) -> str:
    """The type and the text of an error, as a search shows them: at most `MAX_SENTENCE_CHARACTERS` of text."""
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
    """End a forked child of the notebook that returned from its function, with the exit status of a program.

    Only the worker itself may answer the request.
    """
    status = 0 if error is None else 1
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        traceback.print_exception(error)
    sys.stdout.flush()
    os._exit(status)
