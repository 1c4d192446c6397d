"""``dltk flow install``, ``upgrade`` and ``remove``, as a person types them, against a stand-in for splunkd."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.standin import IndexedEvent, Row, Storage, Window
from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.install import knowledge_objects, seed_search
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.errors import SplunkRefused, TokenRefused
from dltk_runtime.tls import certificate
from tests.flows.helpers import invoke
from tests.splunkd import Splunkd
from tests.splunkd.answers import Rights
from tests.splunkd.objects import APPS, App

APP = "dltk_flow_x"
SEARCHES = "configs/conf-savedsearches"
COLLECTIONS = "storage/collections/config"
RUNNER = "dltk_x_runner"


class Splunk(Splunkd):
    """It keeps the lookups that searches write, and the searches."""

    def __init__(self, pair: tuple[Path, Path]) -> None:
        super().__init__(self.write, Storage(), certificate=pair)
        self.ran: list[str] = []
        self.storage.indexes.create("dltk_x").add(IndexedEvent(1.0, 1.0, {"kind": "label"}))  # of the app for indexers

    def write(self, search: str, window: Window, now: float) -> Iterable[Row]:
        self.ran.append(search)
        self.storage.lookups.replace(search.rsplit(maxsplit=1)[-1], [])
        return []

    @property
    def installed(self) -> App:
        return self.apps[APP]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    invoke("flow", "new", "feedback", "x", "--defaults", "--to", str(tmp_path / "x"))
    return tmp_path / "x"


@pytest.fixture
def splunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Splunk]:
    pair = certificate(Settings(home=tmp_path / "tls", host="127.0.0.1"))
    with Splunk(pair) as splunk:
        given = {"enabled": "1", "host": "127.0.0.1", "port": str(splunk.port), "token": splunk.token}
        for name, value in given.items():
            monkeypatch.setenv(f"splunk_access_{name}", value)
        monkeypatch.setenv("DLTK_SPLUNK_CAFILE", str(pair[0]))
        monkeypatch.setenv("DLTK_SPLUNK_PATIENCE", "1")
        yield splunk


def install(folder: Path, command: str = "install") -> list[str]:
    return invoke("flow", command, str(folder), "--owner", "svc").splitlines()


def test_everything_is_made_with_owner_and_rights_and_schedules_are_off(splunk: Splunk, folder: Path) -> None:
    said = install(folder)
    app = splunk.installed
    for thing in knowledge_objects(find_apps(folder)[0]):
        assert app.has(thing.endpoint, thing.name), thing
    assert splunk.system.folders[APPS][APP]["label"] == "DLTK flow x"
    assert all(
        search["enableSched"] == "0" and "disabled" not in search
        for search in app.saved.values()
        if "cron_schedule" in search
    )
    assert {app.rights[SEARCHES, name].owner for name in app.saved} == {"svc"}
    assert len([search for search in splunk.ran if "outputlookup dltk_x_seed.csv" in search]) == 1
    assert [line.partition(":")[0] for line in said[-2:]] == ["manual step", "manual step"]


def test_people_and_searches_may_write_their_own_collection_alone(splunk: Splunk, folder: Path) -> None:
    install(folder)
    readers = [RUNNER, "dltk_x_reviewer", "dltk_x_viewer", "admin", "sc_admin"]
    rights, admins = splunk.installed.rights, ["admin", "sc_admin"]
    for kind in (COLLECTIONS, "configs/conf-transforms"):
        labels, queue = rights[kind, "dltk_x_labels"], rights[kind, "dltk_x_queue"]
        assert labels == Rights("nobody", "app", {"read": readers, "write": ["dltk_x_reviewer", *admins]})
        assert queue == Rights("nobody", "app", {"read": readers, "write": [RUNNER, *admins]})
    assert splunk.system.rights[APPS, APP] == Rights("nobody", "app", {"read": readers, "write": [RUNNER, *admins]})


def test_an_upgrade_renews_what_is_ours_and_keeps_what_people_changed(splunk: Splunk, folder: Path) -> None:
    install(folder)
    app = splunk.installed
    score = app.saved["dltk_x_score"]
    app.folders["configs/conf-macros"]["dltk_x_base"]["definition"] = "index=dns"
    score |= {"enableSched": "1", "cron_schedule": "*/30 * * * *", "search": "old"}
    app.kvstore["dltk_x_labels"].insert({"_key": "k1", "label": "dga"})
    said = install(folder, "upgrade")
    assert "kept configs/conf-macros/dltk_x_base" in said
    assert app.folders["configs/conf-macros"]["dltk_x_base"]["definition"] == "index=dns"
    assert (score["enableSched"], score["cron_schedule"]) == ("1", "*/30 * * * *")
    assert score["search"].startswith("`dltk_x_base`")
    assert [label["_key"] for label in app.kvstore["dltk_x_labels"].query()] == ["k1"]
    assert len(splunk.ran) == 1


def test_a_removal_leaves_labels_and_touches_no_index(splunk: Splunk, folder: Path) -> None:
    install(folder)
    app = splunk.installed
    app.kvstore["dltk_x_labels"].insert({"_key": "k1", "label": "dga"})
    said = invoke("flow", "remove", str(folder)).splitlines()
    assert {name for name, objects in app.folders.items() if objects} == {"data/ui/nav"}
    assert [label["_key"] for label in app.kvstore["dltk_x_labels"].query()] == ["k1"]
    assert len(splunk.storage.indexes["dltk_x"]) == 1
    assert not [path for method, path in splunk.requests if method == "DELETE" and ("index" in path or "coll" in path)]
    assert "kept storage/collections/config/dltk_x_labels" in said


def test_an_installation_that_broke_off_goes_on_from_there(splunk: Splunk, folder: Path) -> None:
    splunk.apps[APP] = App(APP)
    splunk.apps[APP].kvstore.create("dltk_x_labels", {"label": "string"})
    splunk.apps[APP].kvstore["dltk_x_labels"].insert({"_key": "k1", "label": "dga"})
    said = install(folder)
    assert "updated storage/collections/config/dltk_x_labels" in said
    assert "created storage/collections/config/dltk_x_queue" in said
    assert [label["_key"] for label in splunk.installed.kvstore["dltk_x_labels"].query()] == ["k1"]


def test_what_splunk_refuses_is_said_and_nothing_after_it_is_tried(splunk: Splunk, folder: Path) -> None:
    view = folder / APP / "default" / "data" / "ui" / "views" / "review.xml"
    view.write_text("<form>", encoding="utf-8")
    with pytest.raises(SplunkRefused, match="Invalid XML"):
        install(folder)
    assert splunk.requests[-1] == ("POST", "data/ui/views")
    splunk.sessions.clear()
    with pytest.raises(TokenRefused, match="splunk_access_token"):
        install(folder)


def test_a_seed_with_quotes_is_left_to_people() -> None:
    assert seed_search("a,b\n1,2\n", "x.csv") == '| makeresults format=csv data="a,b\n1,2" | outputlookup x.csv'
    with pytest.raises(SearchInvalid, match="upload it"):
        seed_search('a\n"x, y"\n', "x.csv")
