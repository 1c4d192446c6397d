"""``dltk doctor`` on the files by which DSDL or the AI Toolkit finds the container: over REST, and in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from dltk_runtime.cli import dltk
from dltk_runtime.doctor import search_head
from dltk_runtime.doctor.app_folder import app_folder
from dltk_runtime.doctor.finding import Finding, Severity
from dltk_runtime.doctor.rest import Rest
from dltk_runtime.doctor.stanzas import stanzas
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.access import of_settings
from tests.doctor.findings import found, only
from tests.doctor.standin import Standin
from tests.support.service import ROOT

EXAMPLES = ROOT / "deploy" / "splunk"
CONF = "/servicesNS/nobody/Splunk_ML_Toolkit/configs/conf-"
GLOBAL = {"sharing": "global"}


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Standin]:
    """A search head with the AI Toolkit alone, whose container is ready."""
    made = Standin(tmp_path / "splunk")
    made.answers["/readyz"] = (200, {"status": "ok"})
    made.entry(f"{CONF}dsdl_container", stanza(made))
    made.entry(f"{CONF}container_connections", {"name": "docker", "in_cluster_mode": "0"})
    yield made
    made.close()


def stanza(standin: Standin, **changed: str) -> dict[str, str]:
    return {"name": "__dev__", "api_url": f"https://127.0.0.1:{standin.port}", "cluster": "docker"} | changed


def check(standin: Standin) -> list[Finding]:
    settings = Settings(splunk_cafile=standin.cert)
    return [*stanzas(Rest(f"https://127.0.0.1:{standin.port}", "jwt", of_settings(settings).tls), settings)]


class TestOverRest:
    def test_a_toolkit_that_is_set_up_is_right_without_dsdl(self, standin: Standin) -> None:
        assert only(check(standin)).severity is Severity.OK

    def test_a_stanza_for_one_model_is_enough(self, standin: Standin) -> None:
        standin.entry(f"{CONF}dsdl_container", stanza(standin, name="sums", cluster="docker"))
        assert only(check(standin)).severity is Severity.OK

    def test_a_missing_section_of_the_cluster_is_named(self, standin: Standin) -> None:
        standin.entry(f"{CONF}dsdl_container", stanza(standin, cluster="kubernetes"))
        (finding,) = [each for each in check(standin) if each.severity is Severity.ERROR]
        assert "no section [kubernetes] in container_connections.conf" in finding.text
        assert "Missing configuration section for cluster type: kubernetes" in finding.text
        assert "deploy/splunk/container_connections.conf" in finding.advice

    def test_a_stanza_without_a_cluster_is_named(self, standin: Standin) -> None:
        standin.entry(f"{CONF}dsdl_container", stanza(standin, cluster=""))
        (finding,) = [each for each in check(standin) if each.severity is Severity.ERROR]
        assert "cluster is missing: [__dev__] in dsdl_container.conf" in finding.text

    def test_without_any_stanza_both_files_are_named(self, standin: Standin) -> None:
        del standin.answers[f"{CONF}dsdl_container"]
        finding = only(check(standin))
        assert finding.severity is Severity.ERROR
        assert "containers.conf of mltk-container" in finding.text
        assert "dsdl_container.conf of Splunk_ML_Toolkit" in finding.text
        assert "deploy/splunk/dsdl_container.conf" in finding.advice

    @pytest.mark.parametrize(
        ("version", "severity"), [("5.4.2", "error"), ("5.7.0", "ok"), ("5.10.1", "ok"), ("6.0", "ok"), ("", "error")]
    )
    def test_the_dsdl_app_is_needed_beside_older_toolkits_alone(
        self, standin: Standin, version: str, severity: str
    ) -> None:
        apps = [{"name": name, "version": version, "acl": GLOBAL} for name in list(search_head.APPS)[:2]]
        standin.entry("/services/apps/local", *apps)
        settings = Settings(splunk_cafile=standin.cert)
        rest = Rest(f"https://127.0.0.1:{standin.port}", "jwt", of_settings(settings).tls)
        (finding,) = [each for each in search_head.apps(rest, settings) if "mltk-container" in each.text]
        assert finding.severity == severity


class TestInAFolder:
    @pytest.fixture
    def toolkit(self, tmp_path: Path, standin: Standin) -> Path:
        """The folder of a toolkit that is set up with the examples, their container being ready."""
        local = tmp_path / "Splunk_ML_Toolkit" / "local"
        local.mkdir(parents=True)
        shutil.copy(EXAMPLES / "container_connections.conf", local)
        text = (EXAMPLES / "dsdl_container.conf").read_text()
        url = f"api_url = https://127.0.0.1:{standin.port}"
        (local / "dsdl_container.conf").write_text(text.replace("api_url = https://dltk.example.com:5000", url))
        return local.parent

    def test_the_examples_with_an_address_are_right(self, toolkit: Path) -> None:
        assert only(app_folder(toolkit)).severity is Severity.OK

    @pytest.mark.parametrize("name", ["dsdl_container.conf", "container_connections.conf"])
    def test_a_missing_file_is_named(self, toolkit: Path, name: str) -> None:
        (toolkit / "local" / name).unlink()
        findings = [*app_folder(toolkit)]
        assert f"local/{name} is missing" in findings[0].text, found(findings)
        assert f"deploy/splunk/{name}" in findings[0].advice

    def test_a_file_that_a_deployer_moved_to_default_is_not_read_by_the_toolkit(self, toolkit: Path) -> None:
        (toolkit / "local").rename(toolkit / "default")
        first, second = app_folder(toolkit)
        assert "dsdl_container.conf is in" in first.text
        assert "reads it in local alone" in second.text
        assert "deployer_push_mode" in first.advice

    def test_a_missing_section_and_a_missing_stanza_are_named(self, toolkit: Path) -> None:
        (toolkit / "local" / "container_connections.conf").write_text("[kubernetes]\nin_cluster_mode = 0\n")
        conf = toolkit / "local" / "dsdl_container.conf"
        conf.write_text(conf.read_text().replace("[__dev__]", "[sums]"))
        findings = [*app_folder(toolkit)]
        assert [each.severity for each in findings[:2]] == [Severity.WARNING, Severity.ERROR], found(findings)
        assert "no stanza [__dev__]" in findings[0].text
        assert "no section [docker] in container_connections.conf" in findings[1].text

    def test_a_file_that_is_no_conf_file_is_named(self, toolkit: Path) -> None:
        (toolkit / "local" / "dsdl_container.conf").write_text("api_url = x\n")
        assert "cannot be read" in only(app_folder(toolkit)).text

    def test_an_app_of_dsdl_is_checked_by_its_own_file(self, tmp_path: Path, standin: Standin) -> None:
        local = tmp_path / "mltk-container" / "local"
        local.mkdir(parents=True)
        assert "local/containers.conf is missing" in only(app_folder(local.parent)).text
        (local / "containers.conf").write_text(f"[__dev__]\napi_url = https://127.0.0.1:{standin.port}\n")
        assert only(app_folder(local.parent)).severity is Severity.OK

    def test_another_folder_is_refused_by_name(self, tmp_path: Path) -> None:
        assert "has neither containers.conf nor dsdl_container.conf" in only(app_folder(tmp_path)).text

    def test_the_command_checks_the_folder_alone(self, toolkit: Path) -> None:
        result = CliRunner().invoke(dltk, ["doctor", "--app", str(toolkit)])
        assert result.exit_code == 0, result.output
        assert result.output.count("\n") == 1
        (toolkit / "local" / "container_connections.conf").unlink()
        assert CliRunner().invoke(dltk, ["doctor", "--app", str(toolkit)]).exit_code == 1
