"""HTTP Event Collector: send events and metrics in batches, acknowledged if the token requires it.

It uses neither pandas nor splunk-sdk, because the front process sends its own events with it.
"""

from __future__ import annotations

import json
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
from dltk_runtime.splunk.retry import retry
from dltk_runtime.splunk.transport import BUSY_STATUSES, HEADERS, Tls, splunk_client

__all__ = ["Hec"]

MAX_BATCH_EVENTS, MAX_BATCH_BYTES = 1_000, 512 * 1024
ANSWER_SECONDS = 30.0
ACK_POLL_SECONDS = 0.25
EVENT_KEYS = ("event", "time", "host", "source", "sourcetype", "index", "fields")

CODE_OK, CODE_INDEX, CODE_INTERNAL, CODE_BUSY = 0, 7, 8, 9  # of the collector's answers
_TOKEN_CODES = {1: "the token is disabled", 2: "no token", 3: "invalid authorization", 4: "invalid token"}
_ADVICE = {
    7: "Allow this index in the token's settings, and check that it exists on the indexers.",
    10: "The token requires acknowledgement, and the channel header was lost: check for a proxy.",
    11: "The token requires acknowledgement, and the channel header was changed: check for a proxy.",
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
    """Return an event of `data` (text or JSON values); None stands for the token's default."""
    given = {"time": time, "host": host, "source": source, "sourcetype": sourcetype, "index": index, "fields": fields}
    return {"event": data, **{name: value for name, value in given.items() if value is not None}}


def metric(
    values: Mapping[str, float], dimensions: Mapping[str, str] | None = None, *, index: str, time: float | None = None
) -> dict[str, Any]:
    """Return one data point for a metrics index: values by metric name, with dimensions."""
    measures = {f"metric_name:{name}": float(value) for name, value in values.items()}
    return event("metric", time=time, index=index, fields={**measures, **(dimensions or {})})


@dataclass(slots=True)
class Hec:
    """Sender for one collector and token.

    Args:
        url: address of the collector, with or without ``/services/collector``.
        patience: seconds in which a batch is retried, and seconds to wait for an acknowledgement.
            A retried batch may be indexed twice: give events a key of their own, and use ``dedup``
            in searches.
        stop: ends retries and waiting when it is set.
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
        self._http = splunk_client(self.tls, read_seconds=ANSWER_SECONDS)

    @classmethod
    def of(cls, access: Access) -> Hec:
        """Return the sender that `access` describes."""
        return cls(access.hec_url, access.hec_token, access.tls, access.patience)

    def send(self, events: Iterable[Mapping[str, Any]]) -> int:
        """Send events, wait until the collector has accepted all of them, and return their number.

        Args:
            events: dicts with the collector's keys; see `event` and `metric`.

        Raises:
            EventRefused: an event or its index is refused; ``sent`` counts the events accepted
                before it.
            TokenRefused: the token is wrong, disabled or missing.
            SplunkUnreachable, SplunkBusy: for longer than `patience`.
        """
        sent = 0
        try:
            for batch in batches(map(encode, events)):
                self.send_batch(batch)
                sent += len(batch)
        except EventRefused as error:
            raise error.after(sent + error.sent) from error
        return sent

    def send_batch(self, batch: Iterable[bytes]) -> None:
        """Send encoded events in one request and wait for their acceptance. Raises as `send`."""
        body = b"\n".join(batch)
        retry(lambda: self._post(body), self.patience, self.stop)

    def healthy(self) -> bool:
        """Return whether the collector reports that it accepts events."""
        return self._http.request("GET", f"{self.url}/services/collector/health", HEADERS).status == 200

    def close(self) -> None:
        """Interrupt running requests, from any thread."""
        self.stop.set()
        self._http.interrupt()

    def _post(self, body: bytes) -> None:
        answer = self._ask("/services/collector/event", body)
        if "ackId" in answer:
            self._wait_for(int(answer["ackId"]))

    def _wait_for(self, number: int) -> None:
        """Wait until the collector confirms that the events are indexed."""
        path = f"/services/collector/ack?channel={self._channel}"
        body = json.dumps({"acks": [number]}).encode()
        deadline = time.monotonic() + self.patience
        while not self._ask(path, body).get("acks", {}).get(str(number)):
            if time.monotonic() > deadline or self.stop.wait(ACK_POLL_SECONDS):
                raise SplunkBusy(self.url, f"events were accepted, but not acknowledged within {self.patience:.0f} s")

    def _ask(self, path: str, body: bytes) -> dict[str, Any]:
        headers = {
            **HEADERS,
            "Authorization": f"Splunk {self.token}",
            "Content-Type": "application/json",
            "X-Splunk-Request-Channel": self._channel,
        }
        response = self._http.request("POST", self.url + path, headers, body)
        answer = self._parsed(response)
        code = int(answer.get("code", -1 if response.status >= 300 else CODE_OK))
        if response.status < 300 and code == CODE_OK:
            return answer
        pause = response.headers.get("Retry-After")
        raise self._refusal(response.status, code, str(answer.get("text", "")), pause, _accepted(answer))

    def _parsed(self, response: Response) -> dict[str, Any]:
        try:
            return dict(json.loads(response.body))
        except (ValueError, TypeError) as error:
            if response.status in BUSY_STATUSES:  # from a load balancer
                raise SplunkBusy(self.url, f"HTTP {response.status}") from error
            raise AnswerUnreadable(self.url, response.body[:100].decode(errors="replace")) from error

    def _refusal(self, status: int, code: int, text: str, pause: str | None, accepted: int) -> Exception:
        if code in _TOKEN_CODES or status in (401, 403):
            return TokenRefused(self.url, _TOKEN_CODES.get(code, text), "splunk_hec_token")
        if code in (CODE_BUSY, CODE_INTERNAL) or status in {500, *BUSY_STATUSES}:
            return SplunkBusy(self.url, f"{text} (code {code})", float(pause) if pause and pause.isdigit() else 0.0)
        return EventRefused(self.url, code, text, _ADVICE.get(code, _ADVISED_ELSE), accepted)


def _accepted(answer: Mapping[str, Any]) -> int:
    """Return how many events of a request were indexed before the refused one, whose place the answer gives."""
    place = answer.get("invalid-event-number")
    return place if isinstance(place, int) and place > 0 else 0


def base_url(url: str) -> str:
    """Return the collector's address without an endpoint and without a slash at its end."""
    return url.partition("/services/collector")[0].rstrip("/")


def encode(one: Mapping[str, Any]) -> bytes:
    """Return an event as JSON.

    Raises:
        EventRefused: the collector would refuse it: no event, a blank one, an unknown key, values
            that are not JSON.
    """
    problem = _problem(one)
    if not problem:
        try:
            return json.dumps(one, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            problem = f"it cannot be written as JSON: {error}"
    raise EventRefused("(before sending)", 6, f"{shown(str(one), 100)} cannot be sent: {problem}", _ADVISED_ELSE)


def _problem(one: Mapping[str, Any]) -> str:
    if one.get("event") is None or one["event"] == "":
        return "it needs a key 'event' that is not blank"
    if unknown := sorted(set(one) - set(EVENT_KEYS)):
        return f"unknown key {unknown[0]!r}; the collector accepts {', '.join(EVENT_KEYS)}"
    return ""


def batches(encoded: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Group encoded events into requests within the collector's limits, each for one index.

    A refused index then fails a request at its first event, so that none of its events is indexed.
    The events before one that cannot be encoded are a batch of their own.

    Raises:
        EventRefused: as `encode`, after the batch before it.
    """
    batch: list[bytes] = []
    size, index = 0, None
    refused: EventRefused | None = None
    each = iter(encoded)
    while True:
        try:
            one = next(each, None)
        except EventRefused as error:
            refused, one = error, None
        if one is None:
            break
        of_this = json.loads(one).get("index")
        full = len(batch) == MAX_BATCH_EVENTS or size + len(one) > MAX_BATCH_BYTES
        if batch and (full or of_this != index):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size, index = size + len(one) + 1, of_this
    if batch:
        yield batch
    if refused is not None:
        raise refused
