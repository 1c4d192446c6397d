"""The helper's end of the way to the front: requests come in, calls of tools go out."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from dltk_runtime.server.mcp import wire
from dltk_runtime.server.mcp.wire import Do, Done, Gone, HelperAnswer, HelperRequest
from dltk_runtime.units import MIB

if TYPE_CHECKING:
    from starlette.applications import Starlette

MAX_ANSWER_BYTES = 64 * MIB
NUMBER = "dltk.request"  # in the scope of a request: the number of its `HelperRequest`


class Failed(Exception):
    """A tool that failed, with the front's words."""


class Front:
    """The front's end: takes requests from there, and has tools called there."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Task[None]] = {}
        self._calls: dict[int, asyncio.Future[bytes]] = {}

    async def call(self, scope: Mapping[str, Any], tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Have the front call a tool for the request of `scope`.

        Raises:
            Failed: it did not do it, with the reason.
        """
        number = next(self._numbers)
        self._calls[number] = future = asyncio.get_running_loop().create_future()
        try:
            wire.write(self._writer, Do(number, scope[NUMBER], tool, msgspec.json.encode(arguments)))
            found: dict[str, Any] = json.loads(await future)
        finally:
            del self._calls[number]
        return found

    async def serve(self, application: Starlette) -> None:
        """Answer requests until the front closes its end."""
        while True:
            match await wire.read(self._reader, wire.TO_HELPER):
                case HelperRequest() as ask:
                    task = asyncio.create_task(self._answer(application, ask))
                    self._asked[ask.number] = task
                    task.add_done_callback(functools.partial(self._forget, ask.number))
                case Gone(number) if (asked := self._asked.get(number)) is not None:
                    asked.cancel()
                case Done() as done if (call := self._calls.get(done.number)) is not None and not call.done():
                    if done.error:
                        call.set_exception(Failed(done.error))
                    else:
                        call.set_result(done.result)

    def _forget(self, number: int, _: object) -> None:
        self._asked.pop(number, None)

    async def _answer(self, application: Starlette, ask: HelperRequest) -> None:
        """Run one request through the SDK's application, and send its answer."""
        sent, status, headers, body = False, 500, [], bytearray()

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent:
                await asyncio.Event().wait()  # who hangs up is told by `Gone`
            sent = True
            return {"type": "http.request", "body": ask.body, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in message["headers"]]
            else:
                body.extend(message.get("body", b""))

        try:
            await application(_scope(ask), receive, send)
        except Exception:  # noqa: BLE001 - whatever the SDK raises, the client gets an answer
            status, headers, body = 500, [], bytearray()
        if len(body) > MAX_ANSWER_BYTES:  # such as a list of all that is wrong with a request
            status, headers, body = 400, [], bytearray(b"The answer would be too large.")
        wire.write(self._writer, HelperAnswer(ask.number, status, headers, bytes(body)))
        await self._writer.drain()


def _scope(ask: HelperRequest) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in ask.headers],
        "client": None,
        "server": None,
        NUMBER: ask.number,
    }
