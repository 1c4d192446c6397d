"""What is known of the machines and of the line, as views."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from dltk_runtime.cluster.machines import HERE, node_of, own_machine
from dltk_runtime.cluster.messages import Running, Seen
from dltk_runtime.cluster.placement import FitName, Need, Node, Waiting
from dltk_runtime.cluster.same import ours_in_words
from dltk_runtime.cluster.view import JOINED, REFUSED, SILENT, AppliedView, FitView, NodeView, WaitingView
from dltk_runtime.cluster.waits import claimed_before, wants, why
from dltk_runtime.names import VersionId
from dltk_runtime.pool.pool import Pool
from dltk_runtime.settings import Settings

Applied = Callable[[str], Iterable[VersionId]]  # the versions of this front that a machine has loaded, by its name
NOBODY = FitName("", "")


def own_view(settings: Settings, pool: Pool) -> NodeView:
    """Describe the front's own machine, without fits."""
    return _here(own_machine(settings, pool), {}, pool, pool.versions_served)


def machine_views(
    here: Node, seen: Iterable[Seen], ours: Mapping[str, Mapping[str, Need]], pool: Pool, applied: Applied
) -> list[NodeView]:
    """Describe the front's own machine and the nodes, refused ones last; `ours` are its fits by machine and key."""
    views = [_here(here, ours.get(HERE, {}), pool, applied(HERE))]
    for each in sorted(seen, key=lambda each: bool(each.refused)):
        own = ours.get(each.name, {})
        others = [_others(fit) for fit in each.fits if fit.key not in own]
        view = _view(node_of(each, own), own, others, (each.apply_places, each.applies), applied(each.name))
        state = (SILENT if each.silent else REFUSED) if each.refused else JOINED
        views.append(replace(view, refused=each.refused, state=state, address=each.address, releases=each.releases))
    return views


def line_views(line: Sequence[Waiting], nodes: Sequence[Node]) -> list[WaitingView]:
    """Describe the fits that wait, in their order."""
    found, reasons = list[WaitingView](), dict[tuple[Need, frozenset[str]], str]()  # many ask for the same
    for each, kept in zip(line, claimed_before(line), strict=True):
        fit, asked = each.need.fit or NOBODY, (each.need, kept)
        if asked not in reasons:
            reasons[asked] = why(each.need, nodes, kept)
        found.append(WaitingView(fit.algorithm, fit.model, fit.job, wants(each.need), reasons[asked]))
    return found


def _here(here: Node, own: Mapping[str, Need], pool: Pool, applied: Iterable[VersionId]) -> NodeView:
    return replace(_view(here, own, (), pool.apply_places, applied), releases=ours_in_words())


def _view(
    node: Node,
    own: Mapping[str, Need],
    others: Iterable[FitView],
    apply_places: tuple[int, int],
    applied: Iterable[VersionId],
) -> NodeView:
    return NodeView(
        name=node.name,
        fits=len(node.running),
        places=node.cpus,
        places_taken=node.cpus - node.free,
        gpus=node.gpus,
        gpus_taken=node.gpus - node.free_gpus,
        memory_bytes=node.memory,
        memory_taken_bytes=node.memory - node.free_memory,
        labels=tuple(sorted(node.labels)),
        apply_places=apply_places[0],
        apply_places_taken=apply_places[1],
        running=(*(_own(key, need) for key, need in own.items()), *others),
        applied=tuple(AppliedView(each.name.algorithm, each.name.model, each.number) for each in applied),
    )


def _own(key: str, need: Need) -> FitView:
    fit = need.fit or NOBODY
    return FitView(
        fit.algorithm, fit.model, _rank(key), need.workers, places=need.cpus, memory_bytes=need.memory, gpu=need.gpu
    )


def _others(each: Running) -> FitView:
    rank = _rank(each.key)
    workers = 1 if rank is None else 0
    return FitView("", "", rank, workers, elsewhere=True, places=each.cpus, memory_bytes=each.memory, gpu=each.gpu)


def _rank(key: str) -> int | None:
    """Return the rank that a worker's key ends in, as `gang_places.keys_of` writes it."""
    _, dash, rank = key.partition("-")
    return int(rank) if dash and rank.isdecimal() else None
