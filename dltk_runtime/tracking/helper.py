"""The helper process, the only one of the server that imports mlflow: ``python -m dltk_runtime.tracking.helper``.

It reads `wire.Ask` lines and answers each. Those with `now` have a thread of their own, so that a
fit that begins does not wait for what is being sent; so have the steps of running fits.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from dltk_runtime import handover, landlock
from dltk_runtime.tracking.facts import ServerRun
from dltk_runtime.tracking.place import WaitingFolder
from dltk_runtime.tracking.wire import Answer, Ask, Hello, SendOutcome

if TYPE_CHECKING:
    from dltk_runtime.tracking.server import TrackingServer

NICENESS = 5
# Statuses of HTTP by which the server says that this request, and not the server, is at fault.
REFUSED = frozenset({400, 404, 405, 409, 413, 422})


def main() -> None:
    """Answer until the front closes the pipe."""
    handover.hide()
    os.nice(NICENESS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # mlflow prints where a run is
    questions = sys.stdin.buffer
    hello = msgspec.json.decode(questions.readline(), type=Hello)
    landlock.hide(hello.hidden)  # before other threads start
    os.environ.update(hello.variables)
    os.environ.pop("MLFLOW_RUN_ID", None)
    _serve(questions, _writer(answers))
    os._exit(0)  # whatever its threads are waiting for


def _serve(questions: IO[bytes], write: Callable[[Answer], None]) -> None:
    from dltk_runtime.tracking.server import TrackingServer

    server, asks = TrackingServer(), msgspec.json.Decoder(Ask)
    at_once, in_order, beside = (ThreadPoolExecutor(1) for _ in range(3))
    for line in questions:
        ask = asks.decode(line)
        thread = at_once if ask.now else beside if ask.line.what == "steps" else in_order
        thread.submit(_answer, server, ask, write)


def _answer(server: TrackingServer, ask: Ask, write: Callable[[Answer], None]) -> None:
    write(answered(server.send, server.alive, ask))


def answered(send: Callable[[WaitingFolder, Ask], ServerRun | None], alive: Callable[[], bool], ask: Ask) -> Answer:
    """Send one thing; return what became of it."""
    try:
        run = send(WaitingFolder(Path(ask.root)), ask)
    except Exception as error:  # noqa: BLE001 - whatever a client raises, the queue must learn of it
        status = _status(error)
        outcome = SendOutcome.REFUSED if status in REFUSED else SendOutcome.LATER
        text = f"{type(error).__name__}: {error}"
        return Answer(ask.number, outcome, error=text, alive=outcome is SendOutcome.LATER and alive())
    if run is None:
        return Answer(ask.number, SendOutcome.DONE)
    return Answer(ask.number, SendOutcome.DONE, run.run, run.experiment)


def _status(error: Exception) -> int:
    """Return the HTTP status behind an error of MLflow's client; 0 where there is none."""
    get = getattr(error, "get_http_status_code", None)
    return int(get()) if callable(get) else 0


def _writer(stream: IO[bytes]) -> Callable[[Answer], None]:
    lock = threading.Lock()

    def write(answer: Answer) -> None:
        with lock:
            stream.write(msgspec.json.encode(answer) + b"\n")
            stream.flush()

    return write


if __name__ == "__main__":
    main()
