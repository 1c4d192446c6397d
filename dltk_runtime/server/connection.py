"""One HTTP connection: uvicorn's, with a limit on what it would take in and keep for anybody, token or not."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGE = 64 * 1024  # bytes of a piece of an answer that is not held back
LONGEST_HEAD = 64 * 1024  # bytes of a request line with its headers, or of the trailers after a body in chunks


class Connection(HttpToolsProtocol):
    """Ends a connection whose request has a head without end; bodies have a limit of their own (`body`)."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head = 0  # bytes since the request's begin, or since the last piece of its body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, _Gathering(transport)))

    def data_received(self, data: bytes) -> None:
        self._head += len(data)
        super().data_received(data)
        if self._head > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The head of a request may have {LONGEST_HEAD:,} bytes, and this one has more.")

    def on_response_complete(self) -> None:
        self.transport.flush()  # type: ignore[attr-defined]
        super().on_response_complete()

    def on_body(self, body: bytes) -> None:
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head = 0
        super().on_message_complete()


class _Gathering:
    """A transport that sends the head of an answer and its body at once.

    uvicorn writes them apart, and each write would wake the client up. What no end of an answer follows is sent at the
    event loop's next turn.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send `data`, soon."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        if len(data) > LARGE:
            self.flush()  # the transport says when the client does not keep up

    def close(self) -> None:
        """Send what is held, and close."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Send what is held."""
        held, self._held = self._held, []
        if held:
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))
