"""The front's end of the helper process: start it when it is first needed, and again when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from dltk_runtime.errors import DltkError
from dltk_runtime.secret_names import variables_without_secrets
from dltk_runtime.server.mcp import wire
from dltk_runtime.server.mcp.wire import Do, Done, Gone, HelperAnswer, HelperRequest, Opening

MODULE = "dltk_runtime.server.mcp"
Run = Callable[[Do], Awaitable[Done]]


class HelperGone(DltkError):
    """The process ended, or did not answer in time."""

    http_status = 503

    def __init__(self, reason: str) -> None:
        super().__init__(f"The process that speaks MCP {reason}. It is started again: repeat the request.")


@dataclass(eq=False, slots=True)
class _Asked:
    """One request on its way, and the tools that it has called."""

    answer: asyncio.Future[HelperAnswer]
    run: Run
    calls: set[asyncio.Task[None]] = field(default_factory=set)


class _Link:
    """One process, from its start to its end."""

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._asked: dict[int, _Asked] = {}
        self.ended = False
        self._reading = asyncio.create_task(self._read())

    async def ask(self, ask: HelperRequest, run: Run, seconds: float) -> HelperAnswer:
        asked = _Asked(asyncio.get_running_loop().create_future(), run)
        self._asked[ask.number] = asked
        try:
            self.send(ask)
            async with asyncio.timeout(seconds):
                return await asked.answer
        except TimeoutError as error:
            raise HelperGone(f"did not answer in {seconds:g} s") from error
        finally:
            del self._asked[ask.number]
            for call in asked.calls:
                call.cancel()
            if not asked.answer.done() or asked.answer.cancelled():
                self.send(Gone(ask.number))

    def send(self, message: Opening | HelperRequest | Gone | Done) -> None:
        """Send a message; to a process that has ended, nothing: `_read` finds its end."""
        with contextlib.suppress(OSError, RuntimeError):
            wire.write(self._writer, message)

    async def _read(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                self._take(await wire.read(self._reader, wire.FROM_HELPER))
        self.ended = True
        self._writer.close()
        for asked in self._asked.values():
            if not asked.answer.done():
                asked.answer.set_exception(HelperGone("has ended"))
        self._process.kill()
        await asyncio.to_thread(self._process.wait)

    def _take(self, message: HelperAnswer | Do) -> None:
        match message:
            case HelperAnswer(number) if (asked := self._asked.get(number)) is not None and not asked.answer.done():
                asked.answer.set_result(message)
            case Do(ask=number) if (asked := self._asked.get(number)) is not None:
                call = asyncio.create_task(self._do(asked, message))
                asked.calls.add(call)
                call.add_done_callback(asked.calls.discard)

    async def _do(self, asked: _Asked, message: Do) -> None:
        self.send(await asked.run(message))


class Child:
    """Keeps one process; used from one event loop."""

    def __init__(self, opening: Opening, seconds: float) -> None:
        """Make the front's end; an answer may take so many `seconds`."""
        self._opening = opening
        self._seconds = seconds
        self._numbers = itertools.count(1)
        self._starting = asyncio.Lock()
        self._link: _Link | None = None

    async def ask(self, headers: Sequence[tuple[str, str]], body: bytes, run: Run) -> HelperAnswer:
        """Have a request answered; `run` calls the tools that it asks for.

        Raises:
            HelperGone: the process ended meanwhile, or did not answer in time.
        """
        async with self._starting:
            if self._link is None or self._link.ended:
                self._link = await self._start()
        return await self._link.ask(HelperRequest(next(self._numbers), list(headers), body), run, self._seconds)

    async def _start(self) -> _Link:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.to_thread(_spawn, theirs.fileno())
        link = _Link(process, *await asyncio.open_connection(sock=ours))
        link.send(self._opening)
        return link


def _spawn(descriptor: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-m", MODULE, str(descriptor)],
        env=variables_without_secrets(os.environ),
        pass_fds=(descriptor,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # the SDK's log repeats what clients sent
        start_new_session=True,
    )
