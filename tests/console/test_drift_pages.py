"""Drift by field: the distribution at the fit beside that of now, indexes over time, rows until it is judged."""

from __future__ import annotations

import re

import msgspec
import pytest

from dltk_runtime.apply.drift_files import MAX_PAST
from dltk_runtime.apply.drift_view import DriftList, FieldDrift, ModelDrift
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.server.console import drift_page, pictures
from dltk_runtime.store.store import Version
from dltk_runtime.tables.baseline import Baseline
from dltk_runtime.tables.feature import Feature
from dltk_runtime.worker.messages import Counts
from tests.console.inside import World
from tests.console.test_pages import HOSTILE, Parts

NUMBERS = Baseline(counts=[0, 600, 400, 0, 0], edges=[-41.5, 2.0, 7773.25])
TEXTS = Baseline(counts=[700, 250, 0, 50], categories=["secretive", HOSTILE[0]], complete=True)
SHORT = Baseline(counts=[0, 5, 5, 0, 0], edges=[0.0, 1.0, 2.0])
FEATURES = [
    Feature("bytes", "number", NUMBERS),
    Feature("host", "text", TEXTS),
    Feature("short", "number", SHORT),
    Feature("bare", "number"),
    Feature("y", "number", NUMBERS),
]
PATH = "/v1/models/healthy/m/drift"


@pytest.fixture
def world(paths: Paths) -> World:
    return World(paths)


def fitted(world: World, model: str = "healthy/m") -> Version:
    return world.commit(model, features=FEATURES, targets=["y"])


def applied(world: World, version: Version, rows: int, numbers: list[int] | None = None) -> None:
    features = {"bytes": numbers or [0, rows, 0, 0, 0], "host": [rows, 0, 0, 0]}
    world.service.drift.take(version.id, version.manifest().features, Counts(rows, features))


def by_field(world: World) -> dict[str, FieldDrift]:
    view = msgspec.json.decode(world.get(PATH), type=ModelDrift)
    return {each.feature: each for each in view.fields}


def test_a_field_shows_its_shares_at_the_fit_and_now_with_what_each_part_holds(world: World) -> None:
    applied(world, fitted(world), 1000, [100, 200, 0, 300, 400])
    found = by_field(world)
    assert list(found) == ["bytes", "host", "short", "bare"], "the highest index first; a target is none"
    bins = [(each.label, each.then, each.now) for each in found["bytes"].bins]
    assert bins == [
        ("below -41.5", 0.0, 0.1),
        ("-41.5 to 2", 0.6, 0.2),
        ("2 to 7773", 0.4, 0.0),
        ("7773 and more", 0.0, 0.3),
        ("missing", 0.0, 0.4),
    ]
    assert [each.label for each in found["host"].bins] == ["secretive", HOSTILE[0], "other values", "missing"]
    assert "from 200 on" in found["short"].note
    assert "kept no distribution" in found["bare"].note
    assert found["short"].index is None


def test_rows_until_it_is_judged_are_said_before_and_after_a_judgement(world: World) -> None:
    version = fitted(world)
    view = msgspec.json.decode(world.get(PATH), type=ModelDrift)
    assert (view.rows, view.waiting, view.until) == (0, 0, 1000)
    applied(world, version, 300)
    view = msgspec.json.decode(world.get(PATH), type=ModelDrift)
    assert (view.rows, view.waiting, view.until) == (0, 300, 700)
    found = msgspec.json.decode(world.get("/v1/drift"), type=DriftList)
    assert [(each.model, each.rows, each.until) for each in found.waiting] == [("m", 300, 700)]
    for page in ("/ui/drift", "/ui/models/healthy/m/drift"):
        assert re.search(r"\b700\b", world.get(page)), page
    applied(world, version, 800)
    view = msgspec.json.decode(world.get(PATH), type=ModelDrift)
    assert (view.rows, view.waiting, view.until) == (1100, 0, 1000)


def test_the_index_over_time_is_a_line_of_the_last_judgements(world: World) -> None:
    version = fitted(world)
    for number in range(MAX_PAST + 3):
        applied(world, version, 1000, [number, 1000 - number, 0, 0, 0])
    found = by_field(world)["bytes"]
    assert len(found.past) == MAX_PAST
    assert found.past[-1] == pytest.approx(found.index)
    assert 'aria-label="index of bytes over time"' in world.get("/ui/models/healthy/m/drift")
    assert 'aria-label="values of bytes at the fit and now"' in world.get("/ui/drift")


def test_what_was_judged_is_drawn_after_a_restart_too(world: World) -> None:
    applied(world, fitted(world), 1000)
    applied(world, world.service.store.get(ModelName("healthy", "m"), 1), 1000, [500, 500, 0, 0, 0])
    before = by_field(world)
    assert [len(before[name].past) for name in ("bytes", "host")] == [2, 2]
    world.service.drift_files.write(world.service.drift.unwritten())
    world.service.drift_files.write_past(world.service.drift.unwritten_past())
    again = World(world.paths)
    again.service.drift.recall(again.service.drift_files.read())
    assert by_field(again) == by_field(world) == before


def test_without_values_no_part_is_named(paths: Paths) -> None:
    world = World(paths, {"keep_values": False})
    applied(world, fitted(world), 1000)
    text = world.get(PATH) + world.get("/ui/models/healthy/m/drift") + world.get("/ui/drift")
    assert "part 1" in text
    assert not [each for each in ("secretive", "41.5", "7773") if each in text]


def test_values_of_rows_stay_text(world: World) -> None:
    applied(world, fitted(world), 1000)
    for page in ("/ui/drift", "/ui/models/healthy/m/drift"):
        parts = Parts()
        parts.feed(world.get(page))
        assert "script" not in parts.tags
        assert f"{HOSTILE[0]}: 25.0% at the fit" in parts.text


def test_the_page_of_all_draws_few_models_and_lists_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift_page, "MAX_DETAILED", 1)
    for number in range(3):
        applied(world, fitted(world, f"healthy/m{number}"), 1000, [100 * number, 1000 - 100 * number, 0, 0, 0])
    text = world.get("/ui/drift")
    assert text.count('aria-label="values of bytes') == 1
    assert text.index("m2/drift") < text.index("m1/drift") < text.index("m0/drift"), "the worst first"


def test_a_model_without_a_version_has_no_drift(world: World) -> None:
    answer = world.ask("/ui/models/healthy/none/drift")
    assert (answer.status, "fit it first" in answer.text) == (404, True)


def test_a_replaced_version_is_not_drawn_by_the_baselines_of_another(world: World) -> None:
    version = fitted(world)
    applied(world, version, 1000)
    fitted(world)
    assert "at the fit and now" not in world.get("/ui/drift")
    assert world.service.drift.judgement(VersionId(version.name, 1)) is not None


def test_a_histogram_of_nothing_is_drawn() -> None:
    assert 'role="img"' in pictures.histogram([], "nothing")
