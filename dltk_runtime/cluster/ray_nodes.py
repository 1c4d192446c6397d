"""What this runtime uses of Ray: its nodes, one actor on each, and objects.

The only module that imports Ray, and only once the head of the cluster answers: the import takes a
second of a processor. Ray's own second chances are off: what is tried again is this runtime's word.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dltk_runtime.cluster.node import NodeActor
from dltk_runtime.units import MIB

NAMESPACE = "dltk"
RESOURCE = "dltk"  # of which each node for fits has one: ray start --resources '{"dltk": 1}'
CONNECT_SECONDS = 2.0  # to reach the head's port
# For which a node is not used whose name another one has: Ray takes up to half a minute to declare a node dead, and who
# starts it again is quicker.
TWIN_SECONDS = 60.0
CURRENT = Path("/tmp/ray/ray_current_cluster")  # noqa: S108 - where `ray start` writes the head's address
MAX_CALLS = 1000  # of an actor at the same time: each running fit waits for its events in one
OBJECT_BYTES = 512 * MIB  # of Ray's store on the front's machine; what is larger goes to disk
# Replaces itself by the Python command that follows, which gets SIGTERM when this process ends (prctl.h, 1).
_WITH_ITS_PARENT = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
_STARTED = b"Ray runtime started"  # what `ray start` prints once its node is up
_OWN_LABELS = "ray.io/"


class Unreached(Exception):
    """The head or a node does not answer, or Ray reports an error of it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """A node for fits, and its actor. `labels` are texts such as ``kind=a100``."""

    id: str
    name: str
    labels: tuple[str, ...]
    actor: Any
    address: str = ""


class RayNodes:
    """The nodes of one cluster, ``auto`` or ``host:port``: `connect` first."""

    def __init__(self, cluster: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._ray: Any = None
        self._reached: dict[str, Reach] = {}
        self._twins: dict[str, float] = {}  # since when a node has the name of another one, by its id

    def unreachable(self) -> str:
        """Return why the head cannot be reached; empty if it can."""
        address = self._address()
        if not address:
            return "no Ray node runs on this machine"
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except (OSError, ValueError) as error:
            return f"the head of the cluster at {address} does not answer ({error})"
        return ""

    def connect(self) -> None:
        """Become a driver of the cluster, through the Ray node of this machine or one of its own."""
        import ray

        address = self._address()
        if self._cluster != "auto":
            self._start_node(address)
        ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
        self._ray = ray

    def alive(self) -> list[Reach]:
        """Return the nodes for fits that Ray says are alive, each with its actor.

        A node that was declared dead joins under its name again, as another node. Until then Ray says that both are
        alive: the new one is left out, and has the name when the old one is gone, or another one after `TWIN_SECONDS`.

        Raises:
            Unreached: the head does not answer.
        """
        try:
            found = [each for each in self._ray.nodes() if each["Alive"] and RESOURCE in each["Resources"]]
            names = Counter(each["NodeName"] for each in found)
            ids = {each["NodeID"] for each in found}
            self._reached = {known: reach for known, reach in self._reached.items() if known in ids}
            self._twins = {known: since for known, since in self._twins.items() if known in ids}
            for each in found:
                if each["NodeID"] not in self._reached and (name := self._name(each, names[each["NodeName"]])):
                    self._reached[each["NodeID"]] = self._reach(each, name)
        except self._ray.exceptions.RayError as error:
            raise Unreached(f"Ray reports {type(error).__name__}") from error
        return [self._reached[each["NodeID"]] for each in found if each["NodeID"] in self._reached]

    def _name(self, node: dict[str, Any], bearers: int) -> str:
        """Return the name of a node that is new here, of which `bearers` have the same; empty while it has none."""
        if bearers == 1:
            return str(node["NodeName"])
        since = self._twins.setdefault(node["NodeID"], self._clock())
        return f"{node['NodeName']}-{node['NodeID'][:6]}" if self._clock() - since >= TWIN_SECONDS else ""

    def own_address(self) -> str:
        """Return the address of this machine by which the nodes reach it; empty if Ray does not say."""
        try:
            own = self._ray.get_runtime_context().get_node_id()
            return next((each["NodeManagerAddress"] for each in self._ray.nodes() if each["NodeID"] == own), "")
        except self._ray.exceptions.RayError:
            return ""

    def named(self, name: str) -> Reach | None:
        """Return the node of a name."""
        return next((each for each in self._reached.values() if each.name == name), None)

    def drop(self, node: Reach) -> None:
        """Forget a node that does not answer: if it is alive, the next look finds or makes its actor."""
        self._reached.pop(node.id, None)

    def put(self, data: bytes) -> Any:
        """Store bytes as an object of Ray; returns the reference."""
        return self._ray.put(data)

    async def call(self, node: Reach, method: str, *arguments: object, seconds: float) -> Any:
        """Call a method of a node's actor.

        Raises:
            Unreached: the node did not answer in time, or not at all.
        """
        try:
            async with asyncio.timeout(seconds):
                return await getattr(node.actor, method).remote(*arguments)
        except TimeoutError as error:
            raise Unreached(f"it did not answer for {seconds:.0f} s") from error
        except self._ray.exceptions.RayError as error:
            raise Unreached(f"Ray reports {type(error).__name__}") from error

    def forget(self, node: Reach, key: str) -> None:
        """Have a node end a fit and remove its files, without waiting."""
        node.actor.forget.remote(key)

    def _address(self) -> str:
        if self._cluster != "auto":
            return self._cluster
        try:
            return os.environ.get("RAY_ADDRESS") or CURRENT.read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    def _start_node(self, address: str) -> None:
        """Start a Ray node that runs no fits: a driver needs one on its machine. It ends with this process.

        Raises:
            Unreached: it ended before it was up, as on a machine that is too busy.
        """
        command = [
            sys.executable,
            "-c",
            _WITH_ITS_PARENT,
            "-m",
            "ray.scripts.scripts",
            "start",
            "--block",
            "--address",
            address,
        ]
        command += ["--num-cpus", "0", "--num-gpus", "0", "--object-store-memory", str(OBJECT_BYTES)]
        command += ["--node-name", f"front-{socket.gethostname()}", "--disable-usage-stats"]
        environ = os.environ | {"PYTHONUNBUFFERED": "1"}
        node = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        if node.stdout is None or not _is_up(node.stdout):
            raise Unreached(f"the Ray node of this front ended with exit code {node.wait()}")

    def _reach(self, node: dict[str, Any], name: str) -> Reach:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        remote = self._ray.remote(NodeActor).options(
            name=f"node-{node['NodeID']}",
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            resources={RESOURCE: 1},
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=MAX_CALLS,
        )
        own = (f"{key}={value}" for key, value in node["Labels"].items() if not key.startswith(_OWN_LABELS))
        return Reach(node["NodeID"], name, tuple(sorted(own)), remote.remote(), node["NodeManagerAddress"])


def _is_up(printed: IO[bytes]) -> bool:
    """Read what a Ray node prints until it is up; returns False if it ends before. What it prints later is dropped."""
    up = any(_STARTED in line for line in printed)
    threading.Thread(target=deque, args=(printed, 0), daemon=True).start()
    return up
