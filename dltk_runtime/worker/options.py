"""How a worker is started and, at its end, asked where it is."""

from __future__ import annotations

import signal

import msgspec

DUMP_SIGNAL = signal.SIGRTMIN + 1  # makes a worker dump its stack, before it is ended


class WorkerOptions(msgspec.Struct, frozen=True):
    """The argument on a worker's command line, as JSON."""

    parent: int  # process id of the front process
    channel: int  # descriptor of the socket for answers
    requests: int  # descriptor of the socket for requests
    output: int  # descriptor of the pipe that takes turns with standard output
    dump: int  # descriptor of the memory file for faulthandler
    board: int  # descriptor of the page for the phases of applies
    imports: tuple[str, ...] = ()  # modules to import before the first request
