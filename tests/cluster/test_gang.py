"""A fit by several workers, whose nodes the test plays: one answer, one error, all or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from dltk_runtime.cluster import gang as gangs
from dltk_runtime.cluster import gang_places, gang_states
from dltk_runtime.cluster.errors import NodeLost, RankLost
from dltk_runtime.cluster.gang import Marked
from dltk_runtime.cluster.gang_states import GangStates
from dltk_runtime.cluster.machines import HERE
from dltk_runtime.cluster.messages import (
    Begin,
    Cancel,
    Ended,
    Event,
    Lost,
    Meet,
    Outcome,
    Printed,
    Seen,
)
from dltk_runtime.cluster.node import NodeActor
from dltk_runtime.cluster.node_fit import NodeFit
from dltk_runtime.cluster.node_gang import RankFiles
from dltk_runtime.cluster.placement import MAX_OVERTAKEN, Need
from dltk_runtime.cluster.places import FitAsked, FitPlaces
from dltk_runtime.cluster.remote import Order
from dltk_runtime.cluster.report import DeathReport
from dltk_runtime.errors import DltkError
from dltk_runtime.gang import MEETING
from dltk_runtime.paths import Paths
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.pool.outcome import KILLED, WorkerDied
from dltk_runtime.pool.worker import Listener
from dltk_runtime.settings import Settings
from dltk_runtime.worker.gang_messages import Gang, Kept, Listens, Trained
from dltk_runtime.worker.messages import Entered, ErrorReport, Failed, Fit, Progress
from tests.cluster.test_parts import FITTED, StandInPool, soon
from tests.conftest import MakeNotebook

NODES = tuple(Seen(name, ("kind=big",), f"10.0.0.{n}", cpus=1, memory=2**40) for n, name in enumerate("ab", start=1))
NOTEBOOK = """
# %% tags=parameters
resources: str = "label=kind=big"
workers: int = 2
# %% mltkc_import
from app.model import ranks
# %% mltkc_init
def init(): pass
"""


class World:
    """The places of a front whose nodes, `a` and `b` with a place each, are played by the test."""

    def __init__(self, paths: Paths) -> None:
        settings = Settings(
            home=paths.home, notebooks=paths.notebooks, cluster="auto", cluster_closed=True, fit_workers=1
        )
        self.places = FitPlaces(settings=settings, pool=StandInPool())  # type: ignore[arg-type]
        self.sent: list[Begin | Cancel | Meet] = []
        self.printed: list[bytes] = []
        self.steps: list[float] = []
        self.places.helper.send = self.send  # type: ignore[method-assign]
        self.see()

    async def send(self, message: Begin | Cancel | Meet, rows: Payload = NO_ROWS) -> None:
        self.sent.append(message)

    def see(self, *nodes: Seen) -> None:
        helper = self.places.helper
        helper._say(msgspec.structs.replace(helper.nodes, nodes=nodes or NODES, problem=""))

    def tell(self, rank: int, what: Any) -> None:
        """Have the node of a rank say something of the newest attempt."""
        key = self.begun[rank].key
        if isinstance(what, Outcome):
            self.places.helper._take(Ended(key, what), NO_ROWS)
        elif isinstance(what, str):
            self.places.helper._take(Lost(key, what), NO_ROWS)
        else:
            self.places.helper._take(Event(key, what), NO_ROWS)

    @property
    def begun(self) -> list[Begin]:
        """What was begun last, by rank."""
        return [each for each in self.sent if isinstance(each, Begin)][-2:]

    async def fit(self) -> Any:
        listener = Listener(self.printed.append, progress=lambda progress: self.steps.append(progress.step))
        async with self.places.fit_worker(FitAsked("both", {}, (), "a fit", keep=Path("/jobs/state")), listener) as it:
            fit = Fit("both", "versions/both/m/1/both_m", "/folder", "/folder/kept", b"{}", curves="/curves")
            deadline = asyncio.get_running_loop().time() + 600
            return (await it.call(fit, deadline=deadline, setting="DLTK_FIT_TIMEOUT"))[0]


@pytest.fixture
def notebook(paths: Paths, make_notebook: MakeNotebook) -> None:
    """One that is fitted by two workers."""
    make_notebook("both", NOTEBOOK)
    (paths.notebooks / "app" / "model").mkdir(parents=True, exist_ok=True)
    (paths.notebooks / "app" / "model" / "ranks.py").write_text("")


@pytest.fixture
def played(paths: Paths, notebook: None) -> Callable[[Callable[[World, Any], Awaitable[None]]], None]:
    """Run a scene: it gets the world, and the task of a fit whose two ranks have begun."""

    def run(scene: Callable[[World, Any], Awaitable[None]]) -> None:
        async def body() -> None:
            world = World(paths)
            task = asyncio.ensure_future(world.fit())
            await soon(lambda: len(world.sent) == 2)
            await scene(world, task)
            assert world.places._running == {}
            assert {each.key for each in world.sent if isinstance(each, Cancel)} == {
                each.key for each in world.sent if isinstance(each, Begin)
            }

        asyncio.run(body())

    return run


def test_the_ranks_meet_and_the_first_one_answers(played: Any) -> None:
    async def scene(world: World, task: Any) -> None:
        parts = [each.fit.gang for each in world.begun]
        assert [(each.rank, each.ranks, each.address) for each in parts if each] == [
            (0, 2, "10.0.0.1"),
            (1, 2, "10.0.0.2"),
        ]
        assert [each.node for each in world.begun] == ["a", "b"]
        assert world.begun[0].keep.startswith("/jobs/state-")
        assert [each.fits for each in world.places.view().nodes] == [0, 1, 1]
        world.tell(0, Listens(4711))
        await soon(lambda: any(isinstance(each, Meet) for each in world.sent))
        (meet,) = (each for each in world.sent if isinstance(each, Meet))
        assert (meet.key, meet.node, meet.text) == (world.begun[1].key, "b", "10.0.0.1 4711")
        world.tell(0, Progress(1, 2, {}))
        world.tell(1, Progress(2, 2, {}))
        world.tell(0, Printed(b"here\n"))
        world.tell(1, Printed(b"the"))
        world.tell(1, Printed(b"re\n"))
        world.tell(1, Outcome(answer=Trained()))
        world.tell(0, Outcome(answer=FITTED))
        assert await task == FITTED
        assert world.steps == [1]
        assert world.printed == [b"Workers: rank 0 on 'a', rank 1 on 'b'.\n", b"here\n", b"[rank 1] there\n"]

    played(scene)


def test_an_error_says_of_which_rank_it_is(played: Any) -> None:
    async def scene(world: World, task: Any) -> None:
        world.tell(1, Outcome(answer=Failed(ErrorReport("fit", "ValueError: no", "both.ipynb, cell 3"))))
        error = (await task).error
        assert str(error) == "ValueError: no (at both.ipynb, cell 3). This was rank 1 of 2, on 'b'"

    played(scene)


@pytest.mark.parametrize(
    ("what", "kind", "text"),
    [
        ("it is gone", NodeLost, r"The node 'b' of rank 1 of 2 was lost in step 'fit' at a cell: it is gone. Nothing"),
        (
            Outcome(death=DeathReport(KILLED, "fit", "a cell", "")),
            RankLost,
            r"Rank 1 of 2 on 'b' was killed \(SIGKILL\), most likely .*, in step 'fit' at a cell. Nothing was stored.",
        ),
        (
            Outcome(death=DeathReport("was ended at its deadline", "fit", "a cell", "")),
            WorkerDied,
            "of rank 1 of 2 on node 'b' was ended at its deadline in step 'fit' at a cell",
        ),
    ],
)
def test_a_lost_rank_is_named_before_what_the_others_noticed_of_it(
    what: Any, kind: type[Exception], text: str, played: Any
) -> None:
    async def scene(world: World, task: Any) -> None:
        world.tell(1, Entered("fit", "a cell"))
        world.tell(0, Outcome(answer=Failed(ErrorReport("fit", "RankLost: closed by peer", kind="RankLost"))))
        await asyncio.sleep(0)
        assert not task.done()
        world.tell(1, what)
        with pytest.raises(kind, match=text):
            await task

    played(scene)


def test_ranks_that_only_lost_each_other_are_a_loss_too(played: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gangs, "SETTLE_SECONDS", 0.01)

    async def scene(world: World, task: Any) -> None:
        world.tell(0, Outcome(answer=Failed(ErrorReport("fit", "RankLost: closed by peer", kind="RankLost"))))
        with pytest.raises(RankLost, match="lost the way to one another"):
            await task

    played(scene)


def test_a_gang_whose_place_is_taken_gives_all_back_and_waits_first_in_the_line(
    played: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gangs, "BACK_SECONDS", (0.0, 0.0))

    async def scene(world: World, task: Any) -> None:
        first = world.begun
        world.places.settings = Settings(max_waiting=0)  # for those who had no turn yet
        world.see(NODES[0])
        world.tell(1, Outcome(full=True))
        await soon(lambda: world.places._line)
        assert world.places._running == {}
        assert world.places._line[0].waiting.overtaken == MAX_OVERTAKEN
        world.see(NODES[0], msgspec.structs.replace(NODES[1], name="c", address="10.0.0.3"))
        await soon(lambda: not {each.key for each in world.begun} & {each.key for each in first})
        assert [each.fit.gang.address for each in world.begun if each.fit.gang] == ["10.0.0.1", "10.0.0.3"]
        assert {each.key for each in world.begun} == set(world.places._running)
        world.tell(0, Outcome(answer=FITTED))
        assert await task == FITTED

    played(scene)


def test_no_rank_begins_where_the_address_of_a_machine_is_unknown(paths: Paths, notebook: None) -> None:
    """An empty one would mean every address."""

    async def body() -> None:
        world = World(paths)
        world.see(NODES[0], msgspec.structs.replace(NODES[1], address=""))
        with pytest.raises(NodeLost, match=r"The node 'b' was lost .*does not say at which address"):
            await world.fit()
        assert not world.begun
        assert world.places._running == {}

    asyncio.run(body())


def test_a_search_that_hangs_up_ends_every_rank(played: Any) -> None:
    async def scene(world: World, task: Any) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    played(scene)


def test_workers_on_one_machine_only_where_nobody_vouches_for_the_network(
    paths: Paths, make_notebook: MakeNotebook
) -> None:
    """What ranks send each other is not encrypted."""
    make_notebook("both", NOTEBOOK)
    (paths.notebooks / "app" / "model").mkdir(parents=True, exist_ok=True)
    (paths.notebooks / "app" / "model" / "ranks.py").write_text("")
    settings = Settings(home=paths.home, notebooks=paths.notebooks, cluster="auto")
    places = FitPlaces(settings=settings, pool=StandInPool())  # type: ignore[arg-type]
    places.helper._say(msgspec.structs.replace(places.helper.nodes, nodes=NODES, problem=""))
    with pytest.raises(DltkError, match="asks for 2 workers that fit together on one machine"):
        asyncio.run(places.check("both", {}))


def test_a_notebook_with_workers_of_its_own_is_fitted_once(paths: Paths, make_notebook: MakeNotebook) -> None:
    """Only what trains by `app.model.ranks` asks for workers that fit together."""
    make_notebook("own", NOTEBOOK.replace("from app.model import ranks", "import json"))
    settings = Settings(home=paths.home, notebooks=paths.notebooks, cluster="auto")
    places = FitPlaces(settings=settings, pool=StandInPool())  # type: ignore[arg-type]
    places.helper._say(msgspec.structs.replace(places.helper.nodes, nodes=NODES, problem=""))
    asyncio.run(places.check("own", {"workers": "64"}))


def test_printed_lines_of_other_ranks_are_marked_and_bounded() -> None:
    told: list[bytes] = []
    marked = Marked(b"[rank 1] ", told.append)
    for piece in (b"a", b"b\nc\nd", b"e" * gangs.MAX_LINE_BYTES, b"\n"):
        marked(piece)
    assert told[0] == b"[rank 1] ab\n[rank 1] c\n"
    assert b"".join(told).count(b"e") == gangs.MAX_LINE_BYTES


class StandInNodes:
    """Nodes that hold one state each."""

    def __init__(self, files: RankFiles) -> None:
        self.files = files

    def named(self, name: str) -> str:
        return name

    async def call(self, node: str, method: str, key: str, *arguments: Any, seconds: float) -> Any:
        methods = {"kept": self.files.kept, "read_kept": self.files.read, "meet": self.files.meet}
        return methods[method](*arguments)


def test_a_rank_whose_rows_are_still_on_their_way_is_told_where_to_meet_once_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gang_states, "AGAIN_SECONDS", 0)
    files = RankFiles(tmp_path / "rank")
    states, asked = GangStates(StandInNodes(files)), list[bool]()

    def under_way() -> bool:
        asked.append(True)
        if len(asked) == 3:
            files.prepare(b"")
        return len(asked) < 100

    async def body() -> None:
        states.meet(Meet("key-1", "b", "10.0.0.1 4711"), under_way)
        await asyncio.gather(*states._meetings)
        assert (tmp_path / "rank" / MEETING).read_text() == "10.0.0.1 4711"
        assert len(asked) == 3
        states.meet(Meet("key-2", "b", "10.0.0.1 4711"), lambda: False)  # its fit has ended
        await asyncio.gather(*states._meetings)

    asyncio.run(body())


def test_a_fit_whose_folder_cannot_be_made_ends_and_one_whose_state_is_read_is_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    fit = Fit("both", "", "", "", b"{}", gang=Gang(0, 2, "10.0.0.1", "rank"))
    begin = Begin("key", "a", fit, b"", (), "", 1, 0, gpu=False, seconds=1, setting="")

    async def body() -> None:
        actor = NodeActor()
        node = actor._fits["key"] = NodeFit(begin, NO_ROWS, StandInPool(), tmp_path, tmp_path / "folder")  # type: ignore[arg-type]
        await asyncio.wait([node._task])
        assert node.outcome is not None
        assert "FileExistsError" in str(node.outcome.answer)
        assert (await node.events(0, 0)).ended
        for ask in (actor.kept("key"), actor.read_kept("key", 0, 1)):
            node.asked = 0.0
            await ask
            assert node.asked

    asyncio.run(body())


def test_no_copy_of_a_state_is_written_once_its_worker_here_is_given_back(
    paths: Paths, notebook: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would outlive the job, whose folder has lost what its starts have kept."""
    world, copying, go, copied = World(paths), threading.Event(), threading.Event(), list[str]()

    def slowly(_: object) -> None:
        copying.set()
        assert go.wait(60)
        copied.append("whole")

    monkeypatch.setattr(gang_places._Keeper, "_replace", slowly)
    order = Order("key", "", Need(workers=2), b"", (), "a fit", keep="/jobs/state-1")
    places = gang_places.GangPlaces(world.places.pool, world.places.helper, "both", order, HERE)
    listeners: list[Listener] = []

    async def lease() -> None:
        def leased(*arguments: Any, **_: Any) -> Any:
            listeners.append(arguments[3])
            return contextlib.nullcontext(SimpleNamespace(device="0"))

        monkeypatch.setattr(world.places.pool, "fit_worker", leased)
        async with places.lease(HERE, 0, Listener(world.printed.append)):
            listeners[0].rank(Kept(1))
            await asyncio.to_thread(copying.wait, 60)
            raise ValueError("the fit fails")

    async def body() -> None:
        task = asyncio.ensure_future(lease())
        await asyncio.to_thread(copying.wait, 60)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()
        go.set()
        with pytest.raises(ValueError, match="the fit fails"):
            await task
        assert copied

    asyncio.run(body())


def test_a_state_outlives_its_node_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next start of the job begins with it."""
    monkeypatch.setattr(gang_states, "PIECE_BYTES", 3)
    files = RankFiles(tmp_path / "rank")
    files.prepare(b"")
    states, keep = GangStates(StandInNodes(files)), tmp_path / "state-1"
    fit = Fit("both", "", "", "", b"{}", gang=Gang(0, 2, "10.0.0.1", "rank"))
    begin = Begin("key", "a", fit, b"", (), "", 1, 0, gpu=False, seconds=1, setting="", keep=str(keep))

    async def body() -> None:
        assert await states.begin(begin) == b""
        (tmp_path / "rank" / "kept").write_bytes(b"epoch 1")
        await states.keep("a", begin)
        assert keep.read_bytes() == b"epoch 1"
        (tmp_path / "rank" / "kept").write_bytes(b"epoch 22")
        monkeypatch.setattr(files, "read", lambda at, size: b"ep" if at == 0 else b"")  # its node ends meanwhile
        await states.keep("a", begin)
        assert keep.read_bytes() == b"epoch 1"
        assert await states.begin(begin) == b"epoch 1"
        other = msgspec.structs.replace(begin, fit=msgspec.structs.replace(fit, gang=Gang(1, 2, "", "")))
        assert await states.begin(other) == b""

    asyncio.run(body())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rank", "state-1"]
    files.close()
