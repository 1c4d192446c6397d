"""Read-only calls of Splunk's REST API for the checks, without splunk-sdk."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from dltk_runtime.errors import DltkError
from dltk_runtime.http_client import HttpClient
from dltk_runtime.splunk.answers import text_of
from dltk_runtime.splunk.transport import Tls

ANSWER_SECONDS = 15.0


class NoAnswer(DltkError):
    """A request got no answer; `cause` is the network's failure."""

    def __init__(self, origin: str, cause: OSError) -> None:
        super().__init__(f"{origin} cannot be reached: {cause}")
        self.cause = cause


class Refused(DltkError):
    """Splunk answered with another HTTP status than 200."""

    def __init__(self, url: str, status: int, answer: str) -> None:
        super().__init__(f"{url} answers with HTTP {status}: {answer}")
        self.status = status


def checking_client(context: Callable[[], ssl.SSLContext], seconds: float = ANSWER_SECONDS) -> HttpClient:
    """Make a client that raises `NoAnswer` and waits at most `seconds` for each step."""
    return HttpClient(context, NoAnswer, connect_seconds=seconds, read_seconds=seconds)


@dataclass(frozen=True, slots=True)
class Rest:
    """Splunk's REST API at one address, as the owner of one token; `seconds` bound each step."""

    base: str
    token: str
    tls: Tls
    seconds: float = ANSWER_SECONDS

    def get(self, path: str) -> tuple[dict[str, Any], str]:
        """Return the first entry of an endpoint, or an empty dict, and the answer's Date header.

        Raises:
            Refused: the status is not 200.
            NoAnswer: nothing answers, or with a certificate that is not trusted.
        """
        entries, date = self.entries(path)
        return (entries[0] if entries else {}), date

    def entries(self, path: str, **query: str) -> tuple[list[dict[str, Any]], str]:
        """Return all entries of an endpoint and the answer's Date header. Raises as `get`.

        The dict of an entry has its name, its acl, and its content's fields.
        """
        url = f"{self.base}{path}?{urlencode({'output_mode': 'json', 'count': '0'} | query)}"
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = checking_client(self.tls.context, self.seconds).request("GET", url, headers)
        if answer.status != 200:
            raise Refused(url.partition("?")[0], answer.status, text_of(answer.body) or "nothing")
        found = json.loads(answer.body).get("entry", [])
        entries = [{"name": each.get("name"), "acl": each.get("acl", {}), **each.get("content", {})} for each in found]
        return entries, answer.headers.get("Date", "")
