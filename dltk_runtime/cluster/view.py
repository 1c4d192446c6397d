"""The machines of a front, as ``/v1/cluster`` and ``dltk cluster`` show them."""

from __future__ import annotations

import msgspec

from dltk_runtime.cluster.placement import Node


class NodeView(msgspec.Struct, frozen=True):
    """One machine: what it has, and what fits and applies take of it."""

    name: str
    fits: int
    places: int  # for fits
    places_taken: int
    gpus: int
    gpus_taken: int
    memory_bytes: int
    labels: tuple[str, ...] = ()
    refused: str = ""  # why nothing runs there; "" if fits and applies may
    apply_places: int = 0  # for apply workers
    apply_places_taken: int = 0  # by workers that have a version loaded, for any front

    @classmethod
    def of(cls, node: Node, refused: str = "", applies: tuple[int, int] = (0, 0)) -> NodeView:
        """Return the view of a node; `applies` are its places for applies, and those that are taken."""
        return cls(
            name=node.name,
            fits=len(node.running),
            places=node.cpus,
            places_taken=sum(each.cpus for each in node.running),
            gpus=node.gpus,
            gpus_taken=sum(each.gpu for each in node.running),
            memory_bytes=node.memory,
            labels=tuple(sorted(node.labels)),
            refused=refused,
            apply_places=applies[0],
            apply_places_taken=applies[1],
        )


class ClusterView(msgspec.Struct, frozen=True):
    """All machines of one front; `problem` says why other nodes cannot be reached, "" if they can."""

    cluster: str  # the setting; "" for a server without one
    nodes: list[NodeView]
    waiting: int = 0  # fits that wait for a place
    problem: str = ""
