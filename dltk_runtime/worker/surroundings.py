"""What surrounds a worker's code: its directory and streams, and how its process ends and crashes."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, TextIO

from dltk_runtime.worker.options import DUMP_SIGNAL

PR_SET_PDEATHSIG = 1  # linux/prctl.h
OOM_SCORE_ADJ = "500"  # under memory pressure the kernel ends a worker, not the server
_libc = ctypes.CDLL(None, use_errno=True)


class Surroundings:
    """The working directory and the output streams, which are restored for each request.

    What a request prints before the front process has seen the answer to the one ahead of it comes
    through the other one of two pipes: so neither gets the other's.
    """

    def __init__(self, other: int) -> None:
        self._folder = Path.cwd()
        self._pipes = [os.dup(1), other]  # the first is used; neither is inheritable
        self._open_streams()

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Undo what the request before changed, and flush all output at the end."""
        self.restore()
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):  # closed or replaced by the notebook
                    stream.flush()
            _libc.fflush(None)  # output of libraries written in C

    def change_pipes(self) -> None:
        """Print to the other pipe from the next `restore` on."""
        self._pipes.reverse()

    def restore(self) -> None:
        """Undo what a call of the notebook changed."""
        try:
            os.chdir(self._folder)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            os.chdir(self._folder)
        for descriptor in (1, 2):
            os.dup2(self._pipes[0], descriptor)
        if sys.stdout is not self._out or sys.stderr is not self._err or self._out.closed or self._err.closed:
            self._open_streams()

    def _open_streams(self) -> None:
        """Open line-buffered streams; their descriptors stay open if the notebook closes them."""
        sys.stdout, sys.stderr = self._out, self._err = _stream(1), _stream(2)


def _stream(descriptor: int) -> TextIO:
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def die_with(parent: int) -> None:
    """End this process with its parent, and first under memory pressure; write no core dump."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)  # it died before the call above
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(OOM_SCORE_ADJ)
    # Writing gigabytes of core into the working directory would delay the answer.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def report_crashes_to(dump: int) -> None:
    """Let faulthandler dump the stacks on a crash, on `DUMP_SIGNAL`, and on ``os._exit``."""
    faulthandler.enable(file=dump)
    faulthandler.register(DUMP_SIGNAL, file=dump)
    worker, leave = os.getpid(), os._exit

    def exit_with_place(status: int) -> NoReturn:
        if os.getpid() == worker:  # for a forked child this is the ordinary way to end
            faulthandler.dump_traceback(file=dump)
        leave(status)

    os._exit = exit_with_place
