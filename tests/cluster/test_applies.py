"""Applies on nodes: placed, loaded, answered and lost; everything is real but the way between the machines."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dltk_runtime import logs
from dltk_runtime.call import Call
from dltk_runtime.cluster import apply_places, driver_applies
from dltk_runtime.cluster.apply_messages import Copy
from dltk_runtime.cluster.errors import ApplyLost, NowhereToApply
from dltk_runtime.cluster.helper import STARTING
from dltk_runtime.cluster.messages import Nodes
from dltk_runtime.cluster.ray_nodes import Unreached
from dltk_runtime.cluster.remote_apply import files_id
from dltk_runtime.errors import Busy
from dltk_runtime.names import ModelName
from dltk_runtime.notebook.errors import AlgorithmFailed
from dltk_runtime.paths import Paths
from dltk_runtime.store.forgetting import forget
from dltk_runtime.worker.messages import Counts
from tests.cluster.in_process import World, soon
from tests.cluster.notebooks import write

pytestmark = pytest.mark.process

TELLING = """
    def apply(model, df, param):
        import os
        print("printed in", os.environ["DLTK_HOME"].rsplit("/", 1)[-1], flush=True)
        if "ends" in df.columns:
            os._exit(3)
        if "fails" in df.columns:
            raise ValueError("bad rows")
        return pd.DataFrame({"rows": [model["rows"]] * len(df)})
"""
HELD = """
    def apply(model, df, param):
        import os, time
        open("{folder}/begun", "a").close()
        while not os.path.exists("{folder}/go"):
            time.sleep(0.02)
        return df
"""


@pytest.fixture
def world(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A front with one place for applies, and a node that is labelled."""
    write(paths.notebooks, "near", "")
    write(paths.notebooks, "far", "", applies="label=kind=big", apply=TELLING)
    write(paths.notebooks, "held", "", applies="label=kind=big", apply=HELD.format(folder=tmp_path))
    world = World(paths, apply_workers=1, cluster_applies=True)
    world.node(monkeypatch, tmp_path / "one", "one", "kind=big", DLTK_APPLY_WORKERS="2", DLTK_API_WORKERS="1")
    return world


def test_what_asks_for_a_node_is_loaded_there_once_and_stays(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files travel once; printed text and the phases come back."""
    printed: list[bytes] = []
    monkeypatch.setattr(logs.PrintedLines, "write", lambda _, text: printed.append(text))

    async def body() -> None:
        world.commit("far", rows=7)
        call = Call("1", "/apply")
        assert await world.apply("far", call=call) == "rows\\n7\\n"
        assert not call.waiting
        assert {"carry", "apply"} <= call.facts.phases.keys()
        assert await world.apply("far", data="a\n" + "1\n" * 1_000_000) == "rows\\n" + "7\\n" * 1_000_000
        assert world.links.references == 1  # the second one's rows
        assert world.methods("fetch", "serve") == [("one", "serve")] * 2 + [("one", "fetch"), ("one", "serve")]
        assert world.pool.apply_places == (1, 0)
        await world.look()
        (seen,) = world.helper.nodes.nodes
        assert (seen.apply_places, seen.applies, len(seen.versions)) == (2, 1, 1)

    asyncio.run(_in(world, body()))
    assert printed == [b"printed in one\n"] * 2
    assert list((tmp_path / "one/app/model/data/applies").glob("*/files/far_m.json"))


def test_local_first_and_elsewhere_when_there_is_no_room(world: World) -> None:
    async def body() -> None:
        world.commit("near", "first", rows=1)
        world.commit("near", "second", rows=2)
        for _ in range(2):
            assert await world.apply("near", "first") == "rows\\n1\\n"
            assert await world.apply("near", "second") == "rows\\n2\\n"
        assert world.methods("ask") == [("one", "ask")] * 2
        assert world.pool.apply_places == (1, 1)
        world.links.lost.add("one")
        await world.look()
        assert await world.apply("near", "second") == "rows\\n2\\n"  # at the front again, in place of the first

    asyncio.run(_in(world, body()))


def test_errors_name_the_cell_and_the_node(world: World) -> None:
    async def body() -> None:
        world.commit("far")
        with pytest.raises(
            AlgorithmFailed, match=r"bad rows \(at far.ipynb, cell 5 \(mltkc_apply\), line 7.*It ran on node 'one'"
        ):
            await world.apply("far", data="fails\n1\n")
        with pytest.raises(
            AlgorithmFailed, match=r"on node 'one' ended by itself .* in step 'apply' at far.ipynb, cell 5"
        ):
            await world.apply("far", data="ends\n1\n")
        assert await world.apply("far") == "rows\\n1\\n"

    asyncio.run(_in(world, body()))


def test_a_lost_node_is_named_and_what_asks_for_it_has_no_other_place(world: World, tmp_path: Path) -> None:
    async def body() -> None:
        world.commit("held")
        task = await begun(world, tmp_path)
        world.links.lost.add("one")
        with pytest.raises(ApplyLost, match="The node 'one' was lost in step 'apply': it did not answer for 7 s"):
            await task
        with pytest.raises(NowhereToApply, match=r"ask for 'kind=big', which no machine has .*\(this machine\)"):
            await world.apply("held")

    asyncio.run(_in(world, body()))


def test_an_apply_whose_node_is_lost_is_tried_once_on_another_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.node(monkeypatch, tmp_path / "two", "two", "kind=big")

    async def body() -> None:
        world.commit("held")
        task = await begun(world, tmp_path)
        ((first, _),) = world.methods("ask")
        world.links.lost.add(first)
        await soon(lambda: len(world.methods("ask")) == 2)
        (tmp_path / "go").touch()
        assert await task == "a\\n5\\n"
        assert {node for node, _ in world.methods("ask")} == {"one", "two"}
        first_try, second_try = world.asked
        assert second_try.seconds < first_try.seconds  # both have one deadline

    asyncio.run(_in(world, body()))


async def begun(world: World, folder: Path) -> asyncio.Task[str]:
    """An apply of HELD that a worker runs."""
    task = asyncio.create_task(world.apply("held", data="a\n5\n"))
    await soon((folder / "begun").exists)
    return task


def test_who_hangs_up_while_the_nodes_worker_is_busy_leaves_its_line(world: World, tmp_path: Path) -> None:
    async def body() -> None:
        world.commit("held")
        first = asyncio.ensure_future(world.apply("held"))
        await soon((tmp_path / "begun").exists)
        call = Call("2", "/apply")
        second = asyncio.ensure_future(world.apply("held", call=call))
        pool = await world.links.actors["one"]._started()
        await soon(lambda: pool.usage().waiting_applies == 1)
        assert call.waiting
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        await soon(lambda: pool.usage().waiting_applies == 0)
        (tmp_path / "go").touch()
        assert await first == "a\\n1\\n"

    asyncio.run(_in(world, body()))


def test_a_busy_node_is_named(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(paths.notebooks, "held", "", applies="label=kind=big", apply=HELD.format(folder=tmp_path))
    world = World(paths, apply_timeout=600)
    one = {"DLTK_APPLY_WORKERS": "1", "DLTK_API_WORKERS": "1", "DLTK_MAX_WAITING": "0"}
    world.node(monkeypatch, tmp_path / "one", "one", "kind=big", **one)

    async def body() -> None:
        world.commit("held")
        first = asyncio.ensure_future(world.apply("held"))
        await soon((tmp_path / "begun").exists)
        with pytest.raises(Busy, match="On node 'one': 0 requests already wait for 'held'"):
            await world.apply("held")
        (tmp_path / "go").touch()
        await first

    asyncio.run(_in(world, body()))


def test_an_edited_notebook_runs_there_and_a_broken_one_leaves_the_versions_code(world: World, paths: Paths) -> None:
    async def body() -> None:
        world.commit("far", rows=3)
        assert await world.apply("far") == "rows\\n3\\n"
        changed = TELLING.replace('"rows": [', '"edited": [')
        write(paths.notebooks, "far", "", applies="label=kind=big", apply=changed)
        assert await world.apply("far") == "edited\\n3\\n"
        write(paths.notebooks, "far", "", applies="label=kind=big", apply="def apply(model: raise")
        found = await world.applied("far")
        assert bytes(found.results.view()) == b'"rows\\n3\\n"'
        assert "the code kept in version 1 was used; the notebook's fails: " in found.warnings[0]
        (paths.notebooks / "far.ipynb").write_text('{"cells": [')  # half saved
        found = await world.applied("far")
        assert bytes(found.results.view()) == b'"rows\\n3\\n"'
        assert "the notebook's fails: " in found.warnings[0]
        assert "far.ipynb cannot be read: it is not JSON" in found.warnings[0]
        assert world.pool.apply_places == (1, 0)  # on the node, as that code asks
        write(paths.notebooks, "far", "", applies="label=kind=big", apply=changed)
        assert await world.apply("far") == "edited\\n3\\n"

    asyncio.run(_in(world, body()))


def test_a_node_that_was_started_again_loads_the_version_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the files still, and damaged ones are fetched anew."""

    async def body() -> None:
        world.commit("far", rows=3)
        assert await world.apply("far") == "rows\\n3\\n"
        await world.links.actors["one"]._applies._pool.close()  # type: ignore[union-attr]
        world.links.actors["one"]._watch.cancel()  # type: ignore[union-attr]
        home = tmp_path / "one"
        with monkeypatch.context() as environ:
            for key, value in {"DLTK_HOME": home, "DLTK_NOTEBOOKS": home / "notebooks", "DLTK_SPARES": 0}.items():
                environ.setenv(key, str(value))
            world.links.actors["one"] = type(world.links.actors["one"])()
        assert await world.apply("far") == "rows\\n3\\n"
        assert len(world.methods("fetch")) == 1
        (stored,) = home.glob("app/model/data/applies/*/files/far_m.json")
        assert stored.read_text() == '{"rows": 3}'

    asyncio.run(_in(world, body()))


def test_rows_that_were_applied_there_count_for_drift(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker counts between two requests: no answer carries it, but the next look does."""
    taken: list[Counts] = []
    monkeypatch.setattr(world.drift, "take", lambda _version, _features, counts: taken.append(counts))

    async def body() -> None:
        world.commit("far")
        for number in (1, 2):
            await world.apply("far")
            (worker,) = (await world.links.actors["one"]._started()).workers()
            worker._listener.counts(Counts(number, {}))
            await world.look()
            assert [each.rows for each in taken] == list(range(1, number + 1))

    asyncio.run(_in(world, body()))


def test_files_that_were_damaged_on_a_node_are_fetched_anew(world: World, tmp_path: Path) -> None:
    """As soon as a worker there has to load them, and as often as one that had them ends."""

    async def body() -> None:
        world.commit("far", rows=3)
        assert await world.apply("far") == "rows\\n3\\n"
        (stored,) = (tmp_path / "one").glob("app/model/data/applies/*/files/far_m.json")
        for damage in (lambda: stored.write_text('{"rows": 3 '), stored.unlink):
            damage()
            with pytest.raises(AlgorithmFailed, match="ended by itself"):
                await world.apply("far", data="ends\n1\n")
            assert await world.apply("far") == "rows\\n3\\n"
        assert len(world.methods("fetch")) == 3

    asyncio.run(_in(world, body()))


def test_code_that_could_not_be_loaded_runs_once_it_is_mended(world: World, paths: Paths) -> None:
    async def body() -> None:
        write(paths.notebooks, "far", "", applies="label=kind=big", apply="def apply(model: raise")
        world.commit("far", rows=3)
        with pytest.raises(AlgorithmFailed, match="invalid syntax"):
            await world.apply("far")
        write(paths.notebooks, "far", "", applies="label=kind=big", apply=TELLING)
        assert await world.apply("far") == "rows\\n3\\n"

    asyncio.run(_in(world, body()))


def test_files_that_did_not_arrive_whole_do_not_stay(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write_nothing(*_: object) -> None:
        assert list((tmp_path / "one/app/model/data/applies").iterdir())
        raise Unreached("it did not answer for 7 s")

    async def body() -> None:
        world.commit("far")
        monkeypatch.setattr(world.links.actors["one"], "write", write_nothing)
        with pytest.raises(ApplyLost, match="The node 'one' was lost in step 'load'"):
            await world.apply("far")
        await soon(lambda: not list((tmp_path / "one/app/model/data/applies").iterdir()))

    asyncio.run(_in(world, body()))


def test_an_apply_that_asks_for_a_node_waits_for_the_first_look(world: World) -> None:
    async def body() -> None:
        world.commit("far", rows=4)
        world.helper._say(Nodes(problem=STARTING))
        task = asyncio.create_task(world.apply("far"))
        await soon(lambda: world.helper._reached._waiters)
        await world.look()
        assert await task == "rows\\n4\\n"

    asyncio.run(_in(world, body()))


def test_without_a_head_applies_stay_on_their_node_and_others_that_ask_for_one_say_why(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply_places, "AWAY_SECONDS", 0.01)

    async def body() -> None:
        world.commit("far", rows=4)
        world.commit("far", "other")
        world.commit("near")
        assert await world.apply("far") == "rows\\n4\\n"
        world.helper._say(Nodes(problem="the head of the cluster does not answer"))
        assert await world.apply("far") == "rows\\n4\\n"
        assert await world.apply("near") == "rows\\n1\\n"
        with pytest.raises(NowhereToApply, match="can be reached: the head of the cluster does not answer"):
            await world.apply("far", "other")
        world.links.lost.add("one")
        with pytest.raises(ApplyLost, match="The node 'one' was lost"):
            await world.apply("far")

    asyncio.run(_in(world, body()))


def test_what_is_forgotten_goes_from_nodes_and_from_those_that_join_again(
    world: World, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_applies, "COPIES_SECONDS", 0.0)
    kept = tmp_path / "one/app/model/data/applies"

    async def body() -> None:
        for model in ("private", "kept"):
            world.commit("far", model)
            await world.apply("far", model)
        await world.look()
        await soon(lambda: len(list(kept.iterdir())) == 2)  # what arrived for a call that is over goes without waiting
        pool = await world.links.actors["one"]._started()
        assert pool.apply_places[1] == 2
        forget(paths, ModelName("far", "private"))
        await world.look()
        await soon(lambda: len(list(kept.iterdir())) == 1)
        assert list(kept.glob("*/files/far_kept.json"))
        await soon(lambda: pool.apply_places[1] == 1)  # nor is it in a worker's memory
        assert await world.apply("far", "kept") == "rows\\n1\\n"

        world.links.lost.add("one")
        forget(paths, ModelName("far", "kept"))
        await world.look()
        assert list(kept.glob("*/files/far_kept.json"))
        world.links.lost.clear()
        await world.end("one")
        world.node(monkeypatch, tmp_path / "one", "one", "kind=big")
        await world.look()
        await soon(lambda: not list(kept.iterdir()))

    asyncio.run(_in(world, body()))


def test_a_store_that_is_away_makes_no_node_drop_anything(
    world: World, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = world.commit("far")
    copy = Copy(files_id("far", version.manifest().files), "far", "m", version.number)
    assert world.copies.gone([copy]) == []
    assert world.copies.gone([Copy("other", "far", "m", version.number)]) == ["other"]
    assert world.copies.gone([Copy("id", "far", "m", 9)]) == ["id"]
    (paths.models / "versions" / "far" / "m" / "1" / "version.json").write_text("{")
    assert world.copies.gone([copy]) == []
    world.store.attach()
    paths.models.rename(paths.models.with_name("away"))
    assert world.copies.gone([copy]) == []


async def _in(world: World, body: object) -> None:
    async with world.running():
        await body  # type: ignore[misc]
