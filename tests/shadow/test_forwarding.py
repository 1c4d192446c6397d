"""What goes to the old container with a request, and what comes back with its answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from dltk_runtime.server.shadow.forwarding import MARK, Forwarding
from dltk_runtime.server.shadow.kept import KeptRequest, KeptRoom
from dltk_runtime.server.shadow.pace import Pace
from dltk_runtime.server.shadow.upstream import Upstream
from tests.shadow.test_upstream import Raw

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nSet-Cookie: c=d\r\nServer: old\r\nContent-Length: 2\r\n\r\nok"
Header = tuple[bytes, bytes]


class Call:
    """One request as a server gets it, answered through a `Forwarding`; what is sent to its client."""

    def __init__(self, path: str, body: bytes, *headers: Header, query: bytes = b"") -> None:
        self.sent: list[Message] = []
        self.kept: list[KeptRequest] = []
        self._body: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": query,
            "headers": list(headers),
            "dltk.request_id": "id",
            "path_params": {"file": path.rpartition("/")[2]},
        }

    async def _receive(self) -> Message:
        if self._body:
            return self._body.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    async def through(self, upstream: Upstream, token: str = "", route: str = "post", own: bool = False) -> None:
        pace = Pace(lambda: None, lambda: None, lambda: False)
        forwarding = Forwarding(upstream, token, KeptRoom(1000), pace, lambda _: None, self.kept.append)
        if own:  # as if it had forwarded the request itself
            self._scope["headers"] = forwarding._headers(Request(self._scope))
        response = await getattr(forwarding, route)(Request(self._scope, self._receive))
        await response(self._scope, self._receive, self._send)
        await asyncio.sleep(0)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(each["body"] for each in self.sent[1:])


def through(raw: Raw, call: Call, **named: Any) -> Call:
    async def test(upstream: Upstream) -> None:
        await call.through(upstream, **named)

    raw.run(test)
    return call


def test_only_what_the_old_container_needs_goes_to_it() -> None:
    raw = Raw(ANSWER)
    headers = ((b"content-length", b"4"), (b"authorization", b"theirs"), (b"cookie", b"ours=1"), (b"x-other", b"y"))
    call = through(raw, Call("/fit", b"rows", *headers, query=b"a=b%20c"))
    assert raw.got.startswith(b"POST /prefix/fit?a=b%20c HTTP/1.1\r\n")
    assert b"\r\nauthorization: theirs\r\n" in raw.got
    assert b"ours=1" not in raw.got
    assert b"x-other" not in raw.got
    assert (call.status, call.body) == (200, b"ok")
    assert call.headers == {b"content-type": b"a/b", b"content-length": b"2"}
    (kept,) = call.kept
    assert (kept.sent(), kept.answer(), kept.status, kept.complete, kept.answered) == (b"rows", b"ok", 200, True, True)


def test_its_own_token_takes_the_place_of_the_clients() -> None:
    raw = Raw(ANSWER)
    through(raw, Call("/fit", b"", (b"authorization", b"ours"), (b"content-length", b"0")), token="theirs")
    assert b"\r\nauthorization: theirs\r\n" in raw.got
    assert b"ours" not in raw.got


def test_a_picture_takes_no_token_along_and_may_do_nothing_in_a_browser() -> None:
    raw = Raw(ANSWER)
    call = Call("/graphics/a b.png", b"", (b"authorization", b"ours"))
    through(raw, call, token="theirs", route="picture")
    assert raw.got.startswith(b"GET /prefix/graphics/a%20b.png HTTP/1.1\r\n")
    assert b"authorization" not in raw.got
    assert call.headers[b"content-security-policy"] == b"sandbox"
    assert call.kept == []


def test_a_container_that_is_its_own_old_one_says_so() -> None:
    raw = Raw(ANSWER)
    call = through(raw, Call("/fit", b"rows"), own=True)
    assert call.status == 508
    assert "this container itself" in json.loads(call.body)["detail"]
    assert raw.got == b""


def test_a_request_that_another_one_has_forwarded_goes_on() -> None:
    raw = Raw(ANSWER)
    call = through(raw, Call("/fit", b"", (MARK, b"another"), (b"content-length", b"0")))
    assert call.status == 200
    assert raw.got.count(MARK) == 2


def test_a_cut_answer_is_cut_for_the_client_too() -> None:
    call = Call("/apply", b"", (b"content-length", b"0"))
    with pytest.raises(ConnectionAbortedError):
        through(Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), call)
    assert call.sent[-1]["more_body"], "the client could take it for whole"
