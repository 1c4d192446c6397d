"""What can go wrong between machines."""

from __future__ import annotations

from dltk_runtime.errors import NOT_APPLIED, NOT_FITTED, Busy, DltkError, RequestError
from dltk_runtime.notebook.errors import AlgorithmFailed
from dltk_runtime.pool.outcome import OPENINGS


class NoNode(RequestError):
    """A fit needs what no machine of the cluster has."""

    opening = NOT_FITTED

    def __init__(self, algorithm: str, missing: str, nodes: list[str]) -> None:
        there = ", ".join(nodes)
        super().__init__(
            f"A fit of '{algorithm}' asks for {missing}, which no machine here has ({there}). Change `resources` in "
            "the notebook's parameters cell, or add such a machine: `dltk cluster` lists what there is."
        )


class NodeLost(AlgorithmFailed):
    """The machine that ran a fit is lost, or the way to it.

    Attributes:
        who: for a record: ``The node 'b'``.
    """

    def __init__(self, node: str, cause: str, phase: str, coordinates: str, rank: str = "") -> None:
        where = f" at {coordinates}" if coordinates else ""
        self.who = f"The node '{node}' of {rank}" if rank else f"The node '{node}'"
        kind = f"{self.who} was lost in step '{phase}'"
        sentence = f"{kind}{where}: {cause.rstrip('.')}. Nothing was stored."
        super().__init__(OPENINGS.get(phase, NOT_FITTED), sentence, "", coordinates, kind)
        self.node = node
        self._what = cause, phase, coordinates

    def of_rank(self, rank: str) -> NodeLost:
        """Return the same error, which names the rank that ran there."""
        return NodeLost(self.node, *self._what, rank)


class RankLost(NodeLost):
    """A worker of several that fit together was killed, or they lost the way to one another."""

    def __init__(self, rank: str, node: str, cause: str, phase: str, coordinates: str) -> None:
        super().__init__(node, cause, phase, coordinates)
        where = f" at {coordinates}" if coordinates else ""
        self.who = f"{rank[0].upper()}{rank[1:]} on '{node}'"
        self.kind = f"{self.who} {cause.rstrip(',')} in step '{phase}'"
        self.sentence = f"{self.who} {cause} in step '{phase}'{where}. Nothing was stored."
        self.args = (self.sentence,)


class NoRoom(Exception):
    """A node has no place for a worker of a gang: another front was quicker."""

    def __init__(self, node: str) -> None:
        super().__init__(f"The node '{node}' has no room any more.")


class ApplyLost(AlgorithmFailed):
    """The machine that ran an apply is lost, or the way to it. Another one may try: an apply writes nothing."""

    def __init__(self, node: str, cause: str, phase: str) -> None:
        kind = f"The node '{node}' was lost in step '{phase}'"
        super().__init__(NOT_APPLIED, f"{kind}: {cause.rstrip('.')}.", "", kind=kind)
        self.node = node


class NowhereToApply(RequestError):
    """The applies of a notebook ask for what no machine has that can be reached."""

    opening = NOT_APPLIED

    def __init__(self, algorithm: str, wanted: str, hosts: list[str], problem: str = "") -> None:
        found = f"Applies of '{algorithm}' ask for {wanted}, which no machine has that can be reached"
        if problem:
            super().__init__(f"{found}: {problem}. Repeat the search when `dltk cluster` lists the machines.")
            return
        super().__init__(
            f"{found} ({', '.join(hosts)}). Change `apply_resources` in the notebook's parameters cell, or add such a "
            "machine: `dltk cluster` lists what there is."
        )


class NodeBusy(Busy):
    """No apply worker of a node has time."""

    def __init__(self, node: str, text: str) -> None:
        RequestError.__init__(self, f"On node '{node}': {text}")


class ClusterUnusable(DltkError):
    """The settings of the cluster cannot be used."""

    exit_code = 78
