"""Bounds on the connections of clients that have not sent an accepted token, and on all together.

A new connection is always let in, and the oldest one without an accepted token makes room for it: a
client that sends its token at once is never kept out by others that send nothing. Splunk's calls
all come from one address, each on a new connection, so the bound per address does not hold for an
address that sent an accepted token a short time ago.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dltk_runtime import logs
from dltk_runtime.settings import Settings
from dltk_runtime.units import MIB

UNKNOWN_SHARE = 8  # one in this many connections may be without an accepted token
MAX_UNKNOWN_BYTES = 8 * MIB  # of heads and unread requests that all connections without an accepted token hold
RECENT_SECONDS = 600  # after an accepted token in which the bound per address does not apply
MAX_RECENT = 1024  # addresses that are remembered
LOG_SECONDS = 60  # between two log lines for the same reason
OTHER_DESCRIPTORS = 256  # that the server itself needs: files, workers, pipes
IPV6_NETWORK_BITS = 64  # a client has a whole network of them

REASON_CROWDED = "too many connections"
REASON_ADDRESS = "too many connections of one address without an accepted token"
REASON_HELD = "too many bytes of requests without an accepted token"
REASON_HEAD = "no whole head in time"
REASON_BODY = "no whole body without an accepted token in time"
REASON_SLOW = "a body that is too slow"
REASON_STALLED = "an answer that is not read"
REASONS = (
    REASON_CROWDED,
    REASON_ADDRESS,
    REASON_HELD,
    REASON_HEAD,
    REASON_BODY,
    REASON_SLOW,
    REASON_STALLED,
)


@dataclass(frozen=True, slots=True)
class ConnectionBounds:
    """What connections may hold: numbers of connections, seconds, and bytes a second."""

    connections: int
    of_address: int
    head_seconds: float
    body_seconds: float
    body_rate: int

    @classmethod
    def of(cls, settings: Settings, descriptors: int) -> ConnectionBounds:
        """Return the bounds in `settings`, for a process with this limit of descriptors."""
        available = max(descriptors - OTHER_DESCRIPTORS, descriptors // 2, 1)
        return cls(
            connections=min(settings.max_connections, available),
            of_address=settings.max_unknown,
            head_seconds=settings.head_timeout,
            body_seconds=settings.body_timeout,
            body_rate=settings.body_rate,
        )

    @property
    def unknown(self) -> int:
        """Connections without an accepted token, of all addresses."""
        return max(1, self.connections // UNKNOWN_SHARE)


class Admitted(Protocol):
    """A connection as `Admission` sees it."""

    address: str
    held: int  # bytes that wait for the rest of a head, or for the answer before them

    @property
    def idle(self) -> bool:
        """Whether no request is in progress."""
        ...

    def overdue(self, now: float) -> str | None:
        """Return the reason why it must end now, if there is one."""
        ...

    def end(self) -> None:
        """Close it at once."""
        ...


class Admission:
    """All connections of a server; those without an accepted token from oldest to newest."""

    def __init__(self, bounds: ConnectionBounds) -> None:
        self.bounds = bounds
        self.turns = Turns()
        self.counts: Counter[str] = Counter()  # connections that were ended, by reason
        self._all: dict[Admitted, None] = {}
        self._unknown: dict[Admitted, None] = {}
        self._preferred: dict[Admitted, None] = {}  # without a token too, of an address that sent one recently
        self._of_address: dict[str, dict[Admitted, None]] = {}
        self._recent: OrderedDict[str, float] = OrderedDict()
        self._held = 0
        self._logged: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, connection: Admitted) -> bool:
        """Admit a connection, ending another if there are too many; False if all are in use."""
        if len(self._all) >= self.bounds.connections and not self.make_room():
            self._note(REASON_CROWDED, connection.address)
            return False
        self._all[connection] = None
        if self._is_recent(connection.address):
            self._preferred[connection] = None
        else:
            self._unknown[connection] = None
            same = self._of_address.setdefault(connection.address, {})
            same[connection] = None
            if len(same) > self.bounds.of_address:
                self.expel(next(iter(same)), REASON_ADDRESS)
        if len(self._unknown) + len(self._preferred) > self.bounds.unknown:
            self.make_room()
        return True

    def accept(self, connection: Admitted) -> None:
        """Note that a connection has sent an accepted token."""
        self._forget(connection)
        self._recent[connection.address] = time.monotonic() + RECENT_SECONDS
        self._recent.move_to_end(connection.address)
        if len(self._recent) > MAX_RECENT:
            self._recent.popitem(last=False)

    def leave(self, connection: Admitted) -> None:
        """Forget a connection that has ended."""
        if connection in self._all:
            del self._all[connection]
            self._forget(connection)

    def holds(self, connection: Admitted, size: int) -> None:
        """Note how many bytes a connection holds; those without a token share a limit."""
        if connection in self._unknown or connection in self._preferred:
            self._held += size - connection.held
        connection.held = size
        while self._held > MAX_UNKNOWN_BYTES:
            unknown = [*self._unknown, *self._preferred]
            self.expel(max(unknown, key=lambda each: each.held), REASON_HELD)

    def make_room(self) -> bool:
        """End the oldest connection without a token, else one without a request.

        Returns False if there is neither.
        """
        for pool in (self._unknown, self._preferred):
            if pool:
                self.expel(next(iter(pool)), REASON_CROWDED)
                return True
        idle = next((each for each in self._all if each.idle), None)
        if idle is not None:
            self.expel(idle, REASON_CROWDED)
        return idle is not None

    def end_overdue(self, now: float) -> None:
        """End all connections whose time is over."""
        for connection in list(self._all):
            if reason := connection.overdue(now):
                self.expel(connection, reason)

    def expel(self, connection: Admitted, reason: str) -> None:
        """End a connection at once."""
        self.leave(connection)
        self._note(reason, connection.address)
        connection.end()

    def _forget(self, connection: Admitted) -> None:
        """Take a connection from those without an accepted token."""
        if connection in self._preferred:
            del self._preferred[connection]
        elif connection in self._unknown:
            del self._unknown[connection]
            same = self._of_address[connection.address]
            del same[connection]
            if not same:
                del self._of_address[connection.address]
        else:
            return
        self._held -= connection.held

    def _is_recent(self, address: str) -> bool:
        return self._recent.get(address, 0) > time.monotonic()

    def _note(self, reason: str, address: str) -> None:
        """Count an end, and log it unless the last line for this reason is recent."""
        self.counts[reason] += 1
        now = time.monotonic()
        if now >= self._logged.get(reason, 0):
            self._logged[reason] = now + LOG_SECONDS
            fields = {"reason": reason, "client": address, "ended": self.counts[reason], "connections": len(self._all)}
            logs.event("connection ended", logging.WARNING, **fields)


class Turns:
    """Starts further requests of connections without a token, one per turn of the event loop.

    So a connection's first request, which is how Splunk and probes call, waits for one of them at
    most.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def add(self, start: Callable[[], None]) -> None:
        """Start something when it has its turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
        self._waiting.append(start)

    def _next(self) -> None:
        start = self._waiting.popleft()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
        start()


def client_address(host: str) -> str:
    """Return what counts as one address: of IPv6 the network, and IPv4 inside of IPv6 as IPv4."""
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, IPV6_NETWORK_BITS), strict=False))
