"""How what notebook code raises, in a worker, becomes text: exceptions never cross the process boundary."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

from dltk_runtime.errors import DltkError
from dltk_runtime.worker.messages import ErrorReport

LONGEST_TEXT = 2000  # characters of an error's text that a search shows; the job's traceback has more


class StepFailed(Exception):
    """A step failed through the notebook's or the request's fault; `report` says how."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(report.sentence)
        self.report = report


def sentence(error: BaseException) -> str:
    """What the search shows of an error: its type, and its text at a readable length."""
    if isinstance(error, DltkError):
        return error.sentence
    try:
        text = str(error)
    except Exception as second:  # noqa: BLE001 - a __str__ of the notebook's that raises must not hide the error
        text = f"(its text cannot be shown: {type(second).__name__})"
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}… (and {len(text) - LONGEST_TEXT:,} more characters)"
    return f"{type(error).__name__}: {text}".rstrip(": ")


def leave_fork(error: BaseException | None) -> NoReturn:
    """End a fork that the notebook let come back, as a program ends: the answer is the worker's to give."""
    status = 0 if error is None else 1
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        traceback.print_exception(error)
    sys.stdout.flush()
    os._exit(status)
