"""What the overview says of this moment, and a job's page of where its time went."""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec
import pytest

from dltk_runtime.apply.drift import Judgement, Level
from dltk_runtime.jobs.job import Job
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.server.console.jobs_page import MAX_SQUARES
from dltk_runtime.server.console.pictures import LINE_WIDTH
from dltk_runtime.service import health
from tests.console.inside import World, made


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


def badge(world: World) -> tuple[str, list[str]]:
    (found,) = world.service.health.collect(lambda _: True).models
    return found.level, found.reasons
