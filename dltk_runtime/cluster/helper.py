"""The front's side of its helper process: start it, start it again when it ends, pass messages on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable

import msgspec

from dltk_runtime import logs
from dltk_runtime.cluster.apply_messages import ApplyEnded, Copies, Counted, Drop
from dltk_runtime.cluster.link import Link
from dltk_runtime.cluster.messages import (
    FROM_HELPER,
    Cancel,
    Ended,
    Event,
    FromHelper,
    Lost,
    Meet,
    Nodes,
    ToHelper,
)
from dltk_runtime.cluster.remote import Order, RemoteWorker
from dltk_runtime.cluster.remote_apply import Taker
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.pool.worker import Listener, discard
from dltk_runtime.secret_names import variables_without_secrets

MODULE = "dltk_runtime.cluster.driver"
AGAIN_SECONDS = 2.0  # between the end of a helper and the start of the next one
STARTING = "its helper process starts"
ENDED = "its helper process ended, and is started again"


class Helper:
    """Keeps one helper process; `on_change` is called when `nodes` has changed.

    `on_counted` takes the counts of rows of applies that no answer has carried, `on_copies` what nodes keep.
    """

    def __init__(self, cluster: str, on_change: Callable[[], None]) -> None:
        self._cluster = cluster
        self._origin = ""
        self._on_change = on_change
        self._link: Link[FromHelper] | None = None
        self._workers: dict[str, Taker] = {}
        self.on_counted: Callable[[Counted], object] = discard
        self.on_copies: Callable[[Copies], object] = discard
        self._keeping: asyncio.Task[None] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.nodes = Nodes(problem=STARTING)
        self._reached = asyncio.Event()  # set while `nodes` has no problem

    def start(self, origin: str = "") -> None:
        """Start the process, and keep one until `close`; `origin` names the home of this front."""
        self._origin = origin
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """End the process; fits on other nodes end with it."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    @property
    def pid(self) -> int | None:
        """The process id, while one runs."""
        return self._process.pid if self._process is not None else None

    def worker(self, order: Order, listener: Listener) -> RemoteWorker:
        """Make the worker of a fit on another node; `release` it afterwards."""
        worker = RemoteWorker(order, self.send, listener)
        self.register(order.key, worker)
        return worker

    def release(self, worker: RemoteWorker) -> None:
        """Take no more messages for a worker."""
        self.release_key(worker.order.key)

    def register(self, key: str, taker: Taker) -> None:
        """Have the messages about a call taken; `release_key` it afterwards."""
        self._workers[key] = taker

    def release_key(self, key: str) -> None:
        """Take no more messages about a call."""
        self._workers.pop(key, None)

    async def reach(self, seconds: float) -> None:
        """Wait until the nodes can be reached, for `seconds` at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._reached.wait(), seconds)

    # ------------------------------------------------------------ the process

    async def _keep(self) -> None:
        while True:
            ended = asyncio.Event()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = self._start(theirs)
            self._link = Link(ours, FROM_HELPER, self._take, ended.set)
            try:
                await ended.wait()
            finally:
                await self._clear()
            self._say(Nodes(problem=self.nodes.problem or ENDED))
            await asyncio.sleep(AGAIN_SECONDS)

    def _start(self, sock: socket.socket) -> subprocess.Popen[bytes]:
        options = msgspec.json.encode(
            {"channel": sock.fileno(), "cluster": self._cluster, "origin": self._origin}
        ).decode()
        ray = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
        return subprocess.Popen(
            [sys.executable, "-m", MODULE, options],
            env=variables_without_secrets(os.environ) | ray,
            pass_fds=(sock.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # Ray writes there what it likes; its own logs are in /tmp/ray
            stderr=subprocess.DEVNULL,
        )

    async def _clear(self) -> None:
        """End what is left of a helper; the fits that it ran are lost."""
        link, self._link = self._link, None
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.to_thread(process.wait)
        if link is not None:
            await link.close()
        for worker in list(self._workers.values()):
            worker.lose("the helper process of this front ended")

    # ------------------------------------------------------------ messages

    async def send(self, message: ToHelper, rows: Payload = NO_ROWS) -> None:
        """Send a message; without a helper the call that it begins is lost."""
        if self._link is not None:
            await self._link.send(message, rows)
        elif not isinstance(message, Cancel | Meet | Drop) and (worker := self._workers.get(message.key)) is not None:
            worker.lose("the helper process of this front does not run")

    def _take(self, message: FromHelper, rows: Payload) -> None:
        match message:
            case Nodes():
                self._say(message)
            case Counted():
                self.on_counted(message)
            case Copies():
                self.on_copies(message)
            case Event(key) | Ended(key) | Lost(key) | ApplyEnded(key) if (
                worker := self._workers.get(key)
            ) is not None:
                worker.take(message, rows)

    def _say(self, nodes: Nodes) -> None:
        """Keep what is known of the nodes; a change of the problem, or of a node's refusal, is logged."""
        before, self.nodes = self.nodes, nodes
        if nodes.problem:
            self._reached.clear()
        else:
            self._reached.set()
        if nodes.problem and nodes.problem != before.problem:
            message = f"{nodes.problem}; what needs another machine waits"
            logs.event("cluster", logging.WARNING, message=message)
        elif before.problem and not nodes.problem:
            logs.event("cluster", message="the nodes can be reached")
        known = {each.name: each.refused for each in before.nodes}
        for each in nodes.nodes:
            if each.refused and each.refused != known.get(each.name):
                logs.event("cluster", logging.WARNING, node=each.name, message=f"no fit runs there: {each.refused}")
        if nodes != before:
            self._on_change()
