"""Rows of `dltk_status` for versions and drift: what pages show, bounded, and quick for thousands."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

from dltk_runtime.apply.drift import Judgement, Level
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.service import status_rows
from dltk_runtime.store.manifest import HeldOut
from dltk_runtime.store.store import Version
from dltk_runtime.store.version import FileVersion
from dltk_runtime.worker.messages import Counts
from tests.console.inside import World

HELD = HeldOut(share=0.2, rows=4, metrics={"r2": 0.25})


@pytest.fixture
def world(paths: Paths) -> World:
    return World(paths)


def rows(world: World, kind: str, shown: Callable[[ModelName], bool] = lambda _: True) -> list[dict[str, str]]:
    text = bytes(world.service._status.collect(stopping=False, shown=shown).results.view()).decode()
    return [row for row in csv.DictReader(io.StringIO(text)) if row["kind"] == kind]


def test_each_version_is_a_row_with_its_figures_by_origin_the_newest_first(world: World) -> None:
    first = world.commit(train={"r2": 0.5}, job="job-1", notices=["no summary"])
    world.commit(train={"r2": 0.75}, holdout=HELD, rows=20)
    world.commit()
    (world.paths.versions / "healthy" / "m" / "3" / "version.json").write_text("{")
    world.service.store.promote(first)
    damaged, second, oldest = rows(world, "version")
    assert (damaged["version"], damaged["state"]) == ("3", "damaged")
    assert "is damaged" in damaged["message"]
    assert (second["version"], second["state"], second["rows"]) == ("2", "kept", "20")
    assert second["metrics"] == "train r2=0.75; holdout r2=0.25 (4 rows)"
    assert (oldest["version"], oldest["state"], oldest["job"]) == ("1", "current", "job-1")
    assert (oldest["metrics"], oldest["message"]) == ("train r2=0.5", "no summary")
    assert oldest["time"].endswith("Z")


def test_no_manifest_is_parsed_again_for_the_rows_of_versions(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        world.commit(train={"r2": 0.5})
    rows(world, "version")
    whole: list[Version] = []
    monkeypatch.setattr(FileVersion, "manifest", whole.append)
    models = world.service.health.collect(lambda _: True).models
    whole.clear()
    assert len(list(status_rows.versions(world.service.store, models))) == 3
    assert whole == []


def test_rows_of_a_kind_are_bounded_and_the_last_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        world.commit()
    monkeypatch.setattr(status_rows, "MAX_VERSIONS", 3)
    assert [row["state"] for row in rows(world, "version")] == ["current", "kept", "kept"]
    monkeypatch.setattr(status_rows, "MAX_VERSIONS", 2)
    *listed, last = rows(world, "version")
    assert [row["version"] for row in listed] == ["3", "2"]
    assert (last["state"], "Only the first 2 rows" in last["message"]) == ("cut", True)


def test_each_field_of_a_judged_current_version_is_a_row_with_the_rows_until_it_is_judged_again(world: World) -> None:
    old, current = world.commit(), world.commit()
    waits = world.commit("healthy/waits")
    levels = [Level("heat", 0.5, 0.25), Level("host", 0.01, 0.0)]
    drift = world.service.drift
    drift.recall([(old.id, Judgement(1, 1000, levels)), (current.id, Judgement(2, 1200, levels))])
    for version in (current, waits):
        drift.take(version.id, [], Counts(rows=400, features={}))
    heat, host = rows(world, "drift")
    assert [heat[each] for each in ("model", "version", "state", "feature")] == ["m", "2", "drifts", "heat"]
    assert (heat["drift"], heat["rows"], heat["metrics"]) == ("0.5", "1200", "unseen=0.25")
    assert (heat["step"], heat["total"], heat["message"]) == ("400", "1000", "600 rows until it is judged again")
    assert (host["state"], host["feature"], host["drift"]) == ("judged", "host", "0.01")


def test_versions_and_drift_of_models_that_may_not_be_seen_have_no_row(world: World) -> None:
    version = world.commit("healthy/foreign")
    world.service.drift.recall([(version.id, Judgement(1, 1000, [Level("heat", 0.5, 0.0)]))])
    for kind in ("version", "drift"):
        assert len(rows(world, kind)) == 1
        assert rows(world, kind, shown=lambda name: name.model != "foreign") == []
