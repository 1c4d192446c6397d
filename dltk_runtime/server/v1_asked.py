"""What a request under ``/v1`` asks: the names in its path, the parameters of its query."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request

from dltk_runtime.names import ModelName

MAX_LISTED = 1000  # jobs, or entries of histories, in one list


def limit_of(request: Request) -> int:
    """Return how many entries a list may have.

    Raises:
        HTTPException: `limit` is no whole number.
    """
    text = request.query_params.get("limit", "")
    if not text:
        return MAX_LISTED
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise HTTPException(400, "limit is a whole number.")
    return min(int(text), MAX_LISTED)


def since_of(request: Request) -> datetime | None:
    """Return the time in `since`; UTC where it names no zone.

    Raises:
        HTTPException: it is no time.
    """
    text = request.query_params.get("since", "")
    try:
        since = datetime.fromisoformat(text) if text else None
    except ValueError as error:
        raise HTTPException(400, "since is a time such as 2026-01-31T18:00Z.") from error
    return since.replace(tzinfo=since.tzinfo or UTC) if since else None


def name_of(request: Request) -> ModelName:
    """Return the model in the path.

    Raises:
        NameInvalid: no model can have this name.
    """
    return ModelName(request.path_params["algorithm"], request.path_params["model"])


def number_of(text: str) -> int:
    """Return the number of a version.

    Raises:
        HTTPException: it is no whole number.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise HTTPException(404, "A version is a whole number.")
    return int(text)
