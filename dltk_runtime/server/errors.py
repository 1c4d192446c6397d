"""Errors of the HTTP server."""

from __future__ import annotations

from dltk_runtime.errors import BodyInvalid, DltkError, RequestError

OUTCOME_GONE = "the client hung up"


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
