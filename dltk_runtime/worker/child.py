"""The worker's side: start, receive a request, run its steps, answer, until the other side is gone."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from dltk_runtime import settings
from dltk_runtime.worker import channel
from dltk_runtime.worker.messages import (
    Apply,
    Describe,
    Entered,
    ErrorReport,
    Failed,
    Fit,
    FromWorker,
    Load,
    Ready,
    Stage,
    ToWorker,
)

# The front process sends this signal to learn where a worker is, before it ends it.
DUMP_SIGNAL = signal.SIGRTMIN + 1
PR_SET_PDEATHSIG = 1  # linux/prctl.h
FIRST_TO_GO = "500"  # oom_score_adj: under memory pressure the kernel ends a worker, not the server
LOW_PRIORITY = 10  # niceness of a fit


class Options(msgspec.Struct, frozen=True):
    """What the front process passes on the command line, as JSON."""

    parent: int  # its process id
    channel: int  # descriptor of the socket
    dump: int  # descriptor of the memory file for faulthandler
    imports: tuple[str, ...] = ()  # modules to import before the first request


def main(options_json: str) -> int:
    """Serve requests until the front process closes the channel."""
    options = msgspec.json.decode(options_json, type=Options)
    _die_with(options.parent)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a job's log shows lines as they are printed
    _report_crashes_to(options.dump)
    for descriptor in (options.channel, options.dump):
        os.set_inheritable(descriptor, False)  # children of the notebook's must not hold them open
    with tempfile.TemporaryDirectory(prefix="dltk-worker-", ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        _import(options.imports)
        sock = socket.socket(fileno=options.channel)
        with contextlib.suppress(channel.ChannelClosed):
            _serve(sock, folder)
    # Threads that the notebook left running must not hold the process.
    os._exit(0)


def _serve(sock: socket.socket, folder: str) -> NoReturn:
    from dltk_runtime.worker.steps import Steps  # imports pandas: after the settings that must come before it

    def tell(entered: Entered) -> None:
        channel.send(sock, entered)

    steps = Steps(settings.worker_paths(), tell)
    channel.send(sock, Ready())
    standing, worker = _Standing(folder), os.getpid()
    while True:
        message, blob = channel.receive(sock, channel.TO_WORKER)
        with standing.restored():
            answer, result = _answer(steps, message, blob)
        if os.getpid() != worker:
            os._exit(0)  # a fork that the notebook let return: the answer is the worker's to give
        del blob
        channel.send(sock, answer, result)
        gc.collect(0)


def _answer(steps: Any, message: ToWorker, blob: channel.Blob) -> tuple[FromWorker, bytes]:
    from dltk_runtime.worker.steps import StepFailed

    try:
        match message:
            case Fit():
                os.nice(LOW_PRIORITY)
                return steps.fit(message, blob)  # type: ignore[no-any-return]
            case Load():
                return steps.load(message), b""
            case Apply():
                return steps.apply(message, blob)  # type: ignore[no-any-return]
            case Stage():
                return steps.stage(message.csv, blob), b""
            case Describe():
                return steps.describe(), b""
    except StepFailed as failure:
        return Failed(failure.report), b""
    except Exception as error:  # noqa: BLE001 - a fault of our own must not look like the worker's death
        report = ErrorReport("runtime", f"fault in the runtime: {error!r}", "", traceback.format_exc())
        return Failed(report), b""


class _Standing:
    """Working folder and output as every request may expect them, whatever the one before did."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._output = os.dup(1)
        os.set_inheritable(self._output, False)

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        Path(self._folder).mkdir(exist_ok=True)
        os.chdir(self._folder)
        for descriptor in (1, 2):
            os.dup2(self._output, descriptor)
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):  # closed or replaced by the notebook
                    stream.flush()


def _die_with(parent: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)  # it died before the kernel knew what we want
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(FIRST_TO_GO)


def _report_crashes_to(dump: int) -> None:
    """Let faulthandler write where the main thread is, on a crash, on `DUMP_SIGNAL`, and on ``os._exit``."""
    faulthandler.enable(file=dump, all_threads=False)
    faulthandler.register(DUMP_SIGNAL, file=dump, all_threads=False)
    worker, leave = os.getpid(), os._exit

    def exit_with_place(status: int) -> NoReturn:
        if os.getpid() == worker:  # not in a fork, for which this is the ordinary way to end
            faulthandler.dump_traceback(file=dump, all_threads=False)
        leave(status)

    os._exit = exit_with_place


def _import(modules: tuple[str, ...]) -> None:
    """Do the imports that make a start slow; one that fails will fail again, with coordinates, in the notebook."""
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - whatever a library raises while it is imported
            sys.stderr.write(f"import of {name} failed: {error!r}\n")
