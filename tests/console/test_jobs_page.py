"""The jobs' pages: place, bar, time left and squares; live parts that several browsers share; the doctor's findings."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from starlette.requests import Request

from dltk_runtime.doctor.quick import quick
from dltk_runtime.jobs.record import JobRecord, State
from dltk_runtime.jobs.view import JobView
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.server.console import jobs_page, render, streams
from dltk_runtime.server.console.entrance import Entrance
from dltk_runtime.server.console.failures import cell_of
from dltk_runtime.server.console.session import COOKIE
from dltk_runtime.server.console.streams import Part, Streams
from dltk_runtime.server.guard import Guard
from dltk_runtime.service.checks import CheckList, CheckResult, Checks
from dltk_runtime.settings import Settings
from tests.console.inside import ADMIN, World
from tests.support.service import until


@pytest.fixture
def world(paths: Paths) -> World:
    return World(paths)


def running(world: World, model: str = "m") -> str:
    given = {"algo": "healthy", "note": 'two "words"', "k": "3", "sizes": '"64 32"'}
    job = world.service.jobs.create(ModelName("healthy", model), given)
    job.start()
    job.phase("fit")
    job.progress(2, 8, {"loss": 0.5})
    job.flush()
    world.kept.append(job)
    return job.id


def test_a_running_fit_has_a_bar_and_the_time_left_and_a_queued_one_its_place(world: World) -> None:
    job = running(world)
    world.kept.append(world.service.jobs.create(ModelName("healthy", "later"), {}))
    text = world.get("/ui/jobs")
    assert '<progress value="2.0" max="8.0"' in text
    assert " left" in text
    assert "place 1" in text
    page = world.get(f"/ui/jobs/{job}")
    assert "2 of 8, about" in page
    assert "algo=healthy note=&#34;two \\&#34;words\\&#34;&#34; k=3 sizes=&#34;64 32&#34; …" in page, (
        "as a search takes it"
    )


def test_the_cell_of_a_failure_is_one_of_the_notebook_that_failed(world: World) -> None:
    world.notebook()
    cell = cell_of("healthy.ipynb, cell 3 (mltkc_fit), line 2: `x`", "healthy", world.paths)
    assert cell is not None
    assert (cell.number, cell.line) == (3, 2)
    assert cell_of("clean.ipynb, cell 3 (mltkc_fit), line 2: `x`", "healthy", world.paths) is None


def view(step: float, total: float, seconds: float = 30.0) -> JobView:
    started = datetime.now(UTC) - timedelta(seconds=seconds)
    record = JobRecord(id="x", algorithm="a", model="m", state=State.RUNNING, created=started, started=started)
    return JobView.of(msgspec.structs.replace(record, step=step, total=total), 0)


def test_the_time_left_follows_from_the_steps() -> None:
    assert render.left(view(10, 40)) == "about 1 min 30 s left"
    assert [render.left(view(*each)) for each in ((0, 40), (0, 0), (40, 40))] == [""] * 3


def test_the_last_fits_of_each_model_are_squares_and_rows_are_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_page, "MAX_ROWS", 6)
    monkeypatch.setattr(jobs_page, "MAX_LIVE", 2)
    for number in range(9):
        world.ended(f"healthy/m{number % 2}")
    text = world.get("/ui/jobs")
    assert text.count('<rect class="failed"') == 9
    assert text.count('<a class="fixed" href="/ui/jobs/') == 6
    live, _, rest = text.partition("Before these")
    assert (live.count('<a class="fixed"'), rest.count('<a class="fixed"')) == (2, 4)
    assert "<code>dltk jobs</code> lists all" in text
    assert world.get("/ui/jobs?state=running").count('<a class="fixed"') == 0
    assert "No job in this state" in world.get("/ui/jobs?state=running")


# ------------------------------------------------------------ live parts


def test_ten_browsers_that_watch_cost_as_much_as_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SHARED_SECONDS", 600.0)
    made = 0

    async def make() -> Part:
        nonlocal made
        made += 1
        await asyncio.sleep(0)
        return "<p>part</p>", False

    async def watch() -> list[bytes]:
        shared = Streams(world.service)
        one, *others = await asyncio.gather(*(_all(shared, "job", make) for _ in range(10)))
        assert all(each == one for each in others)
        return one

    assert asyncio.run(watch()) == [b"data: <p>part</p>\n\n", b"event: done\ndata: done\n\n"]
    assert made == 1


async def _all(shared: Streams, key: str, make: streams.Make) -> list[bytes]:
    return [each async for each in shared._events(key, make, lambda: True)]


def test_who_leaves_takes_a_part_from_nobody(world: World) -> None:
    async def watch() -> Part:
        shared, go, started = Streams(world.service), asyncio.Event(), asyncio.Event()

        async def make() -> Part:
            started.set()
            await go.wait()
            return "part", False

        first, second = (asyncio.ensure_future(shared.part("job", make)) for _ in range(2))
        await started.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        go.set()
        return await second

    assert asyncio.run(watch()) == ("part", False)


def test_a_stream_that_has_nothing_new_says_so_and_ends_when_the_server_stops(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(streams, "LIVE_SECONDS", 0.001)

    async def make() -> Part:
        return "part", True

    async def watch() -> list[bytes]:
        found = []
        async for each in Streams(world.service)._events("job", make, lambda: True):
            found.append(each)
            if len(found) == 3:
                world.service._stop_at = 1.0
        return found

    found = asyncio.run(watch())
    assert found[:3] == [b"data: part\n\n", b": nothing new\n\n", b": nothing new\n\n"]
    assert len(found) <= 4


def test_a_stream_ends_with_its_session(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SESSION_SECONDS", 0.0)
    monkeypatch.setattr(streams, "LIVE_SECONDS", 0.001)
    signed_in = [True, True, False]

    async def make() -> Part:
        return "part", True

    async def watch() -> list[bytes]:
        shared = Streams(world.service)
        return [each async for each in shared._events("job", make, lambda: signed_in.pop(0))]

    said = streams.event(streams.ENDED) + streams.DONE
    assert asyncio.run(watch()) == [b"data: part\n\n", said]
    assert signed_in == []
    answer = world.ask("/ui/jobs-live", "another token", accept="text/html, text/event-stream")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert answer.body == said, "who asks again is not led to a page, after which it would ask again"
    assert world.ask("/ui/jobs-live", "another token").status == 303


def test_a_stream_asks_for_the_session_of_its_own_browser(world: World) -> None:
    cookie = world.sessions.begin(ADMIN)
    scope = {"type": "http", "headers": [(b"cookie", f"{COOKIE}={cookie}".encode())], "client": None}
    is_signed_in = Entrance(Guard(world.service, world.tokens), world.sessions).watcher(Request(scope))
    assert is_signed_in()
    session = world.sessions.read(cookie)
    assert session is not None
    world.sessions.end(session)
    assert not is_signed_in()


def test_streams_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 0)
    job = running(world)
    for path in (f"/ui/jobs/{job}/live", "/ui/jobs-live"):
        answer = world.ask(path)
        assert (answer.status, "Too many live pages" in answer.text) == (503, True)


# ------------------------------------------------------------ the doctor's findings


def test_red_lines_of_the_doctor_stand_on_the_overview_with_their_fix(world: World) -> None:
    found = [
        CheckResult("volume", "error", "<b>full</b>", "Add space."),
        CheckResult("token", "warning", "short", "Make a longer one."),
        CheckResult("notebooks", "ok", "5 of 5 algorithms are valid"),
    ]
    world.service.checks._run = lambda: found
    world.get("/ui")  # somebody looks, so they are looked for
    view = until(lambda: checked(world))
    assert [each.severity for each in view.findings] == ["error", "warning", "ok"]
    text = world.get("/ui")
    assert "<strong>volume</strong>: &lt;b&gt;full&lt;/b&gt;" in text
    assert "→ Add space." in text
    assert "1 warning of the doctor" in text
    assert "5 of 5" not in text


def checked(world: World) -> CheckList | None:
    found = msgspec.json.decode(world.get("/v1/checks"), type=CheckList)
    return found if found.time is not None else None


def test_checks_run_once_while_they_are_fresh_and_a_failure_ends_nothing() -> None:
    runs, ended = [], threading.Event()

    def run() -> list[CheckResult]:
        runs.append(1)
        ended.set()
        raise OSError("gone")

    checks = Checks(run)
    assert [checks.latest().time for _ in range(5)] == [None] * 5
    assert ended.wait(60)
    assert runs == [1]


def test_the_quick_checks_are_those_of_the_doctor(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "notebooks" / "broken.ipynb").write_text('{"cells": "def fit"}')
    found = list(quick(Settings(api_token="short", home=paths.home, notebooks=paths.notebooks, https=False)))
    assert {each.check for each in found} >= {"token", "certificate", "volume", "notebooks"}
    assert all(each.advice for each in found if each.severity in ("error", "warning"))
