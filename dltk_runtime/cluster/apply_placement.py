"""Decide where the applies of a version run: a pure function of what it asks for and of the machines.

::

    where its worker is ──┐
    what it asks for    ──┼──> place ──> a machine, or none
    machines            ──┘

Applies stay where their worker is. Without one they go to the front's own machine if that has what
they ask for and a place; else to a node, one that has the version first. They are many and short, and
none waits for a turn here: a machine without a free place ends the worker that was idle longest, as one
machine does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApplyNeed:
    """What the applies of a notebook ask of the machine: a GPU, a label."""

    gpu: bool = False
    label: str = ""

    @property
    def asks(self) -> bool:
        """Whether they ask for anything."""
        return self.gpu or bool(self.label)


@dataclass(frozen=True, slots=True)
class Host:
    """A machine for applies.

    Attributes:
        places: for apply workers, each of which has one version loaded.
        taken: places that have one.
        has_it: whether the version that is placed is loaded there.
        here: whether it is the front's own machine.
    """

    name: str
    places: int
    taken: int = 0
    has_it: bool = False
    gpus: int = 0
    labels: frozenset[str] = frozenset()
    here: bool = False

    @property
    def free(self) -> int:
        """Places without a worker."""
        return self.places - self.taken

    @property
    def has_room(self) -> bool:
        """Whether no other version has to leave for this one."""
        return self.has_it or self.free > 0

    def can_serve(self, need: ApplyNeed) -> bool:
        """Return whether it has what is asked for."""
        return (not need.label or need.label in self.labels) and (not need.gpu or self.gpus > 0)


def place(need: ApplyNeed, hosts: Collection[Host], stays: str = "", *, spread: bool) -> str:
    """Return the name of the machine for a version's applies; empty if none has what they ask for.

    Args:
        need: what they ask for.
        hosts: the machines that can be reached.
        stays: that with the version's worker, as far as this front knows; empty without one.
        spread: whether applies that ask for nothing may leave the front's machine when it has no room.
    """
    able = [host for host in hosts if host.can_serve(need) and (host.here or spread or need.asks)]
    if any(host.name == stays for host in able):
        return stays
    best = min(able, key=lambda host: _rank(need, host), default=None)
    return best.name if best else ""


def _rank(need: ApplyNeed, host: Host) -> tuple[object, ...]:
    """Return what is compared: room, the front's own machine, one that has it, GPUs without a use, free places."""
    return (not host.has_room, not host.here, not host.has_it, 0 if need.gpu else host.gpus, -host.free, host.name)
