"""The machines on which fits can run, as their placement sees them."""

from __future__ import annotations

from collections.abc import Mapping

from dltk_runtime.cluster.messages import Running, Seen
from dltk_runtime.cluster.placement import Need, Node
from dltk_runtime.pool import memory
from dltk_runtime.pool.pool import Pool
from dltk_runtime.settings import Settings

HERE = "this machine"  # as listings and errors call the front's own


def own_machine(settings: Settings, pool: Pool) -> Node:
    """Return the front's own machine, without fits."""
    return Node(HERE, settings.fit_slots, memory.limit(), len(pool.device_names), here=True)


def node_of(seen: Seen, own: Mapping[str, Need]) -> Node:
    """Return a node with the fits that it reports, and those of this front that it may not know yet."""
    others = (_need_of(each) for each in seen.fits if each.key not in own)
    running = (*own.values(), *others)
    return Node(seen.name, seen.cpus, seen.memory, seen.gpus, frozenset(seen.labels), running=running)


def _need_of(running: Running) -> Need:
    return Need(running.cpus, running.memory, running.gpu)
