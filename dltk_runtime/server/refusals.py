"""Why a request was refused, as a short name for metrics and log lines."""

from __future__ import annotations

import re

from starlette.exceptions import HTTPException

from dltk_runtime.errors import DltkError

FAULT = "fault"
UNAUTHORIZED = "unauthorized"
_OF_STATUS = {
    401: UNAUTHORIZED,
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    410: "retired",
    500: FAULT,
}
# Each has a time series from the start, so that the first refusal shows in a rate.
KNOWN = (
    *_OF_STATUS.values(),
    "algorithm_missing",
    "body_invalid",
    "body_too_large",
    "bound_reached",
    "busy",
    "data_invalid",
    "meta_too_large",
    "model_forbidden",
    "name_invalid",
    "option_invalid",
    "other_owner",
    "queue_full",
    "right_missing",
)


def reason_of(error: Exception) -> str:
    """Return the reason: of an error of ours its kind, else that of the HTTP status."""
    if isinstance(error, HTTPException):
        if isinstance(error.__cause__, DltkError):
            return reason_of(error.__cause__)
        return _OF_STATUS.get(error.status_code, f"http_{error.status_code}")
    if isinstance(error, DltkError):
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
    return FAULT
