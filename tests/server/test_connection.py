"""A piece of a body reaches the application as the object that the parser made of it, not as a copy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from dltk_runtime.server.admission import Admission, ConnectionBounds
from dltk_runtime.server.connection import BoundedConnection

BOUNDS = ConnectionBounds(connections=16, of_address=3, head_seconds=60, body_seconds=60, body_rate=1)
PIECES = (b"a" * 10, b"b" * 1000, b"c" * 300_000)


class Watched(BoundedConnection):
    """Keeps what the parser calls it with."""

    parsed: list[bytes]

    def on_body(self, body: bytes) -> None:
        self.parsed.append(body)
        super().on_body(body)


async def received(*, together: bool) -> tuple[list[bytes], list[bytes]]:
    """What the parser made of a body that is sent piece by piece, and what the application got."""
    parsed: list[bytes] = []
    got: list[bytes] = []
    arrived = asyncio.Semaphore(0)

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        message = {"more_body": True}
        while message["more_body"]:
            message = await receive()
            got.append(message["body"])
            arrived.release()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    config = Config(app)
    config.load()
    listener = socket.create_server(("127.0.0.1", 0))
    with contextlib.closing(listener):
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        accepted, _ = listener.accept()
    accepted.setblocking(False)
    named = {"config": config, "server_state": ServerState(), "app_state": {}}
    protocol = Watched(accepted, Admission(BOUNDS), lambda _: True, **named)
    protocol.parsed = parsed
    await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, accepted)
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % sum(map(len, PIECES)))
    for piece in [b"".join(PIECES)] if together else PIECES:
        writer.write(piece)
        await writer.drain()
        await asyncio.wait_for(arrived.acquire(), 60)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    return parsed, got


def test_a_piece_of_a_body_is_handed_on_without_a_copy() -> None:
    parsed, got = asyncio.run(received(together=False))
    assert b"".join(got) == b"".join(PIECES)
    whole = {id(piece) for piece in parsed}
    assert [len(each) for each in got if len(each) > 10 and id(each) in whole], "each piece was copied"


def test_pieces_that_arrive_together_are_all_there() -> None:
    parsed, got = asyncio.run(received(together=True))
    assert b"".join(parsed) == b"".join(got) == b"".join(PIECES)
