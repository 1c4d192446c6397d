"""Splunk's REST API as the doctor asks it: plain HTTP, so that the smallest image can, and nothing is written."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from dltk_runtime.errors import DltkError
from dltk_runtime.settings import Settings

SECONDS = 15  # for one answer


class Refused(DltkError):
    """Splunk answered with an HTTP status that is no success."""

    def __init__(self, url: str, status: int, said: str) -> None:
        super().__init__(f"{url} answers with HTTP {status}: {said}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Rest:
    """Splunk's REST API at one address, as the owner of one token."""

    base: str
    token: str
    context: ssl.SSLContext

    def get(self, path: str) -> tuple[dict[str, Any], str]:
        """The first entry's content of an endpoint, with its acl, and the answer's Date.

        Raises:
            Refused: another status than 200.
            OSError: nobody answers.
        """
        entries, date = self.entries(path)
        return (entries[0] if entries else {}), date

    def entries(self, path: str) -> tuple[list[dict[str, Any]], str]:
        """All entries of an endpoint: name, content and acl of each in one dict."""
        url = f"{self.base}{path}?output_mode=json&count=0"
        status, date, body = send(url, {"Authorization": f"Bearer {self.token}"}, self.context)
        if status != 200:
            raise Refused(url.partition("?")[0], status, said(body))
        found = json.loads(body).get("entry", [])
        return [
            {"name": each.get("name"), "acl": each.get("acl", {}), **each.get("content", {})} for each in found
        ], date


def send(
    url: str, headers: dict[str, str], context: ssl.SSLContext, body: bytes | None = None
) -> tuple[int, str, bytes]:
    """Status, Date and body of one answer, whatever its status.

    Raises:
        OSError: nobody answers, or its certificate is not trusted.
    """
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - from our own settings
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=SECONDS) as answer:
            return answer.status, answer.headers.get("Date", ""), answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers.get("Date", ""), refusal.read()


def context_of(settings: Settings) -> ssl.SSLContext:
    """How Splunk's certificate is checked."""
    context = ssl.create_default_context(cafile=str(settings.splunk_cafile) if settings.splunk_cafile else None)
    if not settings.splunk_verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def said(body: bytes) -> str:
    """The text of an error, as Splunk's JSON carries it, or the beginning of anything else."""
    try:
        answer = json.loads(body)
        messages = answer.get("messages") or [answer]
        return str(messages[0].get("text", answer))
    except (ValueError, AttributeError, LookupError):
        return body[:200].decode(errors="replace").strip() or "nothing"
