"""Remove leftover processes and files when a worker ends or its server is killed.

Each worker has a folder of its own, and the folder's path is in its environment as `MARK`.
Every process that notebook code starts inherits it, also one that left the worker's process group
or lost its parent. So one scan of ``/proc`` finds them all, with no privileges beyond those over
one's own processes.

The guardian is a process, since nothing in the server can act once that is killed. Its input is a
pipe that only the server holds: each line has the process id and the folder of a worker that has
ended, and the end of the pipe is the end of the server. This file is run as a script, by path, to
start within milliseconds: it imports the standard library only.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "DLTK_WORKER"
KILL_SECONDS = 10.0  # that killed processes have to be gone
SEMAPHORES = "/dev/shm"  # noqa: S108 - where the C library keeps them
CHECK_SECONDS = 0.005  # between two looks


# ---------------------------------------------------------------- the server's side


class Guardian:
    """Hands out workers' folders, and removes everything with their mark.

    Made when the server starts.
    """

    def __init__(self) -> None:
        self._root = tempfile.mkdtemp(prefix="dltk-")
        self._numbers = itertools.count(1)
        self._process = self._start()

    def folder(self) -> str:
        """Make a worker's folder, with ``work`` to run in and ``scratch`` for temporary files."""
        folder = f"{self._root}/{next(self._numbers)}"
        for each in ("work", "scratch"):
            Path(folder, each).mkdir(parents=True)
        return folder

    def variables(self, folder: str) -> dict[str, str]:
        """Return the variables of a worker: its mark, and its folder for temporary files."""
        temporary = f"{folder}/scratch"
        return {MARK: folder, "TMPDIR": temporary, "JOBLIB_TEMP_FOLDER": temporary}

    def clear(self, folder: str, pid: int = 0) -> None:
        """End the leftovers of the ended worker of `folder`; remove its files. Does not wait."""
        line = f"{pid} {folder}\n".encode()
        try:
            self._send(line)
        except BrokenPipeError:  # the guardian was killed: start another one
            self.close()
            self._process = self._start()
            self._send(line)

    def close(self) -> None:
        """Return when nothing of any worker is left; all must have ended."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _send(self, line: bytes) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(line)

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-S", __file__, self._root]
        return subprocess.Popen(  # without the server's environment, which holds its token
            command, bufsize=0, env={}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )


# ---------------------------------------------------------------- the guardian's side


def main(root: str) -> None:
    """Clean up after each worker named on standard input, and after all of them at its end."""
    for line in sys.stdin:
        pid, folder = line.rstrip("\n").split(" ", 1)
        clear(folder)
        forget_semaphores(pid)
    clear(root)


def clear(folder: str) -> None:
    """End every process whose mark is `folder` or a path in it, then remove `folder`."""
    deadline = time.monotonic() + KILL_SECONDS
    while (found := list(marked(folder))) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(CHECK_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)


def forget_semaphores(pid: str) -> None:
    """Remove a worker's joblib semaphores: joblib's own tracker was ended with the worker."""
    for path in Path(SEMAPHORES).glob(f"sem.loky-{pid}-*"):
        path.unlink(missing_ok=True)


def marked(folder: str) -> Iterator[int]:
    """Return the processes whose mark is `folder` or a path in it.

    An ended process has no environment, so it is not among them.
    """
    mark = f"\0{MARK}={folder}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        environ = _environ(process)
        if mark + b"\0" in environ or mark + b"/" in environ:
            yield int(process.name)


def _environ(process: Path) -> bytes:
    with contextlib.suppress(OSError):  # it has ended, or belongs to another user
        return b"\0" + (process / "environ").read_bytes()
    return b""


if __name__ == "__main__":
    main(sys.argv[1])
