"""The parts between machines that need no Ray: refusals, files, what a fit reports, and the line of fits."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dltk_runtime.cluster.driver import refusal
from dltk_runtime.cluster.errors import NodeLost, NoNode
from dltk_runtime.cluster.files import reserved
from dltk_runtime.cluster.machines import HERE
from dltk_runtime.cluster.messages import (
    Begin,
    Cancel,
    DeathReport,
    Ended,
    Event,
    Facts,
    Lost,
    Nodes,
    Outcome,
    Printed,
    Seen,
)
from dltk_runtime.cluster.places import FitAsked, FitPlaces
from dltk_runtime.cluster.ray_nodes import RESOURCE, TWIN_SECONDS, RayNodes, Reach, _is_up
from dltk_runtime.cluster.same import difference, releases
from dltk_runtime.errors import OptionInvalid
from dltk_runtime.notebook import algorithm
from dltk_runtime.notebook.source import Source
from dltk_runtime.paths import Paths
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.pool.outcome import WorkerDied
from dltk_runtime.pool.worker import Listener, Worker
from dltk_runtime.settings import Settings
from dltk_runtime.worker.messages import Entered, Fit, Fitted
from tests.cluster import figures
from tests.conftest import MakeNotebook

FACTS = Facts(cpus=2, memory=2**30, gpus=0, same={"python": "3.11.9"}, token=True, shown=False, monitor=False)
ASKED = FitAsked("healthy", {}, (), "a fit")
FITTED = Fitted(
    rows=1, features=(), info=b"null", metrics={}, description=b"{}", code=b"", libraries={}, kept_by_runtime=False
)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({}, ""),
        ({"token": False}, "Ray asks for no token there"),
        ({"shown": True}, "notebooks could read RAY_AUTH_TOKEN there"),
        ({"monitor": True}, "Ray's memory monitor would end fits there"),
        ({"same": {"python": "3.12.1"}}, "it has python 3.12.1, here 3.11.9; every machine needs the same image"),
    ],
)
def test_a_node_that_differs_runs_no_fit(changed: dict[str, Any], text: str) -> None:
    import msgspec

    assert refusal(msgspec.structs.replace(FACTS, **changed), {"python": "3.11.9"})[: len(text) or None] == text


def test_a_difference_names_both_releases_and_this_runtime_first() -> None:
    ours, theirs = {"dltk-runtime": "2", "a": "1", "b": "1", "c": "1"}, {"dltk-runtime": "1", "a": "2", "c": "2"}
    text = "dltk-runtime 1, here 2; a 2, here 1; b missing, here 1; and 1 more"
    assert difference(ours, theirs) == text
    assert difference(releases(), releases()) == ""


def test_files_of_a_node_stay_in_the_reserved_folder(tmp_path: Path) -> None:
    with reserved(str(tmp_path)) as target:
        with target.new("deep/er/model.bin") as file:
            file.write(b"x")
        for path in ("../out", "/etc/out", "a/../../out", ""):
            with pytest.raises(OSError, match="outside the version's folder"):
                target.new(path)
        tmp_path.rename(tmp_path.with_name("withdrawn"))
        tmp_path.mkdir()
        target.new("late").close()
    assert list(tmp_path.iterdir()) == []
    assert (tmp_path.with_name("withdrawn") / "deep/er/model.bin").read_bytes() == b"x"


class Looks:
    """A cluster whose nodes a test names: what a front has of them at each look, on a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.nodes = RayNodes("auto", lambda: self.now)
        self._found: list[dict[str, Any]] = []
        errors = SimpleNamespace(RayError=OSError)
        monkeypatch.setattr(self.nodes, "_ray", SimpleNamespace(nodes=lambda: self._found, exceptions=errors))
        monkeypatch.setattr(self.nodes, "_reach", lambda each, name: Reach(each["NodeID"], name, (), None))

    def has(self, *alive: str, dead: str = "") -> list[tuple[str, str]]:
        """Return id and name of each node that a front uses; all of `alive` have one name."""
        ids = [*alive, *filter(None, [dead])]
        self._found = [
            {"NodeID": each, "NodeName": "far", "Alive": each != dead, "Resources": {RESOURCE: 1}, "Labels": {}}
            for each in ids
        ]
        return [(each.id, each.name) for each in self.nodes.alive()]


def test_a_node_that_joins_again_takes_the_place_of_the_one_that_was_declared_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = Looks(monkeypatch)
    looks.has("first")
    assert looks.has("second", dead="first") == [("second", "far")]
    found = looks.nodes.named("far")
    assert found is not None
    assert found.id == "second"


def test_a_node_that_is_started_again_before_ray_knows_that_it_was_dead_keeps_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = Looks(monkeypatch)
    looks.has("first")
    first = looks.nodes.named("far")
    assert first is not None
    looks.nodes.drop(first)  # it does not answer
    assert looks.has("first", "second") == []
    looks.now += TWIN_SECONDS - 1
    assert looks.has("second", dead="first") == [("second", "far")]
    assert looks.has("second") == [("second", "far")]


def test_two_nodes_with_one_name_that_both_stay_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(monkeypatch)
    looks.has("first12")
    assert looks.has("first12", "second34") == [("first12", "far")]
    looks.now += TWIN_SECONDS
    assert looks.has("first12", "second34") == [("first12", "far"), ("second34", "far-second")]
    looks.nodes.drop(looks.nodes.named("far-second") or Reach("", "", (), None))
    assert looks.has("first12", "second34") == [("first12", "far"), ("second34", "far-second")]


@pytest.mark.parametrize(
    ("printed", "up"), [(b"Local node IP: 10.0.0.1\nRay runtime started.\n--block\n", True), (b"a\n", False)]
)
def test_a_node_of_the_front_that_ends_before_it_is_up_is_noticed(printed: bytes, up: bool) -> None:
    """Another node of the machine would take its place, or none."""
    assert _is_up(io.BytesIO(printed)) is up


class StandInPool:
    """A pool without processes: each fit has a worker at once."""

    device_names = ()
    apply_places = (2, 1)

    def __init__(self) -> None:
        self.fits = 0

    @contextlib.asynccontextmanager
    async def fit_worker(self, *_: object, gpu: bool, background: bool) -> AsyncIterator[str]:
        self.fits += 1
        yield "a worker here"


class World:
    """The places of a front with one place, whose helper process is played by the test."""

    def __init__(self, paths: Paths) -> None:
        self.pool = StandInPool()
        settings = Settings(home=paths.home, notebooks=paths.notebooks, cluster="auto", fit_workers=1)
        self.places = FitPlaces(settings=settings, pool=self.pool)  # type: ignore[arg-type]
        self.sent: list[Begin | Cancel] = []
        self.places.helper.send = self.send  # type: ignore[method-assign]

    async def send(self, message: Begin | Cancel, rows: Payload = NO_ROWS) -> None:
        self.sent.append(message)

    def see(self, *nodes: Seen, problem: str = "") -> None:
        self.places.helper._say(Nodes(nodes, problem))

    def tell(self, *messages: Event | Ended | Lost) -> None:
        for each in messages:
            self.places.helper._take(each, NO_ROWS)


@pytest.fixture
def world(paths: Paths, make_notebook: MakeNotebook) -> World:
    make_notebook("healthy")
    make_notebook("far", "# %% tags=parameters\nresources: str = 'label=kind=big'\n# %% mltkc_init\ndef init(): pass")
    return World(paths)


async def soon(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - what it waits for has no event
        await asyncio.sleep(0.005)


BIG = Seen("one", ("kind=big",), cpus=1, memory=2**40)


async def call(worker: Worker) -> tuple[Any, Any]:
    fit = Fit("far", "versions/far/m/1/far_m", "/folder", "/folder/kept", b"{}")
    return await worker.call(fit, deadline=asyncio.get_running_loop().time() + 600, setting="DLTK_FIT_TIMEOUT")


def test_a_fit_waits_for_its_node_and_what_that_reports_arrives(world: World) -> None:
    printed: list[bytes] = []

    async def fit() -> tuple[Any, Any]:
        asked = FitAsked("far", {}, (), "a fit")
        async with world.places.fit_worker(asked, Listener(printed.append)) as worker:
            return await call(worker)

    async def body() -> None:
        world.see(problem="the head does not answer")
        task = asyncio.ensure_future(fit())
        await soon(lambda: world.places._line)
        world.see(BIG)
        await soon(lambda: world.sent)
        (begin,) = world.sent
        assert isinstance(begin, Begin)
        assert world.places.view().nodes[1].fits == 1
        world.tell(
            Event(begin.key, Entered("fit", "far.ipynb, cell 2 (mltkc_fit)")),
            Event(begin.key, Printed(b"text")),
            Ended(begin.key, Outcome(answer=FITTED)),
        )
        assert (await task)[0] == FITTED
        assert printed == [b"This fit runs on node 'one'.\n", b"text"]
        assert isinstance(world.sent[-1], Cancel)
        assert world.places.view().nodes[1].fits == 0

    asyncio.run(body())


@pytest.mark.parametrize(
    ("how", "kind", "text"),
    [
        ("lost", NodeLost, r"The node 'one' was lost in step 'fit' at far.ipynb, cell 2 \(mltkc_fit\): it is gone"),
        ("died", WorkerDied, "the worker process on node 'one' was ended by SIGSEGV in step 'fit' at a cell"),
        ("helper", NodeLost, "the helper process of this front ended"),
    ],
)
def test_a_lost_node_and_a_dead_worker_are_told_apart(how: str, kind: type[Exception], text: str, world: World) -> None:
    async def body() -> None:
        world.see(BIG)
        async with world.places.fit_worker(FitAsked("far", {}, (), "a fit"), Listener()) as worker:
            task = asyncio.ensure_future(call(worker))
            await soon(lambda: world.sent)
            key = world.sent[0].key
            world.tell(Event(key, Entered("fit", "far.ipynb, cell 2 (mltkc_fit)")))
            if how == "helper":
                await world.places.helper._clear()
            elif how == "lost":
                world.tell(Lost(key, "it is gone"))
            else:
                world.tell(Ended(key, Outcome(death=DeathReport("was ended by SIGSEGV", "fit", "a cell", ""))))
            with pytest.raises(kind, match=text):
                await task

    asyncio.run(body())


def test_what_no_machine_could_hold_is_refused_once_the_nodes_are_known(world: World) -> None:
    async def fit() -> None:
        async with world.places.fit_worker(FitAsked("far", {}, (), "a fit"), Listener()):
            raise AssertionError("it began")

    async def body() -> None:
        task = asyncio.ensure_future(fit())
        await soon(lambda: world.places._line)
        world.see(Seen("small", (), cpus=1), Seen("other", ("kind=big",), refused="it has python 3.12"))
        with pytest.raises(NoNode, match=r"the label 'kind=big'.*\(this machine, small, other: it has python 3.12\)"):
            await task
        with pytest.raises(NoNode):
            await world.places.check("far", {})

    asyncio.run(body())


def test_local_first_and_queued_fits_only_where_there_is_room(world: World) -> None:
    async def body() -> None:
        world.see(BIG)
        assert await world.places.has_room("far", ())
        async with world.places.fit_worker(ASKED, Listener()) as worker:
            assert worker == "a worker here"
            assert await world.places.has_room("healthy", ())  # on the other node
            world.see(problem="the head does not answer")
            assert not await world.places.has_room("healthy", ())
            assert not await world.places.has_room("far", ())
        assert await world.places.has_room("healthy", ())
        assert [each.name for each in world.places.nodes] == [HERE]

    asyncio.run(body())


def test_notebooks_are_read_beside_the_event_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one takes to read, all applies of this front would wait for."""
    readers: list[threading.Thread] = []
    read = algorithm.source_of

    def noted(name: str, paths: Paths) -> Source:
        readers.append(threading.current_thread())
        return read(name, paths)

    async def body() -> None:
        world.see(BIG)
        await world.places.check("far", {})
        assert await world.places.has_room("far", ())
        assert await world.places.why_queued("far", {}) == ""
        async with world.places.fit_worker(ASKED, Listener()):
            pass

    monkeypatch.setattr(algorithm, "source_of", noted)
    asyncio.run(body())
    assert len(readers) == 4
    assert threading.main_thread() not in readers


def test_a_fit_beyond_the_operators_bounds_is_refused_before_it_waits(
    paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("wide", "# %% tags=parameters\nresources: str = 'cpus=1'\n# %% mltkc_init\ndef init(): pass")
    settings = Settings(home=paths.home, notebooks=paths.notebooks, cluster="auto", fit_workers=8, cluster_cpus=2)
    places = FitPlaces(settings=settings, pool=StandInPool())  # type: ignore[arg-type]
    asyncio.run(places.check("wide", {"resources": "cpus=2"}))
    with pytest.raises(OptionInvalid, match="at most cpus=2"):
        asyncio.run(places.check("wide", {"resources": "cpus=3"}))


def test_a_cancelled_fit_leaves_the_line(world: World) -> None:
    async def fit() -> None:
        async with world.places.fit_worker(ASKED, Listener()):
            await asyncio.sleep(3600)

    async def body() -> None:
        first = asyncio.ensure_future(fit())
        await soon(lambda: world.pool.fits)
        second = asyncio.ensure_future(fit())
        await soon(lambda: world.places._line)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert world.places._line == []
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert world.places._running == {}
        assert world.pool.fits == 1

    asyncio.run(body())


def test_the_figures_of_made_up_machines_can_be_measured() -> None:
    for figure in (figures.deciding(2, figures.PLACES), figures.reading(2)):
        assert re.fullmatch(r"[\d.e+-]+ ms \([\d.e+-]+ to [\d.e+-]+\)", figure), figure
