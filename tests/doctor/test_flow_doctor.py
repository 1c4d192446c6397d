"""``dltk flow doctor`` over a Splunk with a flow that was installed by ``dltk flow install``."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dltk_runtime import tls
from dltk_runtime.cli import dltk
from dltk_runtime.doctor.flow import storage
from dltk_runtime.doctor.flow.crowded import advice as crowded_advice
from dltk_runtime.emulator.spl.context import Context
from dltk_runtime.emulator.standin import IndexedEvent, Indexes, Storage
from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.generate import create
from dltk_runtime.flows.rehearsal.world import make_world
from dltk_runtime.settings import Settings
from tests.flows.helpers import NOBODY, flow_of, invoke
from tests.splunkd import Splunkd
from tests.splunkd.answers import Rights
from tests.splunkd.objects import App
from tests.splunkd.spl import pipeline

APP, INDEX = "dltk_flow_x", "dltk_x"
RUNNER = "dltk_x_runner"
SAVED_CONF, AUTHORIZE, MACROS = "configs/conf-savedsearches", "configs/conf-authorize", "configs/conf-macros"
TRANSFORMS = "configs/conf-transforms"


class Splunk(Splunkd):
    """A search head over a storage of its own, with what searches of a flow's world know."""

    def __init__(self, context: Context, pair: tuple[Path, Path]) -> None:
        storage = Storage(Indexes(INDEX, "_internal"))
        super().__init__(pipeline(context, storage), storage, app=APP, certificate=pair)
        self.users += ["svc"]
        self.roles["svc"] = [RUNNER]
        for name in ("__mlspl_x_v1.mlmodel", "__mlspl_dltk_status.mlmodel", "dltk_x_seed.csv"):
            storage.lookups.load(name, "first,second\n")

    @property
    def installed(self) -> App:
        return self.apps[APP]

    def set(self, name: str, **settings: str) -> None:
        self.installed.saved[name] |= settings

    def own(self, owner: str) -> None:
        for name in self.installed.saved:
            self.installed.rights[SAVED_CONF, name] = Rights(owner, "app")

    def switch(self, value: str) -> None:
        for search in self.installed.saved.values():
            if "cron_schedule" in search:
                search["enableSched"] = value

    def record(self, age: float, **fields: str) -> None:
        """A run record whose window ended `age` seconds ago."""
        moment = time.time() - age
        known = {"kind": "run", "flow": "x", "win_start": f"{moment - 300:.0f}", "win_end": f"{moment:.0f}"}
        self.storage.indexes[INDEX].add(
            IndexedEvent(moment - 300, moment, known | {"rows": "5", "scored": "5"} | fields)
        )

    def scheduled(self, search: str, status: str, reason: str = "", count: int = 1) -> None:
        fields = {"app": APP, "savedsearch_name": search, "status": status} | ({"reason": reason} if reason else {})
        for _ in range(count):
            moment = time.time() - 60
            event = IndexedEvent(moment, moment, fields, "scheduler", sourcetype="scheduler")
            self.storage.indexes["_internal"].add(event)


@dataclass(frozen=True)
class Template:
    """A feedback flow as ``dltk flow install`` leaves it, for each test to begin with."""

    context: Context
    pair: tuple[Path, Path]
    app: App
    system: App

    def fresh(self) -> Splunk:
        """A service account owns it; it is switched on, ran a few minutes ago, and is heard."""
        made = Splunk(self.context, self.pair)
        for mine, known in ((made.installed, self.app), (made.system, self.system)):
            mine.folders |= deepcopy(known.folders)
            mine.rights |= known.rights
        for collection in self.app.kvstore:
            made.storage.kvstore.create(collection.name)
        made.installed.objects(AUTHORIZE)[f"role_{RUNNER}"]["srchIndexesAllowed"] += ";main"
        for name, search in made.installed.saved.items():
            if search.get("counttype"):
                made.set(name, actions="email", **{"action.email.to": "soc@example.com"})
        made.switch("1")
        made.record(age=720)
        made.scheduled("dltk_x_score", "success", count=3)
        return made


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    base = tmp_path_factory.mktemp("flow")
    pair = tls.certificate(Settings(home=base / "tls", host="127.0.0.1"))
    invoke("flow", "new", "feedback", "x", "--defaults", "--to", str(base / "x"))
    context = make_world(find_apps(base / "x"), base / "x" / "sample.csv", NOBODY, base / "lookups").context
    with Splunk(context, pair) as made, pytest.MonkeyPatch.context() as patched:
        for name, value in made.variables.items():
            patched.setenv(name, value)
        invoke("flow", "install", str(base / "x"), "--owner", "svc")
    return Template(context, pair, made.installed, made.system)


@pytest.fixture
def splunk(template: Template, monkeypatch: pytest.MonkeyPatch) -> Iterator[Splunk]:
    with template.fresh() as made:
        for name, value in made.variables.items():
            monkeypatch.setenv(name, value)
        yield made


def run(*options: str) -> Result:
    return CliRunner().invoke(dltk, ["flow", "doctor", APP, *options], catch_exceptions=False)


def lines(code: int = 1) -> list[dict[str, Any]]:
    """What is said other than ok, as JSON."""
    result = run("--json")
    assert result.exit_code == code, result.output
    return [each for each in json.loads(result.stdout)["findings"] if each["severity"] != "ok"]


def only(severity: str, code: int) -> dict[str, Any]:
    """The one finding that is not ok."""
    found = lines(code)
    assert [each["severity"] for each in found] == [severity], found
    return found[0]


def test_a_flow_that_runs_has_a_line_for_each_check_and_nothing_was_written(splunk: Splunk) -> None:
    before = json.dumps(splunk.installed.folders)
    result = run()
    assert result.exit_code == 0, result.output
    checks = {line.split()[1] for line in result.stdout.splitlines()}
    assert checks == {
        "app", "schedules", "owners", "rights", "macros", "models", "indexes", "collections", "load", "skipped",
        "runs", "alerts",
    }  # fmt: skip
    said = " ".join(result.stdout.split())
    assert "dltk_x_base is index=main sourcetype=dns [/servicesNS/-/dltk_flow_x/configs/conf-macros]" in said
    assert "8 scheduled searches, 16 starts an hour, at most 1 in the same minute; this search head runs 5" in said
    assert "none of 3 starts in a day [index=_internal sourcetype=scheduler]" in said
    assert {method for method, path in splunk.requests if not path.endswith("jobs/export")} == {"GET"}
    assert json.dumps(splunk.installed.folders) == before


def test_an_app_that_is_not_there_is_one_error(splunk: Splunk) -> None:
    result = CliRunner().invoke(dltk, ["flow", "doctor", "dltk_flow_nosuch", "--json"])
    assert result.exit_code == 1
    (line,) = json.loads(result.stdout)["findings"]
    assert line["severity"] == "error"
    assert line["advice"]


def one_off(splunk: Splunk) -> None:
    splunk.set("dltk_x_gaps", enableSched="0")


def disabled(splunk: Splunk) -> None:
    splunk.set("dltk_x_queue_list", disabled="1")


def role_of(splunk: Splunk) -> dict[str, str]:
    return splunk.installed.objects(AUTHORIZE)[f"role_{RUNNER}"]


def without_capability(splunk: Splunk) -> None:
    role_of(splunk)["upload_lookup_files"] = "disabled"


def without_index(splunk: Splunk) -> None:
    role_of(splunk)["srchIndexesAllowed"] = INDEX


def without_write(splunk: Splunk) -> None:
    splunk.installed.rights[TRANSFORMS, "dltk_x_queue"] = Rights(perms={"read": ["*"], "write": ["admin"]})


def without_write_on_the_app(splunk: Splunk) -> None:
    no_stub(splunk)
    splunk.system.rights["apps/local", APP] = Rights(perms={"read": ["*"], "write": ["admin"]})


def no_stub(splunk: Splunk) -> None:
    del splunk.storage.lookups._tables["__mlspl_x_v1.mlmodel"]


def no_macro(splunk: Splunk) -> None:
    del splunk.installed.objects(MACROS)["dltk_x_features"]


def no_index(splunk: Splunk) -> None:
    splunk.installed.objects(MACROS)["dltk_x_summary"]["definition"] = "elsewhere"


def closed(splunk: Splunk) -> None:
    splunk.head.closed.add(INDEX)


def metric(splunk: Splunk) -> None:
    splunk.storage.indexes[INDEX].datatype = "metric"


def no_record(splunk: Splunk) -> None:
    splunk.storage.indexes[INDEX]._events.clear()


def old_record(splunk: Splunk) -> None:
    no_record(splunk)
    splunk.record(age=7200)


def unscored(splunk: Splunk) -> None:
    splunk.record(age=1020, rows="40", scored="0")


def no_lookup(splunk: Splunk) -> None:
    del splunk.installed.objects(TRANSFORMS)["dltk_x_params"]


def crowded(splunk: Splunk) -> None:
    splunk.head.scheduled_at_once = 0


def half_full(splunk: Splunk) -> None:
    splunk.head.scheduled_at_once = 1


def skips(splunk: Splunk) -> None:
    splunk.scheduled("dltk_x_score", "skipped", "The maximum number of concurrent searches has been reached", count=7)


def unheard(splunk: Splunk) -> None:
    splunk.set("dltk_x_health", actions="")
    splunk.set("dltk_x_found", **{"action.email.to": ""})
    splunk.set("dltk_x_gaps", counttype="", alert_type="number of events", actions="")


def blind(splunk: Splunk) -> None:
    splunk.head.hidden.add("server/introspection/kvstore/collectionstats")


def silent(splunk: Splunk) -> None:
    splunk.storage.indexes["_internal"]._events.clear()


@pytest.mark.parametrize(
    ("fault", "severity", "check", "said", "advice"),
    [
        (one_off, "warning", "schedules", "1 schedule of 8 switched off: dltk_x_gaps", "Switch on"),
        (disabled, "warning", "schedules", "not even run by hand: dltk_x_queue_list", "Enable"),
        (without_capability, "error", "rights", "svc lacks upload_lookup_files for", "dltk_<flow>_runner"),
        (without_index, "error", "rights", "svc may not search the index main", "srchIndexesAllowed"),
        (without_write, "error", "rights", "svc may not write dltk_x_queue", "permissions"),
        (no_stub, "error", "models", "x_v1 has no entry", "Run dltk_x_train"),
        (no_macro, "error", "macros", "not there: dltk_x_features", "macros.conf"),
        (closed, "error", "indexes", "dltk_x is disabled", "lost"),
        (metric, "error", "indexes", "dltk_x is an index of metrics, and collect writes events", "datatype = event"),
        (no_record, "error", "runs", "dltk_x_score: no run record in 2 days", "jobs"),
        (old_record, "error", "runs", "last run record 120 minutes old", "every 5 minutes"),
        (unscored, "error", "runs", "45 rows in 2 days, 40 of them not scored", "dltk doctor"),
        (no_lookup, "error", "collections", "no lookup of that name: dltk_x_params", "Install"),
        (crowded, "error", "load", "runs 0 scheduled searches at once", "Spread"),
        (half_full, "warning", "load", "runs 1 scheduled searches at once", "Spread"),
        (skips, "warning", "skipped", "dltk_x_score: 7 times in a day: The maximum number", "durable"),
        (unheard, "warning", "alerts", "tells somebody: dltk_x_found, dltk_x_gaps, dltk_x_health", "e-mail"),
        (blind, "unknown", "collections", "collectionstats answers with HTTP 403", "administrator"),
        (silent, "unknown", "skipped", "the scheduler says nothing of this app", ""),
    ],
)
def test_each_fault_is_one_finding_with_place_and_advice(
    splunk: Splunk, fault: Any, severity: str, check: str, said: str, advice: str
) -> None:
    fault(splunk)
    line = only(severity, 1 if severity == "error" else 4)
    assert line["check"] == check
    assert said in line["text"]
    assert line["where"]
    assert advice in line["advice"]


def test_a_macro_that_a_comment_names_is_not_called(splunk: Splunk) -> None:
    text = splunk.installed.saved["dltk_x_health"]["search"]
    splunk.set("dltk_x_health", search=f"{text} ``` as `dltk_x_gone(a)` did ```")
    assert run().exit_code == 0


def test_what_stops_everything_is_an_error_with_what_follows_from_it(splunk: Splunk) -> None:
    splunk.switch("0")
    assert {each["text"] for each in lines() if each["severity"] == "error"} == {
        "all 8 schedules are switched off: nothing runs"
    }
    splunk.switch("1")
    for owner, said in (("nobody", "owned by nobody"), ("who left", "whom Splunk does not have")):
        splunk.own(owner)
        found = {each["check"]: each for each in lines()}
        assert said in found["owners"]["text"]
        assert (found["rights"]["severity"], found["rights"]["advice"]) == ("unknown", "Correct the owner first.")


def test_the_first_fit_needs_write_on_the_app(splunk: Splunk) -> None:
    without_write_on_the_app(splunk)
    assert f"svc may not write {APP}" in {each["text"] for each in lines()}


def test_an_index_that_only_indexers_have_is_unknown_until_a_record_is_found(splunk: Splunk) -> None:
    no_index(splunk)
    states = {(each["check"], each["severity"]) for each in lines()}
    assert ("indexes", "unknown") in states


def test_what_the_tokens_user_may_not_search_is_unknown(splunk: Splunk) -> None:
    splunk.installed.objects(AUTHORIZE)["role_weak"] = {"search": "enabled"}
    splunk.roles["admin"] = ["weak"]
    found = {each["check"]: each["text"] for each in lines(4)}
    assert found["runs"] == "dltk_x_score: the token's user may not search index=dltk_x"
    assert found["skipped"] == "the token's user may not search index=_internal"


def test_a_large_collection_is_a_warning(splunk: Splunk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MAX_COLLECTION_ROWS", 1)
    splunk.installed.kvstore["dltk_x_queue"].batch_save([{"_key": f"k{number}"} for number in range(3)])
    line = only("warning", 4)
    assert line["text"] == "dltk_x_queue has 3 records, of which one search reads 1"
    assert "dltk label prune-queue x " in line["advice"]


def test_each_collection_of_a_flow_has_the_advice_that_fits_its_writer(tmp_path: Path) -> None:
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("feedback", {"extras": ("age",)}),
        ("direct", {"anomalies": True}),
        ("direct", {"native": "RandomForestClassifier"}),
    )
    names = set()
    for number, (kind, values) in enumerate(kinds):
        create(flow_of(kind, **values), tmp_path / str(number))
        names |= {each.name for each in find_apps(tmp_path / str(number))[0].conf("collections.conf")}
    said = {name.removeprefix("dltk_x_"): crowded_advice(APP, name) for name in names}
    assert said.keys() == {"queue", "labels", "second", "points", "extras", "sensitivity", "params", "fits"}
    pruned = {name: found for name, text in said.items() if (found := re.findall(r"dltk label (\S+) x ", text))}
    assert pruned == {"queue": ["prune-queue"], "labels": ["prune"]}, "these commands reach no other collection"
    for name in ("second", "points", "extras", "sensitivity"):
        assert f"DELETE /servicesNS/nobody/{APP}/storage/collections/data/dltk_x_{name}" in said[name]
    assert all("one record" in said[name] for name in ("params", "fits"))
    assert "dltk label" not in crowded_advice("other", "dltk_x_queue")


def test_without_the_endpoint_the_limit_follows_from_limits_conf(splunk: Splunk) -> None:
    splunk.head.scheduled_at_once = None
    limits = {
        "search": {"max_searches_per_cpu": "1", "base_max_searches": "6"},
        "scheduler": {"max_searches_perc": "50"},
    }
    splunk.system.folders["configs/conf-limits"] |= limits
    splunk.installed.folders["configs/conf-limits"] |= limits
    assert "this search head runs 5 scheduled searches at once" in " ".join(run().stdout.split())


def test_roles_reach_through_imports(splunk: Splunk) -> None:
    splunk.installed.objects(AUTHORIZE)["role_over"] = {"importRoles": RUNNER}
    splunk.roles["svc"] = ["over"]
    assert run().exit_code == 0
