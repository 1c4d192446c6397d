"""Why a fit waits for a place, in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dltk_runtime.cluster.placement import Need, Node, Waiting, in_words, lacking
from dltk_runtime.units import MIB

SHOWN = 3  # machines that a reason names


def why(need: Need, nodes: Collection[Node], kept: Collection[str] = ()) -> str:
    """Return why a fit waits; `kept` are the names of machines that are claimed by fits before it."""
    if missing := lacking(need, nodes):
        return f"no machine that can be reached has {missing}"
    able = [node for node in nodes if node.can_hold(need)]
    found = [f"{node.name}: {_full(need, node, kept)}" for node in able[:SHOWN]]
    found += [f"and {len(able) - SHOWN} more"] if len(able) > SHOWN else []
    return "; ".join(found)


def wants(need: Need) -> str:
    """Return what a fit asks for."""
    each = in_words(need)
    return f"{need.workers} workers together, each with {each}" if need.workers > 1 else each


def claimed_before(line: Sequence[Waiting]) -> list[frozenset[str]]:
    """Return for each fit of a line the machines that are claimed by those before it."""
    found, kept = list[frozenset[str]](), frozenset[str]()
    for each in line:
        found.append(kept)
        kept |= frozenset(each.claims)
    return found


def _full(need: Need, node: Node, kept: Collection[str]) -> str:
    """Return what a machine has too little of, now."""
    if node.name in kept:
        return "kept for a fit that waits longer"
    if node.free < need.cpus:
        return f"{node.free} of {node.cpus} places free"
    if node.free_gpus < need.gpu:
        return "no GPU free"
    if node.free_memory < need.memory:
        return f"{node.free_memory // MIB:,} of {node.memory // MIB:,} MiB free"
    if node.keeps_last_place(need):
        return "its last place is kept for searches"
    return f"room for {node.rooms(need)} of {need.workers} workers" if need.workers > 1 else "it is the next one's turn"
