"""Work for which nobody waits: at the lowest priority, and stopped for a while when others need the cores."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

LOWEST_PRIORITY = 19  # as for the command nice
_NOT_HELD = contextlib.nullcontext()


class Background:
    """Whether somebody waits for what a worker does now.

    Args:
        group: the worker's process group.
        send: sends a signal to it, if it still exists.
    """

    def __init__(self, group: int, send: Callable[[signal.Signals], None]) -> None:
        self.active = False  # nobody waits
        self._group = group
        self._send = send

    def held(self, background: bool) -> AbstractContextManager[None]:
        """Note for the length of a lease whether somebody waits.

        The priority stays the lowest afterwards: only root could raise it again.
        """
        return self._held() if background else _NOT_HELD

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        self.active = True
        with contextlib.suppress(OSError):  # it has ended
            os.setpriority(os.PRIO_PGRP, self._group, LOWEST_PRIORITY)
        try:
            yield
        finally:
            self.leave()

    def leave(self) -> None:
        """Note that somebody waits from now on, if only for its end."""
        self.go_on()
        self.active = False

    def pause(self) -> None:
        """Stop the whole group until `go_on`, if nobody waits for it."""
        if self.active:
            self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Continue after `pause`."""
        if self.active:
            self._send(signal.SIGCONT)
