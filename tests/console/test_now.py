"""What the overview says of this moment, and a job's page of where its time went."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from dltk_runtime.access.actor import Actor
from dltk_runtime.apply.drift import Judgement, Level
from dltk_runtime.jobs.job import Job
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.pool.devices import DeviceUsage
from dltk_runtime.pool.gpus import GpuCard
from dltk_runtime.server.console.jobs_page import MAX_SQUARES
from dltk_runtime.server.console.pictures import LINE_WIDTH
from dltk_runtime.service import health
from tests.console.inside import API, World, made


@pytest.fixture
def world(paths: Paths) -> World:
    return World(paths)


def begun(world: World, model: str = "m") -> Job:
    job = world.service.jobs.create(ModelName("healthy", model), {})
    world.kept.append(job)
    job.start()
    job.phase("fit")
    return job


def test_the_time_of_each_phase_is_a_row_with_a_bar_of_its_share(world: World) -> None:
    job = begun(world)
    job.record = msgspec.structs.replace(job.record, phases={"decode": 1.0, "fit": 90.0, "save": 9.0})
    job.progress(1, 4, {})
    job.flush()
    text = world.get(f"/ui/jobs/{job.id}")
    assert "<h2>Time by phase</h2>" in text
    rows = re.findall(r'<tr><th scope="row">(\w+)</th><td>(.*?)</td><td>.*?class="full".*?width="([\d.]+)"', text)
    shares = [(name, said, float(width) / LINE_WIDTH) for name, said, width in rows]
    assert shares == [("decode", "1.0 s", 0.01), ("fit", "1 min 30 s", 0.9), ("save", "9.0 s", 0.09)]


def test_fits_that_wait_or_run_stand_on_the_overview_and_leave_it_at_their_end(world: World) -> None:
    job = begun(world, "runs")
    world.kept.append(world.service.jobs.create(ModelName("healthy", "waits"), {}))
    _, _, active = world.get("/ui").partition("Fits that wait or run")
    assert (active.count('<a class="fixed"'), "runs" in active, "waits" in active) == (2, True, True)
    job.fail("it failed")
    _, _, rest = world.get("/ui").partition("Fits that wait or run")
    active, _, failed = rest.partition("Failed lately")
    assert ("runs" in active, "waits" in active, "runs" in failed) == (False, True, True)
    assert "No fit waits or runs." in World(made(world.paths.home.parent / "other")).get("/ui")


def test_gpus_and_workers_memory_are_bars_of_their_share(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [GpuCard(str(number), f"GPU-{number}", 1000, used, 1000 - used) for number, used in enumerate((250, 1000))]
    monkeypatch.setattr(world.service.pool, "gpus", lambda: [DeviceUsage(card.index, card) for card in cards])
    rows = re.findall(r'<dt>GPU (\d)</dt><dd>(.*?) MiB .*?class="full".*?width="([\d.]+)"', world.get("/ui"))
    assert [(index, said, float(width) / LINE_WIDTH) for index, said, width in rows] == [
        ("0", "250 of 1,000", 0.25),
        ("1", "1,000 of 1,000", 1.0),
    ]
    assert "<dt>GPU" not in World(made(world.paths.home.parent / "other")).get("/ui")


def test_of_each_model_the_last_fifty_fits_are_squares(world: World) -> None:
    world.commit()
    for _ in range(MAX_SQUARES + 3):
        world.ended()
    assert MAX_SQUARES == 50
    for page in ("/ui", "/ui/jobs", "/ui/models/healthy/m"):
        assert world.get(page).count('<rect class="failed"') == 50, page


def test_the_last_fit_drift_and_age_are_reasons_for_a_badge(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    version = world.commit()
    world.service.drift.recall([(version.id, Judgement(1, 1000, [Level("heat", 0.5, 0.0)]))])
    assert badge(world) == ("warning", ["heat has drifted since the fit, index 0.5"])
    monkeypatch.setattr(health, "OLD", timedelta(seconds=-1))
    assert badge(world) == ("warning", ["heat has drifted since the fit, index 0.5", "fitted 0 days ago"])
    world.ended()
    level, reasons = badge(world)
    assert (level, reasons[0], len(reasons)) == ("bad", "the last fit failed", 3)


def test_a_job_says_whose_it_is_its_parameters_and_the_end_of_a_long_log(world: World) -> None:
    given = {"algo": "healthy", "note": "<b>x</b>", "k": "3"}
    job = world.service.jobs.create(ModelName("healthy", "m"), given, actor=Actor(owner="anna", sid="1700000000.7"))
    world.kept.append(job)
    job.start()
    job.write(b"".join(b"line %d\n" % number for number in range(5000)))
    job.fail("it failed")
    text = " ".join(world.get(f"/ui/jobs/{job.id}").split())
    assert "of anna, search 1700000000.7" in text
    assert re.findall(r'<tr><th scope="row">(\w+)</th><td class="text">(.*?)</td>', text) == [
        ("note", "&lt;b&gt;x&lt;/b&gt;"),
        ("k", "3"),
    ]
    assert "Printed, its end" in text
    assert ("line 4999" in text, "line 1000 " in text) == (True, False)
    assert "The search set none" in world.get(f"/ui/jobs/{begun(world).id}")


def test_a_table_has_no_column_that_nothing_is_in(world: World) -> None:
    world.ended()
    assert heads(world.get("/ui/jobs")) == ["job", "model", "state", "began", "took", "reason"]
    job = world.service.jobs.create(ModelName("healthy", "m"), {})
    job.start()
    job.succeed(rows=3, version=1, promoted=True, message="done")
    assert heads(world.get("/ui/jobs?state=succeeded")) == ["job", "model", "state", "began", "took", "rows", "version"]
    world.commit()
    assert "model" not in heads(world.get("/ui/models/healthy/m").partition("Last fits")[2])


def heads(text: str) -> list[str]:
    """The titles of the first table of a page."""
    return re.findall(r"<th>(.*?)</th>", text.partition("<thead>")[2].partition("</thead>")[0])


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/plain", "application/xhtml+xml"])
@pytest.mark.parametrize("token", [API, "wrong", ""])
def test_who_does_not_ask_for_html_gets_the_same_with_and_without_a_console(
    accept: str | None, token: str, tmp_path: Path
) -> None:
    given = {} if accept is None else {"accept": accept}
    worlds = [World(made(tmp_path / str(console)), {"console": console}) for console in (True, False)]
    answers = [each.ask("/", token, **given) for each in worlds]
    assert answers[0].status == (200 if token == API else 401)
    assert [each.body for each in answers[1:]] == [answers[0].body]
    assert answers[0].headers == answers[1].headers


def badge(world: World) -> tuple[str, list[str]]:
    (found,) = world.service.health.collect(lambda _: True).models
    return found.level, found.reasons
