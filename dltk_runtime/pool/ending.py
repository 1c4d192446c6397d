"""How one worker's process ends: why, what counts as a death, and the signals to its group."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Callable

from dltk_runtime.pool.outcome import DEATH_CHANNEL, cause_of, kind_of

CLOSED_SECONDS = 0.5  # that may pass between the close of a dying process's files and its end


class Ending:
    """The end of a process that leads a group of its own.

    Attributes:
        cause: why it is ended; empty where nobody has decided so.
        kind: of its death, one of `outcome.DEATHS`, where that is known before it.
        begun: whether it was asked to end.
        ended: whether it is gone, and `reap` has seen that.
    """

    def __init__(self, process: subprocess.Popen[bytes], pidfd: int) -> None:
        self.cause = ""
        self.kind = ""
        self.begun = False
        self.ended = False
        self._process = process
        self._pidfd = pidfd
        self._poll = select.poll()
        self._poll.register(pidfd, select.POLLIN)
        self._closed = asyncio.Event()

    def watch(self, on_end: Callable[[], object]) -> None:
        """Call `on_end` when the process is gone."""
        asyncio.get_running_loop().add_reader(self._pidfd, on_end)

    @property
    def decided(self) -> bool:
        """Whether it ends or has ended; checks the process, not what the event loop has seen."""
        return bool(self.begun or self.ended or self._poll.poll(0))

    def blame(self, cause: str, kind: str = "") -> None:
        """Say why it is ended, and of which kind its death is; the first of each counts."""
        self.cause = self.cause or cause
        self.kind = self.kind or kind

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group; nothing once it is gone."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End the whole group at once, without waiting."""
        self.begun = True
        self.signal(signal.SIGKILL)

    def without_channel(self) -> None:
        """Wait for the end of the process; if it does not end, the notebook closed the channel."""
        asyncio.get_running_loop().call_later(CLOSED_SECONDS, self._end_without_channel)

    def _end_without_channel(self) -> None:
        if not self.ended:
            self.blame("closed its channel to the server", DEATH_CHANNEL)
            self.kill()

    def reap(self) -> str:
        """End what an ended process left in its group; returns the kind of its death, empty where it was asked."""
        unasked = not self.begun
        self.kill()  # its own number is taken until `wait`
        status = self._process.wait()
        self.ended = True
        return self.kind or (kind_of(status) if unasked else "")

    @property
    def explanation(self) -> str:
        """What ended it, for the error of a call that ran."""
        return self.cause or cause_of(self._process.returncode)

    def close(self) -> None:
        """Stop watching; whoever waits for the end goes on."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._closed.set()

    async def wait(self) -> None:
        """Wait until the process is gone and everything of it here is closed."""
        await self._closed.wait()
