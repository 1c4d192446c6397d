"""The front's half of the helper process: start it, ask it, wait for its answer for a bounded time."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from dltk_runtime.tracking.address import Address, helper_environment
from dltk_runtime.tracking.facts import TrackingLine
from dltk_runtime.tracking.wire import Answer, Ask, Hello, SendOutcome

ENDED = "the helper process ended"
LATE = "the server did not answer in time"


class _Waiting(NamedTuple):
    """An answer that is waited for, and the process that will give it."""

    process: subprocess.Popen[bytes]
    future: concurrent.futures.Future[Answer]


class TrackingHelper:
    """A process that talks to MLflow; it is started when it is first needed, and again when it ended.

    Any thread may call `ask` and `close`. It cannot read the files `hidden`.
    """

    def __init__(self, address: Address, root: Path, hidden: Sequence[str] = ()) -> None:
        self._address = address
        self._root = str(root)
        self._hidden = list(hidden)
        self._scrubber = address.scrubber()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # over the process, its input and the answers that are waited for
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: dict[int, _Waiting] = {}
        self._closed = False

    def start(self) -> None:
        """Start the process, so that no fit waits for its imports. Never raises."""
        with self._lock, contextlib.suppress(OSError):
            self._running()

    def ask(self, line: TrackingLine, timeout: float, *, now: bool = False) -> Answer:
        """Send one thing and wait for its answer; one for later when none came within `timeout` seconds."""
        number = next(self._numbers)
        future: concurrent.futures.Future[Answer] = concurrent.futures.Future()
        try:
            with self._lock:
                process = self._running()
                self._waiting[number] = _Waiting(process, future)
                _write(process, Ask(number, self._root, line, now))
            answer = future.result(timeout)
        except TimeoutError:
            answer = Answer(number, SendOutcome.LATER, error=LATE)
        except OSError:
            answer = Answer(number, SendOutcome.LATER, error=ENDED)
        finally:
            with self._lock:
                self._waiting.pop(number, None)
        return msgspec.structs.replace(answer, error=self._scrubber.text(answer.error))

    def close(self) -> None:
        """End the process for good."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        """Return the process, started anew where there is none.

        Raises:
            OSError: it cannot be started.
        """
        if self._closed:
            raise ProcessLookupError(ENDED)
        if self._process is not None and self._process.poll() is None:
            return self._process
        Path(self._root).mkdir(parents=True, exist_ok=True)  # Landlock allows what exists
        self._process = process = subprocess.Popen(
            [sys.executable, "-I", "-m", "dltk_runtime.tracking.helper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # MLflow's own log, which may quote the address with its password
            env=helper_environment(),
            start_new_session=True,
        )
        _write(process, Hello(dict(self._address.variables), self._hidden))
        threading.Thread(target=self._read, args=(process,), name="dltk-tracking-answers", daemon=True).start()
        return process

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        """Hand out answers until the process ends."""
        answers = msgspec.json.Decoder(Answer)
        for line in _pipe(process.stdout):
            answer = answers.decode(line)
            with self._lock:
                waiting = self._waiting.pop(answer.number, None)
            if waiting is not None:
                waiting.future.set_result(answer)
        process.wait()
        _pipe(process.stdout).close()
        with contextlib.suppress(OSError):  # what it was sent last is still in the buffer
            _pipe(process.stdin).close()
        with self._lock:
            lost = {number: each for number, each in self._waiting.items() if each.process is process}
            for number in lost:
                del self._waiting[number]
        for number, waiting in lost.items():
            waiting.future.set_result(Answer(number, SendOutcome.LATER, error=ENDED))


def _write(process: subprocess.Popen[bytes], message: Hello | Ask) -> None:
    stream = _pipe(process.stdin)
    stream.write(msgspec.json.encode(message) + b"\n")
    stream.flush()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:  # never: all three are pipes
        raise BrokenPipeError
    return stream
