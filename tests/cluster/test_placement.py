"""Which node runs which fit: the promises of `placement.decide`, for whatever comes in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.cluster.placement import MAX_OVERTAKEN, Decision, Need, Node, Waiting, decide, holds, lacking

GIB = 1024**3
HERE = Node("front", cpus=2, memory=4 * GIB, here=True)
PLAIN = Node("plain", cpus=4, memory=8 * GIB)
CARDS = Node("cards", cpus=4, memory=8 * GIB, gpus=2, labels=frozenset({"kind=a100"}))
ON_GPU = Need(cpus=0, gpu=True)

needs = st.builds(
    Need,
    cpus=st.integers(0, 4),
    memory=st.sampled_from([0, GIB, 6 * GIB]),
    gpu=st.booleans(),
    label=st.sampled_from(["", "kind=a100"]),
    patient=st.booleans(),
    workers=st.sampled_from([1, 1, 2, 3]),
    apart=st.booleans(),
)
nodes = st.builds(
    Node,
    name=st.just(""),
    cpus=st.integers(1, 4),
    memory=st.sampled_from([GIB, 8 * GIB]),
    gpus=st.integers(0, 2),
    labels=st.sampled_from([frozenset(), frozenset({"kind=a100"})]),
)
clusters = st.lists(nodes, min_size=1, max_size=4).map(
    lambda found: [replace(each, name=f"n{number}", here=number == 0) for number, each in enumerate(found)]
)


@dataclass
class World:
    """A cluster over time: fits come, begin where they are placed, and end."""

    nodes: list[Node]
    waiting: tuple[Waiting, ...] = ()
    running: dict[str, tuple[list[str], Need]] = field(default_factory=dict)
    came: int = 0

    def come(self, need: Need) -> str:
        self.came += 1
        self.waiting = (*self.waiting, Waiting(str(self.came), need))
        return str(self.came)

    def end_oldest(self) -> None:
        if self.running:
            del self.running[next(iter(self.running))]

    def with_running(self) -> list[Node]:
        return [
            replace(
                each,
                running=tuple(need for names, need in self.running.values() for _ in range(names.count(each.name))),
            )
            for each in self.nodes
        ]

    def place(self) -> Decision:
        waiting = {each.key: each.need for each in self.waiting}
        decision = decide(self.waiting, self.with_running())
        assert {key for key, _ in decision.begins} | {each.key for each in decision.waiting} == set(waiting)
        for key, need in waiting.items():
            if names := [name for begun, name in decision.begins if begun == key]:
                assert len(names) == need.workers  # never a part of a gang
                assert need.apart or len(set(names)) == 1
                self.running[key] = (names, need)
        self.waiting = decision.waiting
        return decision


@given(clusters, st.lists(st.one_of(needs, st.none()), max_size=40))
def test_no_node_is_given_more_than_it_has(cluster: list[Node], events: list[Need | None]) -> None:
    """Never two fits on one GPU, nor more memory or places than there are, nor a part of a gang, whoever comes."""
    world = World(cluster)
    for need in events:
        if need is None:
            world.end_oldest()
        else:
            world.come(need)
        world.place()
        for node in world.with_running():
            assert sum(each.gpu for each in node.running) <= node.gpus
            assert sum(each.cpus for each in node.running) <= node.cpus
            assert sum(each.memory for each in node.running) <= node.memory
            assert all(each.label in {"", *node.labels} for each in node.running)


@given(clusters, st.lists(needs, max_size=20))
def test_what_a_node_could_hold_begins_once_the_others_have_ended(cluster: list[Node], wanted: list[Need]) -> None:
    world = World(cluster)
    for need in wanted:
        world.come(need)
    world.place()
    for _ in wanted:
        world.end_oldest()
        world.place()
    assert [each for each in world.waiting if holds(each.need, cluster)] == []
    assert all(lacking(each.need, cluster) for each in world.waiting)


@given(clusters, needs, st.lists(needs, min_size=1, max_size=8))
def test_a_fit_is_overtaken_a_bounded_number_of_times(cluster: list[Node], large: Need, small: list[Need]) -> None:
    """However many later fits come, one that a node can hold begins within a stated number of them."""
    world = World(cluster)
    for need in small:
        world.come(need)
    world.place()
    key = world.come(large)
    bound = MAX_OVERTAKEN * len(cluster) + 2 * (len(small) + sum(node.cpus + node.gpus for node in cluster)) + 60
    for number in range(bound):
        claims = next((each.claims for each in world.waiting if each.key == key), ())
        world.come(small[number % len(small)])
        begun = world.place().begins
        if key in world.running or key not in {each.key for each in world.waiting}:
            return
        assert [later for later, name in begun if name in claims and int(later) > int(key)] == []
        world.end_oldest()
    assert lacking(large, cluster)


def test_nothing_begins_on_a_claimed_node_before_the_fit_that_claims_it() -> None:
    both = Need(cpus=4)
    waiting = (Waiting("large", both, overtaken=MAX_OVERTAKEN), Waiting("small", Need()))
    busy = replace(PLAIN, running=(Need(),))
    decision = decide(waiting, [busy])
    assert decision.begins == ()
    assert decision.waiting[0].claims == ("plain",)
    assert decide(decision.waiting, [PLAIN]).begins == (("large", "plain"),)


def test_a_claim_on_a_node_that_is_gone_is_made_anew() -> None:
    waiting = (Waiting("large", Need(cpus=4), overtaken=MAX_OVERTAKEN, claims=("gone",)),)
    busy = replace(PLAIN, running=(Need(),))
    assert decide(waiting, [busy]).waiting[0].claims == ("plain",)


@pytest.mark.parametrize(
    ("need", "running", "name"),
    [
        (Need(), 0, "front"),  # local first
        (Need(), 2, "plain"),  # the GPUs are left to those who need one
        (ON_GPU, 0, "cards"),
        (Need(label="kind=a100"), 0, "cards"),
        (Need(memory=6 * GIB), 0, "plain"),
    ],
)
def test_where_a_fit_goes(need: Need, running: int, name: str) -> None:
    nodes = [replace(HERE, running=(Need(),) * running), CARDS, PLAIN]
    assert decide([Waiting("a", need)], nodes).begins == (("a", name),)


@pytest.mark.parametrize(
    ("need", "running", "names"),
    [
        (Need(workers=2, apart=True), 0, ["front", "front"]),  # one machine is enough
        (Need(workers=3, apart=True), 0, ["plain"] * 3),
        (Need(workers=6, apart=True), 0, ["plain"] * 4 + ["cards"] * 2),  # the fewest
        (Need(workers=6, apart=False), 0, []),
        (Need(cpus=0, gpu=True, workers=2), 0, ["cards", "cards"]),
        (Need(cpus=0, gpu=True, workers=3, apart=True), 0, []),
        (Need(workers=10, apart=True), 1, []),  # all or none
        (Need(workers=9, apart=True), 1, ["plain"] * 4 + ["cards"] * 4 + ["front"]),
    ],
)
def test_where_the_workers_of_a_fit_go(need: Need, running: int, names: list[str]) -> None:
    nodes = [replace(HERE, running=(Need(),) * running), CARDS, PLAIN]
    assert decide([Waiting("a", need)], nodes).begins == tuple(("a", name) for name in names)


def test_a_gang_claims_as_many_nodes_as_it_needs() -> None:
    gang = Waiting("gang", Need(cpus=4, workers=2, apart=True), overtaken=MAX_OVERTAKEN)
    busy = [replace(PLAIN, running=(Need(),)), CARDS, replace(PLAIN, name="third", running=(Need(), Need()))]
    decision = decide([gang, Waiting("later", Need())], busy)
    assert decision.waiting[0].claims == ("cards", "plain")
    assert decision.begins == (("later", "third"),)


def test_fits_that_nobody_waits_for_leave_a_place_of_this_machine_to_searches() -> None:
    queued = Need(patient=True)
    decision = decide([Waiting("a", queued), Waiting("b", queued), Waiting("c", Need())], [HERE])
    assert decision.begins == (("a", "front"), ("c", "front"))


@pytest.mark.parametrize(
    ("need", "text"),
    [
        (Need(label="kind=h200"), "the label 'kind=h200'"),
        (Need(cpus=64), "64 places for fits"),
        (Need(memory=64 * GIB), "65,536 MiB of memory"),
        (Need(cpus=4, memory=8 * GIB, gpu=True), ""),
        (Need(cpus=5, gpu=True), "5 places for fits"),
        (Need(workers=11, apart=True), "11 workers that fit together, each with 1 place for fits"),
        (Need(workers=5), "5 workers that fit together on one machine, each with 1 place for fits"),
    ],
)
def test_what_no_node_has_is_named(need: Need, text: str) -> None:
    assert lacking(need, [HERE, PLAIN, CARDS]) == text


def test_a_need_that_no_single_machine_has_is_named_as_a_whole() -> None:
    wide = Node("wide", cpus=16, memory=GIB)
    assert lacking(Need(cpus=16, gpu=True), [wide, CARDS]) == "on one machine: 16 places for fits, a GPU"


def test_a_long_line_before_full_machines_asks_each_of_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The front decides in its event loop: 100 fits before 200 machines were 20,000 questions, twice."""
    asked = list[str]()
    has_room = Node.has_room

    def counted(node: Node, need: Need) -> bool:
        asked.append(node.name)
        return has_room(node, need)

    monkeypatch.setattr(Node, "has_room", counted)
    full = [Node(f"n{number}", cpus=2, memory=GIB, running=(Need(), Need())) for number in range(200)]
    line = [Waiting(str(number), Need()) for number in range(100)]
    assert decide(line, full).waiting == tuple(line)
    assert asked == [node.name for node in full]
