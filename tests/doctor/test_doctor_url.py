"""``dltk doctor`` and ``dltk models`` against a container elsewhere, named by `DLTK_URL`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dltk_runtime.cli import dltk
from dltk_runtime.commands import Exit
from dltk_runtime.doctor import examine
from dltk_runtime.doctor.finding import Severity
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelStore
from tests.support.service import Service

FITS = [("algo", "x,y\n1,0\n2,1\n", "m", "y"), ("algo", "x,y\n1,0\n", "m", "y")]
pytestmark = pytest.mark.server(notebooks={"algo": {}}, fits=FITS)


@pytest.fixture(autouse=True)
def elsewhere(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Be on another machine than the container."""
    monkeypatch.setenv("DLTK_URL", service.url)
    monkeypatch.setenv("DLTK_TOKEN", service.token)
    monkeypatch.setenv("DLTK_HOME", str(tmp_path / "empty"))


def models(*arguments: str) -> Result:
    return CliRunner().invoke(dltk, ["models", *arguments])


def test_models_are_listed_shown_and_chosen_over_the_address(service: Service) -> None:
    assert models().output.splitlines()[1].split()[:5] == ["algo", "m", "2", "1,", "2"]
    shown = models("show", "algo", "m", "1").output
    assert "2 current" in shown
    assert "algo/m version 1" in shown
    assert models("rollback", "algo", "m").output == "algo/m version 1 is current.\n"
    assert models("promote", "algo", "m", "2").output == "algo/m version 2 is current.\n"
    compared = models("compare", "algo", "m", "1", "2").output
    assert "version 1" in compared
    assert "Measure both on rows that neither has seen" in compared
    assert models("list", "--home", str(service.home)).output.splitlines()[1].split()[0] == "algo"


def test_the_code_of_applies_is_chosen_over_the_address(service: Service) -> None:
    name = ModelName("algo", "m")
    store = ModelStore.open(Paths(service.home, service.notebooks), keep=5)
    for option, choice in ((["--live"], "live"), ([], "pinned"), (["--auto"], "")):
        assert models("pin", "algo", "m", *option).output.startswith("algo/m: applies run ")
        assert store.code_choice(name) == choice
    assert "algo/unknown has no version: fit it first" in str(models("pin", "algo", "unknown").exception)


def test_splunks_entry_is_printed_over_the_address(service: Service) -> None:
    printed = models("stub", "algo", "m", "1", "--flavour", "aitk").output
    assert printed.startswith("algo,model,options\nAITKContainer,")
    assert printed == models("stub", "algo", "m", "1", "--flavour", "aitk", "--home", str(service.home)).output
    assert "HTTP 404" in str(models("stub", "algo", "unknown").exception)


def test_what_needs_the_folder_says_so(service: Service) -> None:
    result = models("show", "algo", "m", "--verify", "--url", service.url)
    assert result.exit_code == Exit.USAGE
    assert "--verify needs the folder of models" in result.output


def test_a_rollback_of_an_unknown_model_says_that_it_is_unknown() -> None:
    for where in ([], ["--home", "nowhere"]):
        error = models("rollback", "algo", "unknown", *where).exception
        assert "There is no model algo/unknown" in str(error)


def test_doctor_checks_the_container_and_not_this_machine(service: Service) -> None:
    findings = {each.check: each for each in examine.examine()}
    assert findings["container"].severity is Severity.OK
    assert findings["token"].text == f"{service.url} accepts this token"
    assert findings["models"].text.startswith("1 of 1 model is whole")
    assert "volume" not in findings
    assert findings["this machine"].severity is Severity.SKIPPED


def test_doctor_names_a_wrong_token_and_an_address_without_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLTK_TOKEN", "another-token-than-theirs")
    refused = {each.check: each for each in examine.examine()}
    assert refused["token"].severity is Severity.ERROR
    monkeypatch.setenv("DLTK_URL", "http://127.0.0.1:1")
    absent = {each.check: each for each in examine.examine()}
    assert "No answer from the container at http://127.0.0.1:1" in absent["container"].text
