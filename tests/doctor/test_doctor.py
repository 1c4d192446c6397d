"""``dltk doctor`` on this machine, and the command: each hop that is broken is named, with what to do about it."""

from __future__ import annotations

import datetime
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from dltk_runtime import home, tls
from dltk_runtime.cli import dltk
from dltk_runtime.doctor import examine, local
from dltk_runtime.doctor.finding import Finding, Severity
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from tests.doctor.findings import found, free_port, only
from tests.support.service import Service

TOKEN = "a-token-that-is-long-enough"


@pytest.fixture
def settings(paths: Paths) -> Settings:
    return Settings(api_token=TOKEN, home=paths.home, notebooks=paths.notebooks, port=free_port())


def test_a_misspelled_variable_is_named_with_the_nearest() -> None:
    finding = only(local.variables({"DLTK_KEEP_VERSION": "3", "DLTK_HOME": "/x", "PATH": "/bin"}))
    assert finding.severity is Severity.WARNING
    assert "DLTK_KEEP_VERSION is set, but no setting has that name. Did you mean 'DLTK_KEEP_VERSIONS'?" in finding.text


def test_a_value_that_cannot_be_used_ends_the_checks() -> None:
    findings = list(examine.examine({"api_workers": "many"}))
    assert [each.check for each in findings] == ["settings"]
    assert "Invalid api_workers='many'" in findings[0].text


@pytest.mark.parametrize(
    ("token", "severity"),
    [("", "error"), ("two words are none", "error"), ("short", "warning"), (TOKEN, "ok")],
)
def test_the_token(settings: Settings, token: str, severity: str) -> None:
    finding = only(local.token(replace(settings, api_token=token)))
    assert finding.severity == severity
    assert not token or token not in finding.text + finding.advice


def test_a_certificate_is_described(settings: Settings) -> None:
    tls.certificate(replace(settings, https=True))
    finding = only(local.certificate(replace(settings, https=True)))
    assert finding.severity is Severity.OK
    assert "localhost" in finding.text
    assert f"until {datetime.datetime.now(datetime.UTC).year + 10}" in finding.text


@pytest.mark.parametrize(("days_left", "severity"), [(-1, "error"), (10, "warning"), (5000, "error"), (100, "ok")])
def test_the_dates_of_a_certificate(settings: Settings, days_left: int, severity: str) -> None:
    cert, _ = tls.certificate(settings)
    today = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=365 * tls.CERTIFICATE_YEARS - days_left)
    assert only(local.described(cert, today)).severity == severity


def test_a_certificate_that_is_not_there(settings: Settings, tmp_path: Path) -> None:
    finding = only(local.certificate(replace(settings, tls_cert=tmp_path / "c", tls_key=tmp_path / "k")))
    assert finding.severity is Severity.ERROR
    assert str(tmp_path / "c") in finding.text


def test_tls_that_is_off_is_said(settings: Settings) -> None:
    assert only(local.certificate(replace(settings, https=False))).severity is Severity.WARNING


def test_no_server_is_no_error(settings: Settings) -> None:
    assert only(local.port(settings)).severity is Severity.SKIPPED


@pytest.mark.process
def test_a_server_that_answers_takes_the_token_or_does_not(settings: Settings) -> None:
    with Service(settings.paths.home, settings.paths.notebooks) as service:
        port = int(service.url.rpartition(":")[2])
        mine, other = (replace(settings, port=port, api_token=token) for token in (service.token, "another"))
        assert only(local.port(mine)).severity is Severity.OK
        assert "refuses this token" in only(local.port(other)).text


@pytest.mark.process
def test_another_program_on_the_port(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", settings.port)) as sock:

        def hang_up() -> None:
            sock.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert only(local.port(settings)).severity is Severity.ERROR
        thread.join()


def test_jupyterlab_is_looked_for_where_it_is_asked_for(settings: Settings) -> None:
    assert only(local.jupyterlab(settings)).severity is Severity.SKIPPED
    asked = replace(settings, mode="DEV", jupyter_password="argon2:hash", jupyter_port=free_port())
    assert only(local.jupyterlab(asked)).severity is Severity.WARNING
    with socket.create_server(("127.0.0.1", asked.jupyter_port)):
        assert only(local.jupyterlab(asked)).severity is Severity.OK


@pytest.mark.parametrize(("free", "severity"), [(10**12, "ok"), (10**9, "warning"), (10**6, "error")])
def test_the_space_on_the_volume(settings: Settings, free: int, severity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "free_bytes", lambda folder: free)
    assert {each.severity for each in local.volume(settings)} == {severity}


def test_notebooks_that_break_the_contract(settings: Settings, make_notebook: Callable[..., Path]) -> None:
    make_notebook("good")
    make_notebook("bad", fit=None)
    texts = found(local.notebooks(settings))
    assert texts[-1] == ("ok", "1 of 2 algorithms are valid")
    assert [text for severity, text in texts if severity == "warning" and text.startswith("bad: ")]


@pytest.mark.parametrize(
    ("variables", "severity", "text"),
    [
        ({}, "skipped", "notebooks run on the CPU"),
        ({"NVIDIA_VISIBLE_DEVICES": "all"}, "warning", "notebooks run on the CPU, and this image is built for GPUs"),
        ({"DLTK_GPUS": "0,1"}, "error", "but DLTK_GPUS or CUDA_VISIBLE_DEVICES names 0, 1"),
    ],
)
def test_a_machine_without_a_gpu(
    variables: dict[str, str], severity: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(tmp_path))  # without nvidia-smi
    finding = only(local.gpu(Settings.from_env(variables)))
    assert finding.severity == severity
    assert finding.text.startswith("no GPU is visible")
    assert finding.text.endswith(text)
    assert bool(finding.advice) == (severity != "skipped")


def test_a_check_that_breaks_is_a_finding(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def impossible(_: Settings) -> Iterator[Finding]:
        raise RuntimeError("cosmic ray")

    monkeypatch.setattr(local, "CHECKS", (impossible,))
    texts = found(examine.examine({"api_token": TOKEN}))
    assert ("warning", "this check failed: RuntimeError: cosmic ray") in texts


# ---------------------------------------------------------------- the command


@pytest.mark.parametrize(("variables", "code"), [({"api_token": ""}, 1), ({"api_token": "short"}, 4)])
def test_the_exit_code_tells_the_severity(
    paths: Paths, variables: dict[str, str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "free_bytes", lambda folder: 10**12)
    environ = {"DLTK_HOME": str(paths.home), "DLTK_NOTEBOOKS": str(paths.notebooks), "DLTK_PORT": str(free_port())}
    result = CliRunner(env=environ | variables).invoke(dltk, ["doctor", "--json"])
    assert result.exit_code == code, result.output
    answer = json.loads(result.output)
    assert answer["severity"] == {1: "error", 4: "warning"}[code]
    assert {"check", "severity", "text", "advice"} == set(answer["findings"][0])


def test_the_printed_findings_carry_their_advice(paths: Paths) -> None:
    environ = {"DLTK_HOME": str(paths.home), "DLTK_NOTEBOOKS": str(paths.notebooks), "api_token": ""}
    output = CliRunner(env=environ | {"DLTK_PORT": str(free_port())}).invoke(dltk, ["doctor"]).output
    assert "error    token        no api_token is configured\n" in output
    assert "→ Set api_token or api_token_file." in output
