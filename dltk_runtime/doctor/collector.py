"""Checks of the HTTP Event Collector: reachable, token accepted, index accepted."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator

from dltk_runtime.doctor.finding import Finding, error, ok, skipped
from dltk_runtime.doctor.rest import ANSWER_SECONDS, NoAnswer, checking_client
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.access import of_settings
from dltk_runtime.splunk.answers import text_of
from dltk_runtime.splunk.errors import EventRefused
from dltk_runtime.splunk.events import SOURCETYPE
from dltk_runtime.splunk.hec import Hec, base_url, event

# Codes that imply an accepted token: 0 success, 5 no data, 6 invalid data, 10 no channel (the token
# requires acknowledgement), 12 no event, 13 a blank event.
TOKEN_ACCEPTED_CODES = {0, 5, 6, 10, 12, 13}


def collector(settings: Settings) -> Iterator[Finding]:
    """Check that the collector accepts our token, with a request that it refuses as empty."""
    if not settings.hec:
        yield skipped(
            "collector",
            "no HTTP Event Collector is configured",
            "Set splunk_hec_enabled=1, splunk_hec_url, _token to check it.",
        )
        return
    if not _complete(settings):
        yield error("collector", "splunk_hec_url or splunk_hec_token is missing", "Set both.")
        return
    base = base_url(settings.hec_url)
    url, client = f"{base}/services/collector", checking_client(of_settings(settings).tls.context)
    authorization = {"Authorization": f"Splunk {settings.hec_token}"}
    try:
        health = client.request("GET", f"{url}/health", authorization)
        empty = client.request("POST", f"{url}/event", authorization, b"")
    except NoAnswer as failure:
        advice = "Check splunk_hec_url (https://host:8088), the firewall, and that the collector is enabled globally."
        yield error("collector", failure.sentence, advice)
        return
    if health.status != 200:
        text = f"{base} is not healthy: HTTP {health.status}"
        yield error("collector", text, "Check its queues, or try again later.")
    yield _taken(base, empty.body)


def index(settings: Settings) -> Iterator[Finding]:
    """Check that the collector accepts an event for our index, which only a real event shows.

    Raises:
        SplunkError: the request failed before the collector read the event.
    """
    if not _complete(settings):
        return  # `collector` reports it
    wanted = f"the index {settings.events_index}" if settings.events_index else "the token's default index"
    data = {"kind": "doctor", "id": uuid.uuid4().hex, "message": "dltk doctor checks whether events arrive"}
    tried = event(
        data, host=socket.gethostname(), source="dltk", sourcetype=SOURCETYPE, index=settings.events_index or None
    )
    access = of_settings(settings)
    try:
        Hec(access.hec_url, access.hec_token, access.tls, patience=ANSWER_SECONDS).send([tried])
    except EventRefused as refused:
        address, code, answer, advice = refused.facts
        yield error("index", f"{address} answers an event for {wanted} with code {code}: {answer}", advice)
    else:
        yield ok("index", f"an event for {wanted} was accepted (kind=doctor, id={data['id']})")


def unsent(settings: Settings) -> Iterator[Finding]:
    """Report that no event was sent; runs in place of `index` without ``--send-event``."""
    if _complete(settings):
        advice = "dltk doctor --send-event sends one, to check that the token may write to its index."
        yield skipped("index", "no event was sent", advice)


def _complete(settings: Settings) -> bool:
    return bool(settings.hec and settings.hec_url and settings.hec_token)


def _taken(base: str, body: bytes) -> Finding:
    try:
        answer = json.loads(body)
        code, text = int(answer["code"]), answer.get("text", answer)
    except (ValueError, KeyError, TypeError):
        text = text_of(body) or "nothing"
        return error("collector", f"{base} is not an HTTP Event Collector: {text}", "Correct splunk_hec_url.")
    if code in TOKEN_ACCEPTED_CODES:
        return ok("collector", f"{base} accepts the token")
    return error("collector", f"{base} refuses the token: {text}", "Create a token in Splunk, and enable it.")
