"""The HTTP Event Collector: one sender for events and metrics, in batches, acknowledged where the token asks for it.

Plain HTTP; imports neither pandas nor splunk-sdk, since the front process sends its own events with it.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dltk_runtime.errors import shown
from dltk_runtime.http_client import HttpClient, Response
from dltk_runtime.splunk.access import Access
from dltk_runtime.splunk.errors import AnswerUnreadable, EventRefused, SplunkBusy, TokenRefused
from dltk_runtime.splunk.retry import again
from dltk_runtime.splunk.transport import BUSY_STATUSES, HEADERS, Tls, splunk_client

MOST_EVENTS, MOST_BYTES = 1_000, 512 * 1024  # of a batch
IDLE = 30.0  # seconds to wait for an answer
LOOK = 0.25  # seconds between two questions for an acknowledgement
KEYS = ("event", "time", "host", "source", "sourcetype", "index", "fields")

OK, INDEX_UNKNOWN, INTERNAL, BUSY, ACK_DISABLED = 0, 7, 8, 9, 14
_TOKEN_CODES = {1: "the token is disabled", 2: "no token", 3: "invalid authorization", 4: "invalid token"}
_ADVICE = {
    7: "Let the token's settings allow this index, and check that it exists on the indexers.",
    10: "The token has acknowledgement on, and the channel was lost on the way: look for a proxy.",
    11: "The token has acknowledgement on, and the channel was changed on the way: look for a proxy.",
}
_ADVISED_ELSE = "Check the event's time, index, fields and sourcetype."


def event(
    data: Any,
    *,
    time: float | None = None,
    host: str | None = None,
    source: str | None = None,
    sourcetype: str | None = None,
    index: str | None = None,
    fields: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One event of `data` (text or what JSON can hold); what is not given is the token's default."""
    given = {"time": time, "host": host, "source": source, "sourcetype": sourcetype, "index": index, "fields": fields}
    return {"event": data, **{name: value for name, value in given.items() if value is not None}}


def metric(
    values: Mapping[str, float], dimensions: Mapping[str, str] | None = None, *, index: str, time: float | None = None
) -> dict[str, Any]:
    """One point of measures for a metrics index, with its dimensions."""
    measures = {f"metric_name:{name}": float(value) for name, value in values.items()}
    return event("metric", time=time, index=index, fields={**measures, **(dimensions or {})})


@dataclass(slots=True)
class Hec:
    """A sender for one collector and token.

    `patience` is for how many seconds a batch is tried again while the collector is down or busy, and how long an
    acknowledgement is waited for; then the batch is sent again, so that Splunk may index it twice. Give events
    a key of their own, and read them through ``dedup``.
    """

    url: str
    token: str = field(repr=False)
    tls: Tls = field(default_factory=Tls)
    patience: float = 30.0
    stop: threading.Event = field(default_factory=threading.Event)
    _channel: str = field(default_factory=lambda: str(uuid.uuid4()))
    _http: HttpClient = field(init=False)

    def __post_init__(self) -> None:
        self.url = base_url(self.url)
        self._http = splunk_client(self.tls, read_seconds=IDLE)

    @classmethod
    def of(cls, access: Access) -> Hec:
        """The sender that `access` describes."""
        return cls(access.hec_url, access.hec_token, access.tls, access.patience)

    def send(self, events: Iterable[Mapping[str, Any]]) -> int:
        """Send events, each with the collector's keys; how many they were. All of them are there when it returns.

        Raises:
            EventRefused: an event or its index is not taken; ``sent`` says how many before it were.
            TokenRefused: the token is wrong, disabled or missing.
            SplunkUnreachable, SplunkBusy: for longer than `patience`.
        """
        sent = 0
        for batch in batches(map(encode, events)):
            try:
                self.send_batch(batch)
            except EventRefused as error:
                raise error.after(sent) from error
            sent += len(batch)
        return sent

    def send_batch(self, batch: Iterable[bytes]) -> None:
        """Send encoded events in one request, and wait until they are there. Raises as `send`."""
        body = b"\n".join(batch)
        again(lambda: self._post(body), self.patience, self.stop)

    def healthy(self) -> bool:
        """Whether the collector says that it takes events."""
        return self._http.request("GET", f"{self.url}/services/collector/health", HEADERS).status == 200

    def close(self) -> None:
        """Break what is under way, from any thread."""
        self.stop.set()
        self._http.interrupt()

    def _post(self, body: bytes) -> None:
        answer = self._ask("/services/collector/event", body)
        if "ackId" in answer:
            self._wait_for(int(answer["ackId"]))

    def _wait_for(self, number: int) -> None:
        """Wait until what the collector took is in an index, and cannot be lost any more."""
        path = f"/services/collector/ack?channel={self._channel}"
        body = json.dumps({"acks": [number]}).encode()
        deadline = time.monotonic() + self.patience
        while not self._ask(path, body).get("acks", {}).get(str(number)):
            if time.monotonic() > deadline or self.stop.wait(LOOK):
                raise SplunkBusy(self.url, f"events were taken, but not acknowledged within {self.patience:.0f} s")

    def _ask(self, path: str, body: bytes) -> dict[str, Any]:
        headers = {
            **HEADERS,
            "Authorization": f"Splunk {self.token}",
            "Content-Type": "application/json",
            "X-Splunk-Request-Channel": self._channel,
        }
        response = self._http.request("POST", self.url + path, headers, body)
        answer = self._parsed(response)
        code = int(answer.get("code", -1 if response.status >= 300 else OK))
        if response.status < 300 and code == OK:
            return answer
        raise self._refusal(response.status, code, str(answer.get("text", "")), response.headers.get("Retry-After"))

    def _parsed(self, response: Response) -> dict[str, Any]:
        try:
            return dict(json.loads(response.body))
        except (ValueError, TypeError) as error:
            if response.status in BUSY_STATUSES:  # a load balancer's own page
                raise SplunkBusy(self.url, f"HTTP {response.status}") from error
            raise AnswerUnreadable(self.url, response.body[:100].decode(errors="replace")) from error

    def _refusal(self, status: int, code: int, text: str, pause: str | None) -> Exception:
        if code in _TOKEN_CODES or status in (401, 403):
            return TokenRefused(self.url, _TOKEN_CODES.get(code, text), "splunk_hec_token")
        if code in (BUSY, INTERNAL) or status in {500, *BUSY_STATUSES}:
            return SplunkBusy(self.url, f"{text} (code {code})", float(pause) if pause and pause.isdigit() else 0.0)
        return EventRefused(self.url, code, text, _ADVICE.get(code, _ADVISED_ELSE))


def base_url(url: str) -> str:
    """Return the collector's address without an endpoint and without a slash at its end."""
    return re.sub(r"/services/collector.*|/+$", "", url)


def encode(one: Mapping[str, Any]) -> bytes:
    """An event as the collector reads it.

    Raises:
        EventRefused: the collector would not take it: no event, a blank one, a key it does not know, no JSON.
    """
    problem = _problem(one)
    if not problem:
        try:
            return json.dumps(one, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            problem = f"it is no JSON: {error}"
    raise EventRefused("(before sending)", 6, f"{shown(str(one), 100)} cannot be sent: {problem}.", _ADVISED_ELSE)


def _problem(one: Mapping[str, Any]) -> str:
    if one.get("event") is None or one["event"] == "":
        return "it needs a key 'event' that is not blank"
    if unknown := sorted(set(one) - set(KEYS)):
        return f"the collector knows no key {unknown[0]!r}, only {', '.join(KEYS)}"
    return ""


def batches(encoded: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Events in requests of a size that the collector takes at once, each for one index.

    An index that is refused fails the request at its first event, so that nothing of it is in Splunk already.
    """
    batch: list[bytes] = []
    size, index = 0, None
    for one in encoded:
        of_this = json.loads(one).get("index")
        full = len(batch) == MOST_EVENTS or size + len(one) > MOST_BYTES
        if batch and (full or of_this != index):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size, index = size + len(one) + 1, of_this
    if batch:
        yield batch
