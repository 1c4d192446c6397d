"""Start a worker's process, with everything that connects it to this one."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from dltk_runtime.pool.guardian import Guardian
from dltk_runtime.splunk import access
from dltk_runtime.worker.board import create as create_board
from dltk_runtime.worker.options import WorkerOptions


@dataclass(frozen=True, slots=True)
class Spec:
    """Everything fixed before a worker's first import; workers of one spec are interchangeable."""

    threads: int
    imports: tuple[str, ...] = ()


class Launched(NamedTuple):
    """A worker's process and this side of its connections."""

    process: subprocess.Popen[bytes]
    pidfd: int
    sock: socket.socket  # for answers
    requests: socket.socket
    unread: socket.socket  # the end from which the worker reads its requests
    dump: int  # memory file for faulthandler
    board: int  # memory file for the phases of applies
    outputs: tuple[int, int]  # what it prints, by turns
    on_end: Callable[[], object]  # call once, when the process is gone


def launch(spec: Spec, environ: Mapping[str, str], guardian: Guardian) -> Launched:
    """Start a worker's process.

    Raises:
        OSError: the machine cannot start another process; nothing is left behind.
    """
    with contextlib.ExitStack() as on_failure:
        launched = _launched(spec, environ, guardian, on_failure)
        on_failure.pop_all()
    return launched


def _launched(spec: Spec, environ: Mapping[str, str], guardian: Guardian, on_failure: contextlib.ExitStack) -> Launched:
    def held(descriptor: int) -> int:
        on_failure.callback(os.close, descriptor)
        return descriptor

    folder = guardian.folder()
    on_failure.callback(guardian.clear, folder)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    on_failure.callback(ours.close)
    with theirs:
        requests, unread = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        on_failure.callback(requests.close)
        on_failure.callback(unread.close)
        dump = held(os.memfd_create("dltk-dump", os.MFD_CLOEXEC))
        # Several processes of the worker may write to it, and it is emptied for each call.
        fcntl.fcntl(dump, fcntl.F_SETFL, fcntl.fcntl(dump, fcntl.F_GETFL) | os.O_APPEND)
        board = held(create_board())
        with contextlib.ExitStack() as sent:
            writes = list[int]()
            reads = list[int]()
            for _ in range(2):
                read, write = os.pipe2(os.O_CLOEXEC)
                reads.append(held(read))
                writes.append(write)
                sent.callback(os.close, write)
            passed = (theirs.fileno(), unread.fileno(), writes[1], dump, board)
            options = WorkerOptions(os.getpid(), *passed, spec.imports)
            process = subprocess.Popen(
                [sys.executable, "-m", "dltk_runtime.worker", msgspec.json.encode(options).decode()],
                cwd=f"{folder}/work",
                env={**environ, **guardian.variables(folder)},
                stdin=subprocess.DEVNULL,
                stdout=writes[0],
                stderr=writes[0],
                pass_fds=(*passed, *access.inherited(environ)),
                start_new_session=True,
            )
    for sock in (ours, requests):
        sock.setblocking(False)
    for read in reads:
        os.set_blocking(read, False)
    pidfd = held(os.pidfd_open(process.pid))
    on_end = functools.partial(guardian.clear, folder, process.pid)
    return Launched(process, pidfd, ours, requests, unread, dump, board, (reads[0], reads[1]), on_end)
