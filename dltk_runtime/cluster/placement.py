"""Decide which node runs which fit: a pure function of the fits that wait and of what runs.

::

    waiting, oldest first ──┐
                            ├──> decide ──> fits that begin, each with its node
    nodes with their fits ──┘          └──> the rest, with how often each was overtaken

A fit goes to the front's own machine where that has room, else to the node with the fewest GPUs
that it has no use for. Applies are placed by `apply_placement`.

**No fit starves.** A fit that waits is overtaken when a later one begins on a node that could hold
it. After `MAX_OVERTAKEN` times it claims one such node, or as many as its workers need: no later fit
begins there any more. So it begins once the fits that run there, and those before it in the line, have
left it room. A fit by several workers begins with all of them, or waits (`gang_placement`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from dltk_runtime.cluster.gang_placement import claimed, spread
from dltk_runtime.texts import counted

MAX_OVERTAKEN = 8  # later fits that begin on nodes which could hold a fit, before it claims one


@dataclass(frozen=True, slots=True)
class FitName:
    """What listings call a fit of this front: its model, and its job."""

    algorithm: str
    model: str
    job: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """What a fit needs of the node that runs it.

    Attributes:
        cpus: places for fits; 0 for one that only needs a GPU.
        memory: bytes.
        gpu: whether it needs a GPU of its own.
        label: that the node must have; empty for any.
        patient: whether nobody waits for it: of the front's machine it leaves one place to searches.
        workers: that fit together; all else is what each of them needs.
        apart: whether the workers may be on several machines.
        fit: which fit it is, for listings.
    """

    cpus: int = 1
    memory: int = 0
    gpu: bool = False
    label: str = ""
    patient: bool = False
    workers: int = 1
    apart: bool = False
    fit: FitName | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Node:
    """A machine, and the needs of the fits that run there.

    Attributes:
        name: by which errors and listings call it.
        cpus: places for fits.
        memory: bytes.
        gpus: number of GPUs, each for one fit at a time.
        here: whether it is the front's own machine.
    """

    name: str
    cpus: int
    memory: int
    gpus: int = 0
    labels: frozenset[str] = frozenset()
    here: bool = False
    running: tuple[Need, ...] = ()
    _taken: tuple[int, int, int] = field(init=False, repr=False, compare=False)  # places, memory, GPUs

    def __post_init__(self) -> None:
        """Add up what the fits take, once: a front asks for each fit that waits."""
        fits = self.running
        taken = sum(each.cpus for each in fits), sum(each.memory for each in fits), sum(each.gpu for each in fits)
        object.__setattr__(self, "_taken", taken)

    def can_hold(self, need: Need) -> bool:
        """Return whether the node could run such a fit, or a worker of it, if nothing else ran there."""
        return self._has(need, (0, 0, 0)) and not (need.patient and self._takes_last_place(need, ()))

    def has_room(self, need: Need) -> bool:
        """Return whether the node can run such a fit, or a worker of it, beside those that run there."""
        return self._has(need, self._taken) and not self.keeps_last_place(need)

    def rooms(self, need: Need) -> int:
        """Return how many workers of such a fit, up to all of them, the node has room for."""
        node, count = self, 0
        while count < need.workers and node.has_room(need):
            node, count = node.with_(need), count + 1
        return count

    def with_(self, need: Need) -> Node:
        """Return the node with one more worker of such a fit."""
        return replace(self, running=(*self.running, need))

    @property
    def free(self) -> int:
        """Places that no fit takes."""
        return self.cpus - self._taken[0]

    @property
    def free_memory(self) -> int:
        """Bytes that no fit has asked for."""
        return self.memory - self._taken[1]

    @property
    def free_gpus(self) -> int:
        """GPUs without a fit."""
        return self.gpus - self._taken[2]

    def keeps_last_place(self, need: Need) -> bool:
        """Return whether only the place that it keeps for searches is left for such a fit."""
        return need.patient and self._takes_last_place(need, self.running)

    def _has(self, need: Need, taken: tuple[int, int, int]) -> bool:
        """Return whether label, places, memory and GPUs suffice beside what is taken."""
        cpus, memory, gpus = taken
        return (
            (not need.label or need.label in self.labels)
            and cpus + need.cpus <= self.cpus
            and memory + need.memory <= self.memory
            and gpus + need.gpu <= self.gpus
        )

    def _takes_last_place(self, need: Need, running: tuple[Need, ...]) -> bool:
        """Return whether this fit, which nobody waits for, would take the place kept for searches."""
        patient = sum(each.cpus for each in (*running, need) if each.patient)
        return self.here and need.cpus > 0 and patient > max(self.cpus - 1, 1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A fit that waits. `claims` are the nodes on which no later fit begins; none before."""

    key: str
    need: Need
    overtaken: int = 0
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The fits that begin now, and those that still wait, in order.

    A fit that begins is a pair of key and node; one by several workers is a pair for each, by their ranks.
    """

    begins: tuple[tuple[str, str], ...] = ()
    waiting: tuple[Waiting, ...] = field(default=())


def decide(waiting: Sequence[Waiting], nodes: Collection[Node]) -> Decision:
    """Decide for all fits that wait, oldest first; a node's `running` grows by each that begins."""
    there = {node.name: node for node in nodes}
    begins, left = list[tuple[str, str]](), list[Waiting]()
    hopeless = set[Need]()  # nodes only fill and claims only grow below: where an earlier fit found none, none is
    for each in waiting:
        kept = {name for other in left for name in other.claims}
        free = (node for node in there.values() if node.name not in kept)
        places = () if each.need in hopeless else _best(each.need, free)
        if not places:
            hopeless.add(each.need)
            left.append(_with_claims(each, there.values()))
            continue
        begins += [(each.key, node.name) for node in places]
        for node in places:
            there[node.name] = there[node.name].with_(each.need)
        left = [_with_claims(_overtaken(other, places), there.values()) for other in left]
    return Decision(tuple(begins), tuple(left))


def lacking(need: Need, nodes: Collection[Node]) -> str:
    """Return what no node has of a need, for an error; empty if one could hold it."""
    if holds(need, nodes):
        return ""
    if need.workers > 1 and not lacking(replace(need, workers=1), nodes):
        where = "" if need.apart else " on one machine"
        return f"{need.workers} workers that fit together{where}, each with {in_words(need)}"
    labelled = [node for node in nodes if not need.label or need.label in node.labels]
    if not labelled:
        return f"the label '{need.label}'"
    wanted = {
        "a GPU": not need.gpu or any(node.gpus for node in labelled),
        f"{counted(need.cpus, 'place')} for fits": any(need.cpus <= node.cpus for node in labelled),
        f"{need.memory >> 20:,} MiB of memory": any(need.memory <= node.memory for node in labelled),
    }
    missing = [what for what, found in wanted.items() if not found]
    together = f"on one machine: {in_words(need)}"
    return " and ".join(missing) if missing else together


def in_words(need: Need) -> str:
    """Return what a fit, or a worker of it, needs."""
    parts = [f"{counted(need.cpus, 'place')} for fits"] if need.cpus else []
    parts += [f"{need.memory >> 20:,} MiB of memory"] if need.memory else []
    parts += ["a GPU"] if need.gpu else []
    parts += [f"the label '{need.label}'"] if need.label else []
    return ", ".join(parts)


def holds(need: Need, nodes: Iterable[Node]) -> bool:
    """Return whether the nodes could run such a fit, with all its workers, if nothing else ran there."""
    if need.workers == 1:
        return any(node.can_hold(need) for node in nodes)
    rooms = [(node, replace(node, running=()).rooms(need)) for node in nodes]
    return bool(spread(need.workers, rooms, apart=need.apart))


def _best(need: Need, nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Return the front's own machine if it has room, else the node that the fit leaves most useful.

    For several workers a node for each; none if there is no room.
    """
    fitting = [node for node in nodes if node.has_room(need)]
    fitting.sort(key=lambda node: (not node.here, _unused_gpus(node, need), -node.free, node.name))
    if need.workers == 1:
        return tuple(fitting[:1])
    return spread(need.workers, [(node, node.rooms(need)) for node in fitting], apart=need.apart)


def _unused_gpus(node: Node, need: Need) -> int:
    return node.gpus - need.gpu


def _overtaken(waiting: Waiting, places: Collection[Node]) -> Waiting:
    """Count that a later fit begins on `places`, if one of them could hold this one or a worker of it."""
    able = any(node.can_hold(waiting.need) for node in places)
    return replace(waiting, overtaken=waiting.overtaken + 1) if able else waiting


def _with_claims(waiting: Waiting, nodes: Collection[Node]) -> Waiting:
    """Return it with its claims once it was overtaken often enough; those on nodes that are gone are void."""
    if waiting.overtaken < MAX_OVERTAKEN:
        return waiting
    need, able = waiting.need, [node for node in nodes if node.can_hold(waiting.need)]
    if waiting.claims and holds(need, [node for node in able if node.name in waiting.claims]):
        return waiting
    able.sort(key=lambda node: (len(node.running), node.name))
    rooms = [(node, replace(node, running=()).rooms(need)) for node in able]
    return replace(waiting, claims=tuple(claimed(need.workers, rooms, apart=need.apart)))
