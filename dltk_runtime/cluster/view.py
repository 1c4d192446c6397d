"""The machines of a front, as ``/v1/cluster``, the console and ``dltk cluster`` show them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
from msgspec.structs import replace

JOINED, REFUSED, SILENT = "joined", "refused", "silent"  # states of a node that Ray says is alive
DEAD, AWAY = "dead", "unknown"  # of one that is gone, and of all while the head does not answer


class FitView(msgspec.Struct, frozen=True):
    """A fit on a machine, or one worker of it. Without a model it is of another front, or not for the caller."""

    algorithm: str = ""
    model: str = ""
    rank: int | None = None  # of a fit by several workers
    workers: int = 1  # 0 for a worker of another front's fit
    elsewhere: bool = False  # whether another front asked for it
    places: int = 0
    memory_bytes: int = 0
    gpu: bool = False


class AppliedView(msgspec.Struct, frozen=True):
    """A version that a machine has loaded for applies of this front."""

    algorithm: str
    model: str
    version: int


class WaitingView(msgspec.Struct, frozen=True):
    """A fit of this front that waits for a place."""

    algorithm: str
    model: str
    job: str
    wants: str
    why: str


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
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
    memory_taken_bytes: int = 0  # by what fits asked for
    state: str = JOINED
    address: str = ""  # by which other machines reach it
    releases: str = ""  # of Python, this runtime and Ray
    running: tuple[FitView, ...] = ()
    applied: tuple[AppliedView, ...] = ()


class GoneView(msgspec.Struct, frozen=True):
    """A node that was there; `since` when it is not any more, or is not known to be."""

    name: str
    address: str
    state: str
    since: datetime


class ClusterView(msgspec.Struct, frozen=True):
    """All machines of one front; `problem` says why other nodes cannot be reached, "" if they can."""

    cluster: str  # the setting; "" for a server without one
    nodes: list[NodeView]
    waiting: int = 0  # fits that wait for a place
    problem: str = ""
    line: list[WaitingView] = []  # they, in their order
    gone: list[GoneView] = []

    def shown_to(self, sees: Callable[[str, str], bool]) -> ClusterView:
        """Return the view for who sees some models alone: others have no name."""

        def fit(each: FitView) -> FitView:
            return each if sees(each.algorithm, each.model) else replace(each, algorithm="", model="")

        def line(each: WaitingView) -> WaitingView:
            return each if sees(each.algorithm, each.model) else replace(each, algorithm="", model="", job="")

        nodes = [
            replace(
                node,
                running=tuple(map(fit, node.running)),
                applied=tuple(each for each in node.applied if sees(each.algorithm, each.model)),
            )
            for node in self.nodes
        ]
        return replace(self, nodes=nodes, line=list(map(line, self.line)))
