"""The page of the machines: from a fixed state of a cluster, and through the server's own routes."""

from __future__ import annotations

import re
from html import unescape
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from markupsafe import escape

from dltk_runtime.access import file
from dltk_runtime.access.file import TokenEntry
from dltk_runtime.access.holder import Right
from dltk_runtime.cluster import security
from dltk_runtime.cluster.messages import Nodes, Running, Seen
from dltk_runtime.cluster.placement import FitName, Need, Node, Waiting
from dltk_runtime.cluster.places import _Line
from dltk_runtime.cluster.view import ClusterView
from dltk_runtime.cluster.waits import why
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.server.console import cluster_page
from tests.console.hostile import HOSTILE
from tests.console.inside import World
from tests.console.test_pages import Parts

GIB = 2**30
OLD = "it has dltk-runtime 0.9, here 1.0; every machine needs the same image"
BIG = Seen("big", ("kind=a100",), "10.0.0.2", cpus=4, memory=64 * GIB, gpus=2, releases="dltk-runtime 1.0, ray 2.52")
OTHERS = Running("f" * 32, cpus=0, memory=0, gpu=True)
SEEN = (
    msgspec.structs.replace(BIG, fits=(OTHERS,), apply_places=2, applies=1),
    Seen("old", (), "10.0.0.3", cpus=2, memory=8 * GIB, refused=OLD, releases="dltk-runtime 0.9, ray 2.52"),
    Seen("mute", (), "10.0.0.4", refused="it did not answer for 7 s", silent=True),
)


@pytest.fixture
def world(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(security, "check", lambda *_: None)  # Ray is not installed here
    return clustered(paths)


def clustered(paths: Paths, **more: Any) -> World:
    return World(paths, {"cluster": "10.0.0.1:6379", "fit_workers": 2, **more})


def see(world: World, *nodes: Seen, problem: str = "") -> None:
    """Have the front take a look of its helper."""
    assert world.service.places is not None
    world.service.places.helper._say(Nodes(nodes, problem))


def run(world: World, machine: str, *models: str, **need: Any) -> None:
    """Have fits of this front run on a machine."""
    places = world.service.places
    assert places is not None
    for number, model in enumerate(models):
        name = FitName(*model.split("/"))
        key = f"k{len(places._running)}-{number}" if need.get("workers", 1) > 1 else f"k{len(places._running)}"
        places._running[key] = machine, Need(**need, fit=name)


def wait(world: World, model: str, job: str, **need: Any) -> None:
    """Have a fit wait in the line."""
    places, name = world.service.places, FitName(*model.split("/"), job)
    assert places is not None
    turn: Any = SimpleNamespace(done=lambda: False)
    places._line.append(_Line(Waiting(job, Need(**need, fit=name)), name.algorithm, turn))


def plain(text: str) -> str:
    return unescape(" ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", text, flags=re.DOTALL).split())).replace(" ,", ",")


def row(text: str, name: str) -> str:
    """What the row of a machine says."""
    found = re.search(rf'<tr>\s*<th scope="row">{name}\b.*?</tr>', text, re.DOTALL)
    assert found, name
    return plain(found[0])


def test_each_machine_says_what_it_has_what_is_taken_and_its_state(world: World) -> None:
    see(world, *SEEN)
    text = world.get("/ui/cluster")
    assert row(text, "big") == (
        "big 10.0.0.2 kind=a100 dltk-runtime 1.0, ray 2.52 joined a fit of another server, a GPU "
        "0 of 4 1 of 2 0.0 of 64.0 1 of 2"
    )
    assert row(text, "old") == (f"old 10.0.0.3 dltk-runtime 0.9, ray 2.52 refused {OLD} 0 of 2 none 0.0 of 8.0 none")
    assert row(text, "mute") == "mute 10.0.0.4 silent it did not answer for 7 s"
    assert row(text, "this machine").startswith("this machine dltk-runtime ")
    assert " joined 0 of 2 none 0.0 of " in row(text, "this machine")
    for label in ("places", "GPUs", "memory", "places for apply workers"):
        assert f'aria-label="share of {label} taken"' in text
    assert '<a href="/ui/cluster" aria-current="page">Machines</a>' in text


def test_what_runs_is_named_with_rank_and_what_is_loaded_with_version(world: World) -> None:
    see(world, BIG)
    run(world, "big", "net/both", "net/both", workers=2, cpus=1, memory=2 * GIB)
    run(world, "this machine", "near/m")
    places = world.service.places
    assert places is not None
    places.applied = lambda name: [world.commit("far/served").id] if name == "big" else []
    text = world.get("/ui/cluster")
    assert "net / both, rank 0 of 2, 2.0 GiB net / both, rank 1 of 2, 2.0 GiB" in row(text, "big")
    assert "Applies: far / served 1" in row(text, "big")
    assert "2 of 4 0 of 2 4.0 of 64.0" in row(text, "big")
    assert "near / m" in row(text, "this machine")


def test_who_waits_and_why(world: World) -> None:
    see(world, BIG)
    run(world, "big", "a/one", "a/two", cpus=0, gpu=True)
    run(world, "this machine", "a/three", "a/four")
    wait(world, "a/gpu", "job-1", cpus=0, gpu=True)
    wait(world, "a/label", "job-2", label="kind=h200")
    wait(world, "a/many", "job-3", workers=9, apart=True)
    wait(world, "a/wide", "job-4", workers=5, apart=True, label="kind=a100", cpus=1)
    text = plain(world.get("/ui/cluster").partition("Fits that wait")[2])
    for said in (
        "a / gpu job-1 a GPU big: no GPU free",
        "a / label job-2 1 place for fits, the label 'kind=h200' no machine that can be reached has the label",
        "no machine that can be reached has 9 workers that fit together, each with 1 place for fits",
    ):
        assert said in text, said


def test_the_reasons_of_full_machines(world: World) -> None:
    one = Need(cpus=1)
    full = Node("full", 2, GIB, running=(one, one))
    tight = Node("tight", 4, GIB, running=(Need(cpus=1, memory=GIB // 2),))
    here = Node("here", 2, GIB, here=True, running=(Need(patient=True),))
    assert why(one, [full]) == "full: 0 of 2 places free"
    assert why(Need(memory=GIB), [tight]) == "tight: 512 of 1,024 MiB free"
    assert why(Need(patient=True), [here]) == "here: its last place is kept for searches"
    assert why(Need(workers=4), [tight]) == "tight: room for 3 of 4 workers"
    assert why(one, [tight], {"tight"}) == "tight: kept for a fit that waits longer"
    assert why(one, [full] * 5).endswith("; and 2 more")


def test_queued_jobs_of_the_volume_wait_too(world: World) -> None:
    see(world, BIG)
    world.notebook()
    job = world.service.jobs.create(ModelName("healthy", "m"), {})
    world.kept.append(job)
    text = plain(world.get("/ui/cluster").partition("Fits that wait")[2])
    assert f"healthy / m {job.id[-8:]} place 1 of the queue a place is free: a server takes it up" in text
    run(world, "this machine", "a/three", "a/four")
    run(world, "big", *["a/five"] * 4)
    text = plain(world.get("/ui/cluster").partition("Fits that wait")[2])
    assert "this machine: 0 of 2 places free; big: 0 of 4 places free" in text


def test_a_node_that_is_gone_is_dead_and_without_a_head_nothing_is_known(world: World) -> None:
    see(world, *SEEN)
    see(world, BIG)
    gone = plain(world.get("/ui/cluster").partition("<h2>Gone</h2>")[2])
    assert re.search(r"old 10.0.0.3 dead \d{4}-.* mute 10.0.0.4 dead \d{4}-", gone), gone
    see(world, problem="the head of the cluster at 10.0.0.1:6379 does not answer")
    text = world.get("/ui/cluster")
    assert "Other machines cannot be reached: the head of the cluster at 10.0.0.1:6379" in plain(text)
    assert "big 10.0.0.2 unknown" in plain(text.partition("<h2>Gone</h2>")[2])
    see(world, *SEEN)
    assert "<h2>Gone</h2>" not in world.get("/ui/cluster")


def test_one_machine_is_said_and_no_page_leads_there(paths: Paths) -> None:
    world = World(paths)
    text = world.get("/ui/cluster")
    assert "There is one machine: DLTK_CLUSTER is not set" in plain(text)
    assert row(text, "this machine")
    assert "hx-sse:connect" not in text
    assert "/ui/cluster" not in world.get("/ui")


def test_names_of_machines_and_their_words_stay_text(world: World) -> None:
    for number, hostile in enumerate(HOSTILE):
        see(world, Seen(hostile, (hostile,), hostile, cpus=1, refused=hostile, releases=hostile), problem="")
        see(world, problem=hostile)
        parts = Parts()
        parts.feed(world.get("/ui/cluster"))
        assert parts.tags & {"iframe", "img", "b"} == set(), number
        assert not [each for each in parts.attributes if each.startswith("on")]
    assert str(escape("<script>alert(1)</script>")) in world.get("/ui/cluster") or "<script>" not in HOSTILE[0]


def test_a_token_for_some_models_reads_no_other_names(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "check", lambda *_: None)
    tokens = paths.home / "tokens.json"
    token = file.add(tokens, TokenEntry(name="some", values=[], rights=[Right.READ], models=("mine",)))
    world = clustered(paths, tokens_file=tokens)
    see(world, BIG)
    run(world, "big", "a/mine", "a/foreign")
    wait(world, "a/foreign", "job-of-another", label="kind=none")
    places = world.service.places
    assert places is not None
    places.applied = lambda _: [world.commit("healthy/foreign").id]
    for path in ("/ui/cluster", "/v1/cluster"):
        text = world.get(path, token)
        assert "mine" in text
        assert "foreign" not in text, path
        assert "job-of-another" not in text, path
    assert "a fit of another model" in plain(world.get("/ui/cluster", token))
    named = msgspec.json.decode(world.get("/v1/cluster"), type=ClusterView)
    assert [each.model for each in named.nodes[1].running] == ["mine", "foreign"]


def test_long_lists_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_page, "MAX_MACHINES", 3)
    monkeypatch.setattr(cluster_page, "MAX_RUNNING", 2)
    monkeypatch.setattr(cluster_page, "MAX_WAITING", 2)
    see(world, *(msgspec.structs.replace(BIG, name=f"n{number}") for number in range(5)))
    run(world, "n0", *[f"a/m{number}" for number in range(4)])
    for number in range(4):
        wait(world, f"a/w{number}", f"j{number}", label="none")
    text = plain(world.get("/ui/cluster"))
    for said in ("And 3 more; dltk cluster lists all", "And 2 more fits.", "These are the first ones"):
        assert said in text, said
    assert text.count("no machine that can be reached") == 2
