"""Where the applies of a version run: the promises of `apply_placement.place`, for whatever machines there are."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.cluster.apply_placement import ApplyNeed, Host, place

HERE = Host("front", places=2, here=True)
FAR = Host("far", places=2)
CARDS = Host("cards", places=2, gpus=1, labels=frozenset({"kind=a100"}))
ANY = ApplyNeed()

needs = st.builds(ApplyNeed, gpu=st.booleans(), label=st.sampled_from(["", "kind=a100"]))
hosts = st.builds(
    Host,
    name=st.just(""),
    places=st.integers(1, 3),
    taken=st.integers(0, 3),
    has_it=st.booleans(),
    gpus=st.integers(0, 1),
    labels=st.sampled_from([frozenset(), frozenset({"kind=a100"})]),
)
clusters = st.lists(hosts, min_size=1, max_size=4).map(
    lambda found: [
        replace(each, name=f"n{number}", taken=min(each.taken, each.places), here=number == 0)
        for number, each in enumerate(found)
    ]
)


@given(need=needs, cluster=clusters, stays=st.sampled_from(["", "n0", "n1", "n2", "gone"]), spread=st.booleans())
def test_promises(need: ApplyNeed, cluster: list[Host], stays: str, spread: bool) -> None:
    """It has what is asked for; nothing moves without need; local first; nobody is sent away while there is room."""
    name = place(need, cluster, stays, spread=spread)
    here, able = cluster[0], [host for host in cluster if host.can_serve(need)]
    chosen = next((host for host in cluster if host.name == name), None)
    if chosen is None:
        assert name == ""
        assert not any(host.here or spread or need.asks for host in able)
        return
    assert chosen in able
    if not (spread or need.asks):
        assert chosen.here
    elif stays in {host.name for host in able}:
        assert name == stays
    elif here in able and here.has_room:
        assert chosen.here
    elif any(host.has_room for host in able):
        assert chosen.has_room
        assert chosen.has_it or not any(host.has_it and host.has_room for host in able)
    elif here in able:
        assert chosen.here


@given(need=needs, cluster=clusters, spread=st.booleans())
def test_it_is_the_same_in_whatever_order_the_machines_are_listed(
    need: ApplyNeed, cluster: list[Host], spread: bool
) -> None:
    assert place(need, cluster, spread=spread) == place(need, cluster[::-1], spread=spread)


def test_without_the_setting_only_those_that_ask_leave_the_front() -> None:
    full = replace(HERE, taken=2)
    assert place(ANY, [full, FAR], spread=False) == "front"
    assert place(ANY, [full, FAR], spread=True) == "far"
    assert place(ApplyNeed(gpu=True), [HERE, FAR, CARDS], spread=False) == "cards"
    assert place(ApplyNeed(label="kind=h200"), [HERE, FAR, CARDS], spread=True) == ""


def test_gpus_stay_free_for_who_asks_for_one() -> None:
    full = replace(HERE, taken=2)
    assert place(ANY, [full, replace(CARDS, places=9), FAR], spread=True) == "far"
    assert place(ANY, [full, CARDS, replace(FAR, taken=2)], spread=True) == "cards"
