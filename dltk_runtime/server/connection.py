"""One HTTP connection: uvicorn's, with bounds on what it keeps before a token is accepted.

Bytes are parsed only while no request waits behind another one. The rest of them is kept as it
came, and nothing more is read until the request before is answered::

    socket ─> data_received ─> _parse ─> request, answered at once
                  └─ behind a request that waits: kept ─> reading pauses ─> parsed after the answer

`admission` bounds how many connections there are, and how many bytes they keep; here are the
deadlines of each.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, cast

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from dltk_runtime.server.admission import (
    REASON_BODY,
    REASON_HEAD,
    REASON_HELD,
    REASON_SLOW,
    REASON_STALLED,
    Admission,
    client_address,
)
from dltk_runtime.server.transport import Gathering, WaitingFlow

MAX_HEAD_BYTES = 64 * 1024  # of a request line with its headers, or of the trailers after a chunked body
MAX_HEADERS = 256
MAX_KEPT_BYTES = 16 * 1024  # behind a request that waits, on a connection without an accepted token
PIECE_BYTES = 128  # of heads that are parsed at once, and so all that can wait behind one request
MAX_LATE_BYTES = 16 * 1024  # of a body that are still read, and dropped, after its answer
MAX_UNREAD_BYTES = 4 * 1024  # of answers to a client without an accepted token, before the next one waits

Headers = Sequence[tuple[bytes, bytes]]
KEY = "dltk.connection"  # of a request's scope


class ConnectionStage(Enum):
    """What a connection waits for."""

    HEAD = "head"  # its first, or the rest of one
    BODY = "body"
    ANSWER = "answer"
    CLOSE = "close"  # until the rest of the last answer is read
    NOTHING = "nothing"  # an answer was sent, and nothing has come since


class BoundedConnection(HttpToolsProtocol):
    """Ends a connection that sends an endless or slow head or body.

    The limits of whole bodies are in `body`.
    """

    def __init__(
        self, sock: socket.socket, admission: Admission, is_accepted: Callable[[Headers], bool], **named: Any
    ) -> None:
        """Make the protocol of an accepted `sock`.

        `is_accepted` says whether headers carry an accepted token.
        """
        super().__init__(**named)
        self.address = client_address(sock.getpeername()[0])
        self.accepted = False
        self.held = 0  # kept by `Admission.holds`
        self._sock = sock
        self._admission = admission
        self._is_accepted = is_accepted
        self._stage = ConnectionStage.HEAD
        self._since = self.loop.time()  # it waits, or the start of a window of the body's rate
        self._stalled: float | None = None  # since when its answers are not read
        self._head = 0  # bytes since the start of the request, or since the last piece of its body
        self._missing = 0  # bytes of the body, as announced
        self._window = 0  # bytes of the body since `_since`
        self._begun = 0  # requests
        self._in_head = False
        self._unparsed = b""
        self._on_lost: Callable[[], object] | None = None

    # ------------------------------------------------------------ seen by Admission

    @property
    def idle(self) -> bool:
        """Whether no request is in progress."""
        return self._stage is ConnectionStage.NOTHING

    def overdue(self, now: float) -> str | None:
        """Return the reason why it must end now, if there is one."""
        bounds, waited = self._admission.bounds, now - self._since
        if not self.accepted and self._stalled is not None and now - self._stalled > bounds.body_seconds:
            return REASON_STALLED
        if self._stage is ConnectionStage.CLOSE:
            return REASON_STALLED if waited > bounds.body_seconds and not self.accepted else None
        if self._stage is ConnectionStage.HEAD:
            return REASON_HEAD if waited > bounds.head_seconds else None
        if self._stage is not ConnectionStage.BODY or waited <= bounds.body_seconds:
            return None
        if not self.accepted:
            return REASON_BODY
        slow = self._window < bounds.body_rate * bounds.body_seconds and not self.flow.read_paused
        self._since, self._window = now, 0
        return REASON_SLOW if slow else None

    def end(self) -> None:
        """Close it at once, during a TLS handshake too."""
        if self in self.connections:
            self.transport.abort()
        else:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    # ------------------------------------------------------------ from the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, Gathering(transport)))
        self.flow = WaitingFlow(self.transport, self._is_held)
        transport.set_write_buffer_limits(high=MAX_UNREAD_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        self._admission.leave(self)
        self._unparsed = b""
        self.pipeline.clear()
        super().connection_lost(exc)
        self._say_lost()

    def data_received(self, data: bytes) -> None:
        if self._unparsed:
            data, self._unparsed = self._unparsed + data, b""
        if self._stage is ConnectionStage.NOTHING:
            self._wait_for(ConnectionStage.HEAD)
        self._parse(data)
        waiting = len(self.cycle.body) if self._begun else 0
        size = self._head + len(self._unparsed) + waiting
        if not self.accepted and len(self._unparsed) > MAX_KEPT_BYTES:
            self._admission.expel(self, REASON_HELD)
        elif size or self.held:
            self._admission.holds(self, size)

    def _unsupported_upgrade_warning(self) -> None:
        """Answer in HTTP, as if it did not ask: uvicorn would advise to install a library, at a stranger's request."""

    def pause_writing(self) -> None:
        self._stalled = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled = None
        super().resume_writing()

    # ------------------------------------------------------------ from the parser

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._head = MAX_HEAD_BYTES + 1

    def on_headers_complete(self) -> None:
        self.scope[KEY] = self  # type: ignore[literal-required]
        self._in_head = False
        self._wait_for(ConnectionStage.BODY)
        self._window = 0
        self._missing = _content_length(self.headers)
        if not self.accepted and self._is_accepted(self.headers):
            self.accepted = True
            self._admission.accept(self)
            self.transport.set_write_buffer_limits()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head = 0
        self._missing -= len(body)
        self._window += len(body)
        if not self.cycle.body and not self.cycle.response_complete:  # it goes on as it is: uvicorn copies it twice
            self.cycle.body, body = body, b""  # type: ignore[assignment]
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head = 0
        if self.cycle.response_complete:  # the answer came before the end of the body
            self._wait_for(ConnectionStage.NOTHING)
            self._close_when_unused()
        else:
            self._wait_for(ConnectionStage.ANSWER)
        super().on_message_complete()

    # ------------------------------------------------------------ from the application

    def on_response_complete(self) -> None:
        self.transport.flush()  # type: ignore[attr-defined]
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait_for(ConnectionStage.CLOSE)
            return
        if self.pipeline or not self.cycle.response_complete:
            return
        if self._stage is ConnectionStage.BODY:
            self._await_late_body()
        else:
            self._wait_for(ConnectionStage.HEAD if self._in_head else ConnectionStage.NOTHING)

    def when_lost(self, call: Callable[[], object] | None) -> None:
        """Call `call` when the client hangs up; None ends that. For the request that is being answered."""
        self._on_lost = call
        if call is not None:
            self.flow.resume_reading()  # else an end would not be seen
            if self not in self.connections:  # it has ended already
                self.loop.call_soon(self._say_lost)

    # ------------------------------------------------------------ inside

    def _say_lost(self) -> None:
        if self._on_lost is not None:
            self._on_lost()

    def _parse(self, data: bytes) -> None:
        """Parse, until a request waits behind another one; keep the rest."""
        at = 0
        while at < len(data) and not self.transport.is_closing():
            if self.pipeline:
                self._unparsed = data[at:]
                self.flow.pause_reading()
                return
            size = PIECE_BYTES
            if self._stage is ConnectionStage.BODY:  # one in chunks has no announced length
                size = len(data) if self.accepted and self._missing <= 0 else max(self._missing, PIECE_BYTES)
            piece = data[at : at + size]
            at += size
            self._head += len(piece)
            super().data_received(piece)
            if self._head > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response(
                    f"The head of a request may have {MAX_HEAD_BYTES:,} bytes and {MAX_HEADERS} headers, "
                    "and this one has more."
                )

    def _await_late_body(self) -> None:
        """Read the short rest of an answered request, so that the next one finds the connection open."""
        if 0 < self._missing <= MAX_LATE_BYTES:
            self._wait_for(ConnectionStage.BODY)
            self._window = 0
        else:
            self.transport.close()

    def _close_when_unused(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Answer a request; without an accepted token, further ones wait for their turn."""
        self._begun += 1
        if self.accepted or self._begun == 1:
            super()._start_asgi_task(cycle, app)
        else:
            self._admission.turns.add(lambda: self._start_late(cycle, app))
        if self._unparsed:
            self.loop.call_soon(self._go_on)

    def _start_late(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if not self.transport.is_closing():
            super()._start_asgi_task(cycle, app)

    def _go_on(self) -> None:
        """Parse what was kept, and read again."""
        if not self.transport.is_closing() and not self.pipeline:
            self.data_received(b"")
            self.flow.resume_reading()

    def _is_held(self) -> bool:
        return bool(self.pipeline or self._unparsed)

    def _wait_for(self, stage: ConnectionStage) -> None:
        self._stage, self._since = stage, self.loop.time()


def _content_length(headers: Headers) -> int:
    """Return the announced size of a body, which the parser has checked; 0 if there is none."""
    return next((int(value) for name, value in headers if name == b"content-length"), 0)
