"""The HTTP Event Collector: events into indexes, every code of it, acknowledgement and health."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dltk_runtime.emulator.standin import IndexedEvent, NotEmulated
from tests.splunkd.answers import Answer, Request, in_json

if TYPE_CHECKING:
    from tests.splunkd.server import Splunkd

CODES = {
    0: (200, "Success"),
    1: (403, "Token disabled"),
    2: (401, "Token is required"),
    3: (401, "Invalid authorization"),
    4: (403, "Invalid token"),
    5: (400, "No data"),
    6: (400, "Invalid data format"),
    7: (400, "Incorrect index"),
    8: (500, "Internal server error"),
    9: (503, "Server is busy"),
    10: (400, "Data channel is missing"),
    11: (400, "Invalid data channel"),
    12: (400, "Event field is required"),
    13: (400, "Event field cannot be blank"),
    14: (400, "ACK is disabled"),
    15: (400, "Error in handling indexed fields"),
    17: (200, "HEC is healthy"),
}
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass
class HecToken:
    """One token: the indexes it may write to (the first is its default), acknowledgement, whether it is disabled."""

    indexes: tuple[str, ...] = ("main",)
    ack: bool = False
    disabled: bool = False


class _Coded(Exception):
    def __init__(self, code: int, number: int | None = None) -> None:
        super().__init__(CODES[code][1])
        self.code, self.number = code, number


@dataclass
class Collector:
    """The routes below ``/services/collector``."""

    splunkd: Splunkd
    tokens: dict[str, HecToken] = field(default_factory=dict)
    requests: list[int] = field(default_factory=list)  # the code that each got
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _open: dict[str, set[int]] = field(default_factory=dict)  # channel → acknowledgements not told yet

    def answer(self, request: Request) -> Answer:
        try:
            answer = self._answer(request)
            self.requests.append(0)
            return answer
        except _Coded as error:
            self.requests.append(error.code)
            more = {} if error.number is None else {"invalid-event-number": error.number}
            return _coded(error.code, **more)

    def _answer(self, request: Request) -> Answer:
        match request.method, request.path.removeprefix("collector").removesuffix("/1.0").strip("/"):
            case "GET", "health":
                return _coded(9 if self.splunkd.faults.collector_full else 17)
            case "POST", "" | "event":
                return self._take(request)
            case "POST", "ack":
                return self._acknowledge(request)
        raise NotEmulated(f"{request.method} {request.path} of the HTTP Event Collector")

    def _take(self, request: Request) -> Answer:
        token = self._token(request)
        channel = self._channel(request) if token.ack else ""
        faults = self.splunkd.faults
        if faults.collector_full:
            raise _Coded(9)
        if faults.collector:
            raise _Coded(faults.collector.popleft())
        if not request.body.strip():
            raise _Coded(5)
        for number, event in enumerate(_objects(request.body)):
            self._index(token, event, number)  # those before a wrong one are indexed
        if not token.ack:
            return _coded(0)
        ack = next(self._numbers)
        self._open.setdefault(channel, set()).add(ack)
        return _coded(0, ackId=ack)

    def _token(self, request: Request) -> HecToken:
        header = request.headers.get("Authorization", "")
        if not header:
            raise _Coded(2)
        scheme, _, value = header.partition(" ")
        if scheme != "Splunk" or not value:
            raise _Coded(3)
        if value not in self.tokens:
            raise _Coded(4)
        if self.tokens[value].disabled:
            raise _Coded(1)
        return self.tokens[value]

    def _channel(self, request: Request) -> str:
        channel = request.headers.get("X-Splunk-Request-Channel") or request.params.get("channel", "")
        if not channel:
            raise _Coded(10)
        if not _GUID.fullmatch(channel):
            raise _Coded(11)
        return channel

    def _acknowledge(self, request: Request) -> Answer:
        if not self._token(request).ack:
            raise _Coded(14)
        waiting = self._open.setdefault(self._channel(request), set())
        told = {}
        for number in json.loads(request.body)["acks"]:
            told[str(number)] = number in waiting and not self.splunkd.faults.hold_acks
            if told[str(number)]:
                waiting.discard(number)  # it is told once
        return in_json({"acks": told})

    def _index(self, token: HecToken, event: Any, number: int) -> None:
        if not isinstance(event, dict):
            raise _Coded(6, number)
        if "event" not in event or event["event"] is None:
            raise _Coded(12, number)
        if event["event"] == "":
            raise _Coded(13, number)
        if (poison := self.splunkd.faults.collector_poison) and poison in json.dumps(event["event"]):
            raise _Coded(6, number)
        index = event.get("index", token.indexes[0])
        if index not in token.indexes or index not in self.splunkd.storage.indexes:
            raise _Coded(7, number)
        fields = event.get("fields", {})
        if not isinstance(fields, dict) or any(isinstance(value, dict) for value in fields.values()):
            raise _Coded(15, number)
        try:
            moment = float(event.get("time", time.time()))
        except (TypeError, ValueError):
            raise _Coded(6, number) from None
        self.splunkd.storage.indexes[index].add(_event(event, fields, moment, self.splunkd.now()))


def _event(event: dict[str, Any], fields: dict[str, Any], moment: float, now: float) -> IndexedEvent:
    data = event["event"]
    extracted = {name: _text(value) for name, value in data.items()} if isinstance(data, dict) else {}
    return IndexedEvent(
        time=moment,
        indexed=now,
        fields={**extracted, **{name: _text(value) for name, value in fields.items()}},
        raw=data if isinstance(data, str) else json.dumps(data),
        host=str(event.get("host", "127.0.0.1")),
        source=str(event.get("source", "http:standin")),
        sourcetype=str(event.get("sourcetype", "httpevent")),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _objects(body: bytes) -> Iterator[Any]:
    """Objects one after another, with or without blanks between them."""
    text, position, number = body.decode(), 0, 0
    decoder = json.JSONDecoder()
    while text[position:].strip():
        position += len(text[position:]) - len(text[position:].lstrip())
        try:
            found, position = decoder.raw_decode(text, position)
        except ValueError:
            raise _Coded(6, number) from None
        yield found
        number += 1


def _coded(code: int, **more: Any) -> Answer:
    status, text = CODES[code]
    return in_json({"text": text, "code": code, **more}, status)
