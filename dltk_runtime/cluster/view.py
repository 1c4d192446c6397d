"""The machines of a front, as ``/v1/cluster`` and ``dltk cluster`` show them."""

from __future__ import annotations

import msgspec

from dltk_runtime.cluster.placement import Node


class NodeView(msgspec.Struct, frozen=True):
    """One machine: what it has, and what the fits that run there take."""

    name: str
    fits: int
    places: int  # for fits
    places_taken: int
    gpus: int
    gpus_taken: int
    memory_bytes: int
    labels: tuple[str, ...] = ()
    refused: str = ""  # why no fit runs there; "" if fits may

    @classmethod
    def of(cls, node: Node, refused: str = "") -> NodeView:
        """Return the view of a node."""
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
        )


class ClusterView(msgspec.Struct, frozen=True):
    """All machines of one front; `problem` says why other nodes cannot be reached, "" if they can."""

    cluster: str  # the setting; "" for a server without one
    nodes: list[NodeView]
    waiting: int = 0  # fits that wait for a place
    problem: str = ""
