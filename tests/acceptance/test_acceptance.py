"""The acceptance app as it is written, installed in a stand-in and run over REST against a real container."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from dltk_runtime import tls
from dltk_runtime.acceptance import verify
from dltk_runtime.acceptance.app import EXPORT
from dltk_runtime.acceptance.claims.claim import APP, Flavour
from dltk_runtime.acceptance.claims.table import PREPARATIONS, claims
from dltk_runtime.acceptance.notebook import notebook
from dltk_runtime.acceptance.verify import Verification
from dltk_runtime.cli import dltk
from dltk_runtime.flows.app import App
from dltk_runtime.flows.rules import check, packages
from dltk_runtime.settings import ClientSettings, Settings
from dltk_runtime.splunk import job
from tests.acceptance.world import World
from tests.splunkd import Splunkd
from tests.support.service import Service

FILES = {
    *("README.md", "default/app.conf", "default/collections.conf", "default/data/ui/nav/default.xml"),
    *("default/data/ui/views/overview.xml", "default/macros.conf", "default/savedsearches.conf"),
    *("default/transforms.conf", "lookups/__mlspl_dltk_acc_shipped.mlmodel", f"lookups/{APP}_claims.csv"),
    "metadata/default.meta",
}


def written(folder: Path, *options: str) -> App:
    result = CliRunner().invoke(dltk, ["splunk", "acceptance", str(folder), *options])
    assert result.exit_code == 0, result.output
    return App(folder / APP)


@pytest.mark.parametrize("flavour", ["dsdl", "aitk"])
def test_the_app_is_whole_and_schedules_nothing(flavour: str, tmp_path: Path) -> None:
    app = written(tmp_path, "--flavour", flavour, "--index", "mine")
    assert {str(path.relative_to(app.folder)) for path in app.files()} == FILES
    assert (tmp_path / f"{APP}-1.0.0.spl").is_file()
    assert json.loads((tmp_path / f"{APP}.ipynb").read_text())["nbformat"] == 4
    stanzas = {each.name: each for each in app.conf("savedsearches.conf")}
    known = claims(Flavour(flavour))
    assert [*stanzas] == [*(each.saved for each in (*PREPARATIONS, *known)), f"{APP}_export"]
    assert [name for name, each in stanzas.items() if each.flag("disabled")] == [f"{APP}_disabled_refused"]
    assert not any("enableSched" in each.settings or "cron_schedule" in each.settings for each in stanzas.values())
    assert (app.macros[f"{APP}_index"].definition, len(known) >= 30) == ("mine", True)
    (view,) = app.views
    assert EXPORT in [each.text for each in ElementTree.parse(view).iter("query")]
    readme = (app.folder / "README.md").read_text()
    assert all(each.saved in readme for each in (*PREPARATIONS, *known))


@pytest.mark.parametrize(
    "options", [("acceptance", "--flavour", "dsdl"), ("acceptance", "--flavour", "aitk"), ("reports",)]
)
def test_appinspect_finds_nothing_that_the_rules_of_flows_know(options: tuple[str, ...], tmp_path: Path) -> None:
    """`make appinspect` runs Splunk's own checks over the same apps."""
    result = CliRunner().invoke(dltk, ["splunk", options[0], str(tmp_path), *options[1:]])
    assert result.exit_code == 0, result.output
    (app,) = (App(path.parent.parent) for path in tmp_path.glob("*/default/app.conf"))
    assert [str(each) for each in check([app], packages.RULES)] == []


def test_every_claim_has_a_name_a_sentence_and_a_source() -> None:
    for flavour in Flavour:
        known = claims(flavour)
        assert len({each.name for each in known}) == len(known)
        assert all(each.text[-1] not in ".!" and each.source for each in known)


@pytest.mark.parametrize("index", ["x\n[evil]\ny = 1", "a b", 'a"b | delete', "Main", "_x", ""])
@pytest.mark.parametrize("app", ["acceptance", "reports"])
def test_an_index_is_a_name_that_splunk_allows(app: str, index: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(dltk, ["splunk", app, str(tmp_path), "--index", index])
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "is no name of an index" in result.output


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    written(tmp_path)
    again = CliRunner().invoke(dltk, ["splunk", "acceptance", str(tmp_path)])
    assert "exists already" in str(again.exception)
    written(tmp_path, "--force")


def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    result = CliRunner().invoke(dltk, ["splunk", "verify", "--export", str(tmp_path / "wrong" / "results.json")])
    assert result.exit_code == 2
    assert "There is no folder" in result.output


class Installed:
    """The app in a stand-in with TLS, over a real container with the notebook."""

    def __init__(self, folder: Path, service: Service, pair: tuple[Path, Path]) -> None:
        client = ClientSettings(url=service.url, token=service.token)
        self.world = World(folder, Flavour.DSDL, client)
        self.splunkd = Splunkd(self.world.run_search, storage=self.world.storage, app=APP, certificate=pair)
        for search in self.world.app.searches:
            if not search.view:
                self.splunkd.searches.saved[search.name] = {**search.stanza.settings, "search": search.text}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("acceptance")
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    (notebooks / f"{APP}.ipynb").write_text(notebook())
    pair = tls.certificate(Settings(home=folder / "tls"))
    with Service(folder / "home", notebooks) as service:
        made = Installed(folder / "world", service, pair)
        with made.splunkd:
            yield made


@pytest.mark.process
@pytest.mark.timeout(900)
def test_every_claim_holds_in_the_stand_in_with_a_real_container(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it answers to each claim is ours: none of us has seen a Splunk."""
    monkeypatch.setattr(job, "MIN_POLL_SECONDS", 0.02)
    for name, value in installed.splunkd.variables.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(dltk, ["splunk", "verify", "--export", str(tmp_path / "results.json")])
    assert result.exit_code == 0, result.output + str(result.exception)
    sent = json.loads((tmp_path / "results.json").read_text())
    assert (sent["app"], sent["client"], sent["splunk"]) == (APP, "dsdl", installed.splunkd.version)
    assert {each["claim"]: each["result"] for each in sent["claims"]} == {
        each.name: "pass" for each in claims(Flavour.DSDL)
    }
    text = json.dumps(sent)
    assert installed.splunkd.token not in text
    assert "127.0.0.1" not in text


@pytest.mark.process
def test_a_splunk_that_runs_disabled_searches_is_found(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "PREPARATIONS", ())
    monkeypatch.setattr(verify, "claims", lambda _: tuple(each for each in claims(Flavour.DSDL) if each.disabled))
    saved = installed.splunkd.searches.saved[f"{APP}_disabled_refused"]
    monkeypatch.delitem(saved, "disabled")
    verification = Verification(installed.splunkd.connection(), Flavour.DSDL, late_seconds=0)
    (result,) = verification.run()
    assert (result.result, result.seen) == ("fail", "it ran")


@pytest.mark.process
def test_a_search_that_ends_in_an_error_is_not_taken_for_a_pass(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where an earlier run has recorded one."""
    named = {"listed": "fail", "globs": "error"}
    chosen = tuple(each for each in claims(Flavour.DSDL) if each.name in named)
    monkeypatch.setattr(verify, "PREPARATIONS", ())
    monkeypatch.setattr(verify, "claims", lambda _: chosen)
    for each in chosen:
        monkeypatch.setitem(installed.splunkd.searches.saved[each.saved], "search", "| nonsense")
    found = Verification(installed.splunkd.connection(), Flavour.DSDL, late_seconds=0).run()
    assert {each.claim.name: each.result for each in found} == named


def test_a_splunk_without_the_app_is_said() -> None:
    with Splunkd() as splunkd:
        connection = splunkd.connection(app=APP)
        with pytest.raises(Exception, match=r"Application does not exist|has no"):
            Verification(connection, Flavour.DSDL).run()
