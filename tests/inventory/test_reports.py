"""The app of reports, run by the emulator: fits are joined with the searches that `_audit` has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from dltk_runtime.cli import dltk
from dltk_runtime.emulator.mltk.commands import Mltk
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.emulator.spl.context import Context
from dltk_runtime.emulator.spl.files import LookupFolders
from dltk_runtime.emulator.spl.pipeline import run
from dltk_runtime.emulator.spl.rows import rows_of
from dltk_runtime.emulator.standin import IndexedEvent, Storage
from dltk_runtime.flows.app import App
from dltk_runtime.inventory.audit import FIELDS
from dltk_runtime.inventory.reports import APP, NEAR_SECONDS, REPORTS
from dltk_runtime.settings import ClientSettings
from dltk_runtime.splunk.events import SOURCETYPE

NOW = 1_770_000_000.0
FIT = "| inputlookup rows | fit MLTKContainer algo=umap x into app:{}"


@pytest.fixture
def app(tmp_path: Path) -> App:
    result = CliRunner().invoke(dltk, ["splunk", "reports", str(tmp_path), "--index", "own"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / f"{APP}-1.0.0.spl").is_file()
    return App(tmp_path / APP)


class World:
    """A Splunk with the app, and events in the two indexes that its reports read."""

    def __init__(self, app: App, folder: Path) -> None:
        self.app, self.storage = app, Storage()
        for index in ("own", "_audit"):
            self.storage.indexes.create(index, "event")
        mltk = Mltk(ClientSettings(url="http://127.0.0.1:9", token="none"), Stubs(folder))
        lookups = LookupFolders(folder, ())
        self.context = Context(mltk=mltk, lookups=lookups, storage=self.storage, macros=app.macros)

    def event(self, at: float, **facts: str) -> None:
        self.storage.indexes["own"].add(IndexedEvent(NOW + at, NOW, facts, sourcetype=SOURCETYPE))

    def job(self, at: float, number: int, model: str, **facts: str) -> None:
        """An event of a fit that ended at a time."""
        given = {"kind": "job", "id": str(number), "job": f"j{number}", "algorithm": "umap", "model": model}
        self.event(at, **given, **{"state": "succeeded", "seconds": "10", "queue_seconds": "5", **facts})

    def search(self, at: float, user: str, text: str, sid: str = "") -> None:
        names = {FIELDS.user: user, FIELDS.app: f"app_of_{user}", FIELDS.text: f"'{text}'"}
        fields = {"action": "search", "info": "granted", **names, FIELDS.sid: f"'{sid or NOW + at}'"}
        self.storage.indexes["_audit"].add(IndexedEvent(NOW + at, NOW, fields))

    def report(self, name: str) -> list[Mapping[str, Any]]:
        (text,) = {each.text for each in self.app.searches if each.name == f"{APP}_{name}"}
        return list(rows_of(run(text, replace(self.context, clock=lambda: NOW)).frame))


@pytest.fixture
def world(app: App, tmp_path: Path) -> World:
    return World(app, tmp_path)


def test_each_fit_has_the_user_app_and_search_that_it_came_from(world: World) -> None:
    world.search(-200, "anna", FIT.format("sales"))
    world.search(-150, "bert", FIT.format("risk"))
    world.search(-140, "carl", "index=web into the cold")
    world.job(-100, 1, "sales", owner="search_head")
    world.job(-90, 2, "risk", owner="search_head")
    found = {row["model"]: row for row in world.report("who")}
    assert [(found[model]["user"], found[model]["app"]) for model in ("sales", "risk")] == [
        ("anna", "app_of_anna"),
        ("bert", "app_of_bert"),
    ]
    assert found["sales"]["search"] == FIT.format("sales")
    assert {row["the_search"] for row in found.values()} == {"the last one that names the model"}


def test_the_id_of_a_search_decides_where_a_request_names_it(world: World) -> None:
    world.search(-200, "anna", FIT.format("sales"), sid="1769999800.1")
    world.search(-150, "bert", FIT.format("sales"))
    world.job(-100, 1, "sales", owner="search_head", sid="1769999800.1")
    (row,) = world.report("who")
    assert (row["user"], row["the_search"]) == ("anna", "by its id")


def test_a_search_that_is_too_old_later_or_of_another_model_is_nobodys(world: World) -> None:
    world.search(-NEAR_SECONDS - 200, "anna", FIT.format("sales"))
    world.search(-50, "bert", FIT.format("sales"))
    world.search(-150, "carl", FIT.format("risk"))
    world.job(-100, 1, "sales")
    (row,) = world.report("who")
    assert (row.get("user"), row["the_search"]) == (None, "unknown")


def test_the_seconds_of_each_tokens_fits_are_summed_once(world: World) -> None:
    world.job(-100, 1, "a", owner="trainers", gpu_seconds="7.5")
    world.job(-99, 1, "a", owner="trainers", gpu_seconds="7.5")  # the collector got it twice
    world.job(-90, 2, "b", owner="trainers", gpu_seconds="2", state="failed", queue_seconds="20")
    world.job(-80, 3, "c", owner="dashboards")
    world.job(-70, 4, "d")
    world.job(-60, 5, "e", owner="trainers", state="running")
    numbers = ("fits", "gpu_seconds", "queue_seconds", "longest_queue", "seconds")
    found = {row["owner"]: [float(row[name]) for name in numbers] for row in world.report("took")}
    assert found == {
        "trainers": [2, 9.5, 25, 20, 20],
        "dashboards": [1, 0, 5, 5, 10],
        "unknown": [1, 0, 5, 5, 10],
    }


def test_changes_have_who_and_why(world: World) -> None:
    facts = {"id": "1", "algorithm": "umap", "model": "m", "owner": "anna", "reason": "false alarms"}
    world.event(-10, kind="promotion", how="rollback", version="3", **facts)
    world.job(-5, 9, "m")
    (row,) = world.report("changed")
    assert (row["how"], row["version"], row["reason"]) == ("rollback", "3", "false alarms")


def test_the_dashboard_has_the_searches_of_the_reports(app: App, tmp_path: Path) -> None:
    stanzas = {each.name: each for each in app.conf("savedsearches.conf")}
    assert {name: each.get("search") for name, each in stanzas.items()} == REPORTS
    assert not any("cron_schedule" in each.settings for each in stanzas.values())
    (view,) = app.views
    assert {each.text for each in ElementTree.parse(view).iter("query")} == set(REPORTS.values())
    again = CliRunner().invoke(dltk, ["splunk", "reports", str(tmp_path)])
    assert "exists already" in str(again.exception)
