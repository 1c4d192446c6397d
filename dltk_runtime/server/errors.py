"""dltk_runtime.server.errors."""

from __future__ import annotations

from dltk_runtime.errors import DltkError, RequestError


class TokenMissing(DltkError):
    """The server has no token, so that it could serve nobody."""

    exit_code = 78

    def __init__(self) -> None:
        super().__init__(
            "There is no api_token, and without one every request would be refused. Set one, for example with: "
            "export api_token=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')"
        )


class TracingMissing(DltkError):
    """Tracing is asked for, and nothing is installed that could do it."""

    exit_code = 78

    def __init__(self) -> None:
        super().__init__(
            "olly_enabled asks for traces, and splunk-opentelemetry is not installed. "
            "Install it with 'pip install splunk-opentelemetry', or unset olly_enabled."
        )


class AddressInvalid(DltkError):
    """The server cannot listen where it was told to."""

    exit_code = 69


class Unauthorized(RequestError):
    """No token, or another one than the container's."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__(
            "The request's Authorization header does not carry this container's api_token. "
            "Send 'Authorization: <api_token>', 'Bearer <api_token>' or 'Splunk <api_token>'."
        )
