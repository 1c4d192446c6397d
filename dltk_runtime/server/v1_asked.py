"""What a request under ``/v1`` asks: the names in its path, the parameters of its query."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request

from dltk_runtime.jobs.record import State
from dltk_runtime.names import MAX_NAME_LENGTH, ModelName
from dltk_runtime.server.doors.asked import query_of
from dltk_runtime.server.errors import QueryUnknown
from dltk_runtime.server.openapi import AddressPart

MAX_LISTED = 1000  # jobs, or entries of histories, in one list
CHOICES = {"pinned": "pinned", "live": "live", "auto": ""}  # of code, as paths and the store name them
TEXT = {"type": "string"}
MAX_DIGITS = 9  # of `limit`
# 0 is the version of a model that was there before its first fit; the largest of 18 digits fits into 64 bits.
NUMBER = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
COUNT = {"type": "integer", "minimum": 0, "maximum": 10**MAX_DIGITS - 1}

# What may stand in a path.
IN_PATHS = {
    each.name: each
    for each in (
        AddressPart(
            "algorithm",
            TEXT | {"minLength": 1, "maxLength": MAX_NAME_LENGTH},
            "An algorithm: letters of any script, digits, underscores, dashes and blanks.",
        ),
        AddressPart("model", TEXT | {"pattern": f"^[A-Za-z_][A-Za-z0-9_]{{0,{MAX_NAME_LENGTH - 1}}}$"}, "A model."),
        AddressPart("number", NUMBER, "A version."),
        AddressPart("old", NUMBER, "The version that is compared."),
        AddressPart("new", NUMBER, "The version that it is compared with."),
        AddressPart("choice", TEXT | {"enum": list(CHOICES)}, "The code of applies."),
        AddressPart("job", TEXT, "The id of a job."),
        AddressPart("file", TEXT, "The name of a picture."),
    )
}
# What may stand in a query.
LIMIT = AddressPart("limit", COUNT, f"At most so many, and at most {MAX_LISTED:,}.")
REASON = AddressPart("reason", TEXT, "Why, for the history.")
SINCE = AddressPart("since", TEXT, "Only what is newer than this time, in ISO 8601; UTC where it names no zone.")
STATE = AddressPart("state", TEXT | {"enum": list(State)}, "Only jobs in this state.")
VERSION = AddressPart("version", NUMBER, "The version that answers; without it the current one.")
PARAMETERS = AddressPart("parameters", TEXT, "Parameters of the notebook, each by its name.", prefix="")


def limit_of(request: Request) -> int:
    """Return how many entries a list may have.

    Raises:
        HTTPException: `limit` is no whole number.
    """
    text = request.query_params.get("limit", "")
    if not text:
        return MAX_LISTED
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise HTTPException(400, f"limit is a whole number of at most {MAX_DIGITS} digits.")
    return min(int(text), MAX_LISTED)


def state_of(request: Request) -> State | None:
    """Return the state of the jobs that are listed; None for all.

    Raises:
        HTTPException: `state` is none.
    """
    text = request.query_params.get("state")
    try:
        return State(text) if text is not None else None
    except ValueError as error:
        raise HTTPException(400, f"state is one of {', '.join(State)}.") from error


def check_query(request: Request, known: Sequence[AddressPart]) -> None:
    """Refuse parameters of the query that mean nothing here, and whose wish would not be granted.

    Raises:
        QueryTwice, QueryUnknown: naming the parameter.
    """
    if not request.url.query:
        return
    names = [each.name for each in known if each.prefix is None]
    prefixes = tuple(each.prefix for each in known if each.prefix is not None)
    for name in query_of(request):
        if name not in names and not name.startswith(prefixes):
            raise QueryUnknown(name, [*names, *(f"{each}…" for each in prefixes)], "/v1/openapi.json lists all")


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
