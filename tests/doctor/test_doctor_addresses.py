"""``dltk splunk stanza`` writes what Splunk reads, and ``dltk doctor`` says what each model's name leads to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from dltk_runtime.cli import dltk
from dltk_runtime.doctor.addresses import addresses
from dltk_runtime.doctor.app_folder import app_folder
from dltk_runtime.doctor.clients import DSDL, TOOLKIT, incomplete
from dltk_runtime.doctor.finding import Finding, Severity
from dltk_runtime.doctor.rest import Rest
from dltk_runtime.doctor.stanzas import stanzas
from dltk_runtime.flows import conf
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.access import of_settings
from tests.aitk.toolkit import Toolkit
from tests.doctor.findings import found
from tests.doctor.standin import Standin
from tests.support.service import ROOT

FLAVOURS = {"dsdl": DSDL, "aitk": TOOLKIT}
OLD, NEW = "https://old.example.com:5000", "https://new.example.com:5000"
DSDL_CONF = "/servicesNS/nobody/mltk-container/configs/conf-containers"
TOOLKIT_CONF = f"/servicesNS/nobody/{TOOLKIT.app}/configs/conf-{TOOLKIT.file}"
FIT = "index=main | fit MLTKContainer algo=a y from x into app:risk"


def printed(*options: str) -> str:
    result = CliRunner().invoke(dltk, ["splunk", "stanza", *options])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_stanza_of_all_models_is_that_of_the_deploy_folder(flavour: str) -> None:
    text = printed("--flavour", flavour)
    (made,) = conf.parse(text)
    (shipped,) = conf.read(ROOT / "deploy" / "splunk" / f"{FLAVOURS[flavour].file}.conf")
    assert (made.name, list(made.settings.items())) == (shipped.name, list(shipped.settings.items()))
    assert f"etc/apps/{FLAVOURS[flavour].app}/local/{FLAVOURS[flavour].file}.conf" in text


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_one_models_stanza_is_complete_for_the_doctor(flavour: str, tmp_path: Path) -> None:
    text = printed("--model", "risk", "--flavour", flavour, "--url", f"{NEW}/", "--external", "http://[::1]:5001")
    (made,) = conf.parse(text)
    assert made.name == "risk"
    assert (made.get("api_url"), made.get("api_url_external")) == (NEW, "http://[::1]:5001")
    assert made.get("jupyter_url") == "https://[::1]:8888"
    assert [*incomplete(FLAVOURS[flavour], "risk", made.settings, {"docker": {}}, "here")] == []
    assert ("container_connections.conf" in text) == (flavour == "aitk")
    local = tmp_path / FLAVOURS[flavour].app / "local"
    local.mkdir(parents=True)
    (local / f"{FLAVOURS[flavour].file}.conf").write_text(text)  # the lines can be read by the doctor as they are
    assert not any("cannot be read" in each.text for each in app_folder(local.parent))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_stanza_of_the_model_without_a_name_warns_that_it_is_for_all(flavour: str) -> None:
    text = printed("--model", "default", "--flavour", flavour)
    assert "# Splunk gives what [default] holds to every stanza of a file" in text
    assert [each.name for each in conf.parse(text)] == ["default"]
    assert "[default] holds" not in printed("--model", "risk", "--flavour", flavour)


def test_an_address_is_as_the_clients_compare_it() -> None:
    assert "api_url = https://A.example:5000/base\n" in printed("--url", "HTTPS://A.example:5000/base/")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--url", "new.example.com:5000"], "is no address of a container"),
        (["--url", "https://new.example.com:port"], "is no address of a container"),
        (["--external", "https://a b"], "is no address of a container"),
        (["--url", "https://a:5000?x=1"], "without user, password or query"),
        (["--url", "https://a:5000/#x"], "without user, password or query"),
        (["--url", "https://anna:word@a:5000"], "is no address of a container"),
        (["--url", "https://a:0"], "is no address of a container"),
        (["--url", "https://größe:5000"], "is no address of a container"),
        (["--model", "no-name"], "Invalid model name"),
    ],
)
def test_what_splunk_could_not_use_is_refused(options: list[str], words: str) -> None:
    result = CliRunner().invoke(dltk, ["splunk", "stanza", *options])
    assert result.exit_code
    assert words in str(result.exception)


def test_one_model_moves_by_its_stanza_and_goes_back_without_it(tmp_path: Path) -> None:
    """As the toolkit's public code looks an address up, anew at each call."""
    local = tmp_path / "local"
    local.mkdir()
    shutil.copy(ROOT / "deploy" / "splunk" / "container_connections.conf", local)
    file = local / "dsdl_container.conf"
    toolkit = Toolkit(tmp_path, {"session": "token"}, "session")
    all_models = printed("--flavour", "aitk", "--url", OLD)
    file.write_text(all_models)
    assert toolkit.address("risk").api_url == OLD
    file.write_text(all_models + printed("--flavour", "aitk", "--model", "risk", "--url", NEW))
    assert [toolkit.address(model).api_url for model in ("risk", "dga")] == [NEW, OLD]
    file.write_text(all_models)
    assert toolkit.address("risk").api_url == OLD


class TestTheDoctor:
    @pytest.fixture
    def head(self, tmp_path: Path) -> Iterator[Standin]:
        """A search head with one model moved, and a saved search that fits another."""
        made = Standin(tmp_path / "splunk")
        made.entry(DSDL_CONF, *two_stanzas())
        made.entry("/servicesNS/-/-/configs/conf-macros")
        search = {"name": "train", "search": FIT, "acl": {"owner": "svc", "app": "web", "sharing": "app"}}
        made.entry("/servicesNS/-/-/saved/searches", search)
        yield made
        made.close()

    @pytest.fixture
    def check(self, head: Standin, paths: Paths) -> tuple[Rest, Settings]:
        settings = Settings(splunk_cafile=head.cert, home=paths.home, notebooks=paths.notebooks)
        return Rest(f"https://127.0.0.1:{head.port}", "jwt", of_settings(settings).tls), settings

    def test_each_model_has_its_address(self, check: tuple[Rest, Settings]) -> None:
        old, new = by_text(addresses(*check))
        assert new.text.startswith(f"{OLD} is called for risk, every model without a stanza ([__dev__]): containers")
        assert old.text.startswith(f"{NEW} is called for dga: containers.conf of https://127.0.0.1")

    def test_each_address_of_the_toolkit_s_client_is_of_its_own_file(
        self, head: Standin, check: tuple[Rest, Settings]
    ) -> None:
        """Both clients are there, and call different containers for one model."""
        head.entry(TOOLKIT_CONF, {"name": "__dev__", "api_url": NEW}, {"name": "risk", "api_url": OLD})
        texts = [each.text for each in addresses(*check)]
        assert len(texts) == 4
        (others,) = [each for each in texts if each.startswith(f"{NEW} is called for dga, every model without")]
        (risk,) = [each for each in texts if each.startswith(f"{OLD} is called for risk: ")]
        assert all("dsdl_container.conf of https://127.0.0.1" in each for each in (others, risk))
        assert [": containers.conf of" in each for each in texts].count(True) == 2

    def test_a_model_without_any_address_is_named(self, head: Standin, check: tuple[Rest, Settings]) -> None:
        head.entry(DSDL_CONF, {"name": "dga", "api_url": NEW})
        (wrong,) = [each for each in addresses(*check) if each.severity is Severity.ERROR]
        assert wrong.text.startswith("no address for risk: neither a stanza of the model nor [__dev__]")

    def test_members_that_send_one_model_elsewhere_differ(
        self, head: Standin, check: tuple[Rest, Settings], tmp_path: Path
    ) -> None:
        """Both call the same two addresses, each for another model."""
        rest, settings = check
        other = Standin(tmp_path / "other")
        other.entry(DSDL_CONF, {"name": "__dev__", "api_url": NEW}, {"name": "dga", "api_url": OLD})
        head.entry("/services/shcluster/member/members", {"name": "2", "mgmt_uri": f"https://127.0.0.1:{other.port}"})
        both = Rest(rest.base, "jwt", of_settings(Settings(splunk_verify=False)).tls)
        try:
            said = [*addresses(both, settings)]
            assert len(said) == 4, found(said)
            assert f"{OLD} is called for dga: containers.conf of https://127.0.0.1:{other.port}" in str(found(said))
            assert "the members call different containers" in str(found(stanzas(both, settings)))
        finally:
            other.close()
        assert [*addresses(both, settings)] == [*addresses(rest, settings)], "of those that can be asked"
        (silent,) = [each for each in stanzas(both, settings) if f"127.0.0.1:{other.port}" in each.text]
        assert silent.severity is Severity.ERROR


def two_stanzas() -> tuple[dict[str, str], dict[str, str]]:
    return {"name": "__dev__", "api_url": OLD}, {"name": "dga", "api_url": NEW}


def by_text(findings: Iterator[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda each: each.text)
