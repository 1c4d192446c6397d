"""Errors of the HTTP server."""

from __future__ import annotations

from collections.abc import Sequence

from dltk_runtime.errors import BodyInvalid, DltkError, RequestError, shown
from dltk_runtime.service.calls import GONE

OUTCOME_GONE = GONE


class TokenMissing(DltkError):
    """The server has no token, and would refuse every request."""

    exit_code = 78

    def __init__(self) -> None:
        super().__init__(
            "api_token is not set, and without it every request would be refused. Set it, for example with: "
            "export api_token=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')"
        )


class AddressInvalid(DltkError):
    """The server cannot listen on its address."""

    exit_code = 69


class MetaTooLarge(BodyInvalid):
    """`meta` has more bytes, values or levels than any search sends."""

    http_status = 413

    def __init__(self, bound: str) -> None:
        super().__init__(f"'meta' may have {bound}, and this one has more. Remove parameters or fields of the search.")


class Unauthorized(RequestError):
    """The token is missing or wrong."""

    http_status = 401

    def __init__(self, headers: int = 1) -> None:
        several = f"The request has {headers} Authorization headers, and none of them counts. " if headers > 1 else ""
        super().__init__(
            f"{several}The request's Authorization header does not carry this container's api_token. "
            "Send 'Authorization: <api_token>', 'Bearer <api_token>' or 'Splunk <api_token>'."
        )


class FormUnknown(RequestError):
    """The Content-Type is none that this route takes."""

    http_status = 415

    def __init__(self, given: str, known: Sequence[str]) -> None:
        super().__init__(f"The Content-Type is {shown(given)}: expected {' or '.join(known)}.")


class CharsetUnknown(RequestError):
    """The Content-Type says that the body's letters are in another code than UTF-8."""

    http_status = 415

    def __init__(self, given: str) -> None:
        super().__init__(f"The charset of the Content-Type is {shown(given)}: send UTF-8.")


class QueryTwice(RequestError):
    """A parameter comes twice in the query."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The query has the parameter {shown(name)} several times: send it once.")


class QueryUnknown(RequestError):
    """The query has a parameter that means nothing here."""

    def __init__(self, name: str, known: Sequence[str], advice: str) -> None:
        expected = " or ".join(known) or "none"
        super().__init__(f"The query has the unknown parameter {shown(name)}: expected {expected}; {advice}.")


class FormUnacceptable(RequestError):
    """Accept names nothing that this route can answer with."""

    http_status = 406

    def __init__(self, given: str, known: Sequence[str]) -> None:
        super().__init__(f"The header Accept is {shown(given)}: expected {' or '.join(known)}, or */*.")


class NoModel(RequestError):
    """A name that is no model's, or a model without a version."""

    http_status = 404

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no model {shown(name)}. A model is named algorithm.model, such as pytorch_nn.iris; "
            "list all with 'dltk models list'."
        )


class VersionInvalid(RequestError):
    """The number of a version is no number."""

    def __init__(self, text: str) -> None:
        super().__init__(f"The version {shown(text)} is invalid: expected a whole number from 1.")


class VersionTwice(RequestError):
    """The path and the query both name a version."""

    def __init__(self, path: str, query: str) -> None:
        super().__init__(
            f"The request names version {shown(path)} in its path and version {shown(query)} in its query: name one."
        )


class ScoringModelMissing(RequestError):
    """Nothing says which model ``/invocations`` means."""

    def __init__(self) -> None:
        super().__init__(
            "The request names no model: add ?model=algorithm.model to the address, or set DLTK_SCORING_MODEL on the "
            "container."
        )
