"""Errors of calls to a container."""

from __future__ import annotations

from http import HTTPStatus

from dltk_runtime.errors import DltkError, shown

NEXT_STEP = "Give the token of this container with --token, or as DLTK_TOKEN or api_token."


class ApiRefused(DltkError):
    """The container refused a request under ``/v1``; `detail` is its explanation."""

    def __init__(self, url: str, status: int, detail: str) -> None:
        advice = f" {NEXT_STEP}" if status == HTTPStatus.UNAUTHORIZED else ""
        super().__init__(f"{detail} (HTTP {status} from {url}){advice}")
        self.http_status = status


class Unreachable(DltkError):
    """The container does not answer; `url` is its configured address."""

    http_status = 502

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(
            f"No answer from the container at {url}: {cause}. Check that it is running, that --url (or DLTK_URL) has "
            "its scheme (http or https), host and port, and for https that --cafile (or DLTK_CAFILE) names its "
            "certificate."
        )


class ReplyUnreadable(DltkError):
    """An answer that is not the JSON of protocol 1.3.

    The text begins as Splunk's own message does.
    """

    http_status = 502

    def __init__(self, url: str, answer: str, body: str, advice: str = "") -> None:
        super().__init__(
            f"unable to read JSON response from {url}: {answer}, and its body begins {shown(body, 200)}."
            + (f" {advice}" if advice else "")
        )


class ConsoleMissing(DltkError):
    """The container answers, and shows no console."""

    http_status = 404

    def __init__(self, url: str, status: int) -> None:
        super().__init__(
            f"The container has no console: HTTP {status} from {url}. DLTK_CONSOLE=false turns it off, and older "
            "containers have none."
        )
