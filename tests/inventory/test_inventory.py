"""``dltk inventory`` over a Splunk with TLS: what calls a container, through macros and dashboards too."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dltk_runtime import tls
from dltk_runtime.cli import dltk
from dltk_runtime.emulator.standin import IndexedEvent
from dltk_runtime.inventory.audit import FIELDS
from dltk_runtime.inventory.models import SEARCH
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.search import Search
from dltk_runtime.volume.examine import used_in
from tests.inventory import estate
from tests.splunkd import Splunkd

pytestmark = pytest.mark.usefixtures("variables")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return tls.certificate(Settings(home=tmp_path_factory.mktemp("tls")))


@pytest.fixture
def splunkd(tmp_path: Path, pair: tuple[Path, Path]) -> Iterator[Splunkd]:
    with estate.make(tmp_path / "stubs", pair) as made:
        yield made


@pytest.fixture
def variables(splunkd: Splunkd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("splunk_access_token", splunkd.token)
    monkeypatch.setenv("DLTK_SPLUNK_CAFILE", str(splunkd.tls.cafile))


def run(splunkd: Splunkd, *options: str) -> Result:
    return CliRunner().invoke(dltk, ["inventory", "--splunk", f"https://127.0.0.1:{splunkd.port}", *options])


def rows(splunkd: Splunkd, *options: str) -> dict[str, list[dict[str, str]]]:
    """The rows of the JSON document, by the object's name."""
    result = run(splunkd, "--json", *options)
    assert result.exit_code == 0, result.output
    found: dict[str, list[dict[str, str]]] = {}
    for row in json.loads(result.stdout)["rows"]:
        found.setdefault(row["name"], []).append(row)
    return found


def short(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[key] for key in ("state", "kind", "command", "model", "algorithm", "runs"))


def test_every_object_that_calls_a_container_is_listed_and_judged(splunkd: Splunkd) -> None:
    found = rows(splunkd)
    wanted = {
        "score web": [("in use", "search", "apply", "risk", "pytorch_nn", "2")],
        "train web": [("in use", "search", "fit", "risk", "pytorch_nn", "1")],
        "again": [("in use", "search", "apply", "risk", "pytorch_nn", "1")],
        "forgotten": [("unused", "search", "apply", "dga", "dga", "0")],
        "lost": [("broken", "search", "apply", "gone", "", "0")],
        "orphan": [("broken", "search", "apply", "dga", "dga", "0")],
        "by hand": [("unused", "report", "fit", "dga", "dga", "0")],
        "risk_overview": [
            ("in use", "view", "/graphics/", "", "", "3"),
            ("in use", "view", "apply", "risk", "pytorch_nn", "3"),
        ],
        "studio": [
            ("unused", "view", "api_url_external", "", "", "0"),
            ("unused", "view", "summary", "risk", "pytorch_nn", "0"),
        ],
        "web_score(1)": [("in use", "macro", "apply", "$model$", "", "unknown")],
        "old_score": [("unused", "macro", "apply", "risk", "pytorch_nn", "unknown")],
    }
    assert {name: [short(row) for row in each] for name, each in found.items()} == wanted
    (lost, orphan, again) = (found[name][0] for name in ("lost", "orphan", "again"))
    assert lost["why"] == "Splunk has no entry of gone"
    assert orphan["why"] == "the owner who left does not exist, so it never runs"
    assert (again["app"], again["owner"], again["schedule"]) == ("ops", "svc", "0 3 * * *")
    assert again["last run"].endswith("Z")


def test_panels_are_listed_and_what_splunk_cannot_parse_is_broken(splunkd: Splunkd) -> None:
    source = "<panel><table><search><query>index=web | apply risk</query></search></table></panel>"
    estate.put(splunkd, "ops", estate.PANELS, "shared_panel", {"eai:data": source})
    estate.save(splunkd, "ops", "misspelt", "index=ops | fit MLTKContainer algo=dga x into risk into dga | apply =")
    found = rows(splunkd)
    (panel,) = found["shared_panel"]
    assert short(panel) == ("unknown", "panel", "apply", "risk", "pytorch_nn", "unknown")  # as Splunk lists it
    assert (panel["app"], panel["owner"]) == ("ops", "svc")
    misspelt = found["misspelt"]
    assert {row["state"] for row in misspelt} == {"broken"}
    assert "a name is missing" in misspelt[0]["why"]


def test_runs_count_for_thirty_days_or_as_many_as_are_asked_for(splunkd: Splunkd) -> None:
    for days, name in ((29, "orphan"), (31, "forgotten")):
        at = time.time() - days * 86400
        fields = {"action": "search", "info": "granted", "savedsearch_name": name, "app": "web"}
        splunkd.storage.indexes["_audit"].add(IndexedEvent(at, at, fields, "an audit event"))
    runs = {
        days: {name: rows(splunkd, "--days", days)[name][0]["runs"] for name in ("orphan", "forgotten")}
        for days in ("30", "32", "28")
    }
    assert runs == {
        "30": {"orphan": "1", "forgotten": "0"},
        "32": {"orphan": "1", "forgotten": "1"},
        "28": {"orphan": "0", "forgotten": "0"},
    }
    states = [short(rows(splunkd, *options)["forgotten"][0])[0] for options in ((), ("--days", "32"))]
    assert states == ["unused", "in use"]


def test_it_only_reads_and_its_csv_says_which_models_are_in_use(splunkd: Splunkd, tmp_path: Path) -> None:
    result = run(splunkd, "--csv")
    assert {method for method, path in splunkd.requests if not path.endswith("jobs/export")} == {"GET"}
    listed = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(listed) == 13
    assert all(None not in row and len(row) == 12 for row in listed)
    (tmp_path / "inventory.csv").write_text(result.stdout)
    used = used_in(tmp_path / "inventory.csv")  # what `dltk migrate check --in-use` reads
    assert used == {("pytorch_nn", "risk"), ("dga", "dga"), ("", "gone"), ("", "$model$")}


def test_options_of_models_stay_in_splunk(splunkd: Splunkd) -> None:
    """They may hold a session key."""
    rows = list(Search(SEARCH, "-1m", "now", splunkd.connection()).rows())
    assert {key for row in rows for key in row} == {"name", "type", "container_algo"}
    assert {str(row["name"]): row.get("container_algo") for row in rows} == {
        "risk": "pytorch_nn",
        "dga": "dga",
        "forest": None,
    }


def test_the_table_says_what_is_not_known(splunkd: Splunkd) -> None:
    result = run(splunkd)
    assert "11 objects call" in result.stdout
    assert "5 in use, 4 unused, 2 broken, 0 unknown" in result.stdout
    assert "dashboards whose source cannot be read may hold more: ops/torn" in result.stderr
    assert "macros that the token's user does not see may hold more: not_ours" in result.stderr


@pytest.mark.parametrize("field", FIELDS.all.split())
def test_a_field_that_the_audit_lacks_makes_runs_unknown_and_is_named(splunkd: Splunkd, field: str) -> None:
    """Without the app's name only objects whose name is theirs alone have runs."""
    index = splunkd.storage.indexes["_audit"]
    for event in index.events():
        event.fields.pop(field, None)  # type: ignore[attr-defined]
    found = rows(splunkd)
    states = {name: found[name][0]["runs"] for name in ("score web", "risk_overview")}
    wanted = {
        FIELDS.saved: {"score web": "unknown", "risk_overview": "3"},
        FIELDS.app: {"score web": "2", "risk_overview": "3"},
        FIELDS.origin: {"score web": "2", "risk_overview": "unknown"},
    }
    assert states == wanted[field]
    assert f"has a value of {field}: what follows from it is unknown" in run(splunkd, "--json").stderr


def test_two_searches_of_one_name_need_the_app_to_be_told_apart(splunkd: Splunkd) -> None:
    estate.save(splunkd, "ops", "score web", "index=ops | apply risk")
    both = {row["app"]: row["runs"] for row in rows(splunkd)["score web"]}
    assert both == {"web": "2", "ops": "0"}
    for event in splunkd.storage.indexes["_audit"].events():
        event.fields.pop(FIELDS.app)  # type: ignore[attr-defined]
    assert {row["runs"] for row in rows(splunkd)["score web"]} == {"unknown"}


def test_an_audit_that_may_not_be_read_leaves_everything_unknown(splunkd: Splunkd) -> None:
    splunkd.storage.indexes["_audit"]._events.clear()
    assert {row["state"] for row in rows(splunkd)["score web"]} == {"unknown"}
    assert "finds no search in index=_audit" in run(splunkd).stderr


def test_a_token_that_splunk_refuses_is_said(splunkd: Splunkd) -> None:
    splunkd.sessions.clear()
    result = run(splunkd)
    assert result.exit_code
    assert "401" in str(result.exception)


@pytest.mark.parametrize(
    "address",
    [
        *("splunk.example.com:8089", "https://splunk.example.com:99999", "https://anna:word@splunk.example.com:8089"),
        "https://splunk.example.com:8000/en-US/app/search",
    ],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    result = CliRunner().invoke(dltk, ["inventory", "--splunk", address])
    assert result.exit_code == 2
    assert "such as https://splunk.example.com:8089" in result.output
