"""What a connection puts between uvicorn and its socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl

MAX_GATHERED_BYTES = 64 * 1024  # a larger piece of an answer is sent at once


class WaitingFlow(FlowControl):
    """Reads nothing while a request waits behind another one."""

    def __init__(self, transport: asyncio.Transport, is_held: Callable[[], bool]) -> None:
        super().__init__(transport)
        self._is_held = is_held

    def resume_reading(self) -> None:
        if not self._is_held():
            super().resume_reading()


class Gathering:
    """A transport that sends the head of an answer together with its body.

    uvicorn writes them separately, and each write would wake the client. What is not followed by
    the end of an answer is sent at the event loop's next turn.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held: list[bytes] = []
        self.is_closing = transport.is_closing  # asked for several times a request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send `data`, soon."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        if len(data) > MAX_GATHERED_BYTES:
            self.flush()  # the transport reports when the client does not keep up

    def close(self) -> None:
        """Send what is held, and close."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Send what is held."""
        held, self._held = self._held, []
        if held:
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))
