"""``dltk doctor``: each hop that is broken is named, with what to do about it."""

from __future__ import annotations

import datetime
import email.utils
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dltk_runtime import doctor, doctor_collector, doctor_local, doctor_splunk, home, tls
from dltk_runtime.cli import dltk
from dltk_runtime.doctor import Finding, Severity
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from tests.service import Service

TOKEN = "a-token-that-is-long-enough"
Answers = dict[str, tuple[int, Any]]
USER = {"username": "dltk", "roles": ["power"], "capabilities": ["search", "schedule_search"]}
GLOBAL = {"sharing": "global"}


def found(findings: Iterator[Finding] | Any) -> list[tuple[str, str]]:
    return [(str(each.severity), each.text) for each in findings]


def only(findings: Any) -> Finding:
    (finding,) = list(findings)
    assert isinstance(finding, Finding)
    return finding


@pytest.fixture
def settings(paths: Paths) -> Settings:
    return Settings(api_token=TOKEN, home=paths.home, notebooks=paths.notebooks, port=free_port())


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def changed(settings: Settings, **values: Any) -> Settings:
    return replace(settings, **values)


# ---------------------------------------------------------------- here


def test_a_misspelled_variable_is_named_with_the_nearest() -> None:
    finding = only(doctor_local.variables({"DLTK_KEEP_VERSION": "3", "DLTK_HOME": "/x", "PATH": "/bin"}))
    assert finding.severity is Severity.WARNING
    assert "DLTK_KEEP_VERSION is set, and no setting has that name. Did you mean 'DLTK_KEEP_VERSIONS'?" in finding.text


def test_a_value_that_cannot_be_used_ends_the_checks() -> None:
    findings = list(doctor.examine({"api_workers": "many"}))
    assert [each.check for each in findings] == ["settings"]
    assert "api_workers='many' cannot be used" in findings[0].text


@pytest.mark.parametrize(
    ("token", "severity"),
    [("", "error"), ("two words are none", "error"), ("short", "warning"), (TOKEN, "ok")],
)
def test_the_token(settings: Settings, token: str, severity: str) -> None:
    finding = only(doctor_local.token(changed(settings, api_token=token)))
    assert finding.severity == severity
    assert not token or token not in finding.text + finding.advice


def test_a_certificate_is_described(settings: Settings) -> None:
    tls.certificate(changed(settings, https=True))
    finding = only(doctor_local.certificate(changed(settings, https=True)))
    assert finding.severity is Severity.OK
    assert "localhost" in finding.text
    assert f"until {datetime.datetime.now(datetime.UTC).year + 10}" in finding.text


@pytest.mark.parametrize(("days_left", "severity"), [(-1, "error"), (10, "warning"), (5000, "error"), (100, "ok")])
def test_the_dates_of_a_certificate(settings: Settings, days_left: int, severity: str) -> None:
    cert, _ = tls.certificate(settings)
    today = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=365 * tls.YEARS - days_left)
    assert only(doctor_local.described(cert, today)).severity == severity


def test_a_certificate_that_is_not_there(settings: Settings, tmp_path: Path) -> None:
    finding = only(doctor_local.certificate(changed(settings, tls_cert=tmp_path / "c", tls_key=tmp_path / "k")))
    assert finding.severity is Severity.ERROR
    assert str(tmp_path / "c") in finding.text


def test_tls_that_is_off_is_said(settings: Settings) -> None:
    assert only(doctor_local.certificate(changed(settings, https=False))).severity is Severity.WARNING


def test_no_server_is_no_error(settings: Settings) -> None:
    assert only(doctor_local.port(settings)).severity is Severity.SKIPPED


def test_a_server_that_answers_takes_the_token_or_does_not(settings: Settings) -> None:
    with Service(settings.paths.home, settings.paths.notebooks) as service:
        port = int(service.url.rpartition(":")[2])
        mine, other = (changed(settings, port=port, api_token=token) for token in (service.token, "another"))
        assert only(doctor_local.port(mine)).severity is Severity.OK
        assert "refuses this token" in only(doctor_local.port(other)).text


def test_another_program_on_the_port(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", settings.port)) as sock:

        def hang_up() -> None:
            sock.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        assert only(doctor_local.port(settings)).severity is Severity.ERROR
        thread.join()


@pytest.mark.parametrize(("free", "severity"), [(10**12, "ok"), (10**9, "warning"), (10**6, "error")])
def test_the_space_on_the_volume(settings: Settings, free: int, severity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "free_bytes", lambda folder: free)
    assert {each.severity for each in doctor_local.volume(settings)} == {severity}


def test_notebooks_that_break_the_contract(settings: Settings, make_notebook: Callable[..., Path]) -> None:
    make_notebook("good")
    make_notebook("bad", fit=None)
    texts = found(doctor_local.notebooks(settings))
    assert texts[-1] == ("ok", "1 of 2 algorithms can be used")
    assert [text for severity, text in texts if severity == "warning" and text.startswith("bad: ")]


def test_a_check_that_breaks_is_a_finding(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def impossible(_: Settings) -> Iterator[Finding]:
        raise RuntimeError("cosmic ray")

    monkeypatch.setattr(doctor_local, "CHECKS", (impossible,))
    texts = found(doctor.examine({"api_token": TOKEN}))
    assert ("warning", "this check could not be made: RuntimeError: cosmic ray") in texts


# ---------------------------------------------------------------- Splunk


class Standin:
    """Answers each path with what `answers` holds for it, over TLS."""

    def __init__(self, home: Path) -> None:
        self.answers: Answers = {}
        self.date = email.utils.formatdate(usegmt=True)
        self.asked: list[str] = []
        standin = self

        class Handler(BaseHTTPRequestHandler):
            def date_time_string(self, timestamp: float | None = None) -> str:
                return standin.date

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                standin.asked.append(path)
                status, answer = standin.answers.get(path, (404, {"messages": [{"text": "Not Found"}]}))
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_request(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.cert, key = tls.certificate(Settings(home=home))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def entry(self, path: str, *entries: dict[str, Any]) -> None:
        listed = [{"name": each.get("name"), "acl": each.pop("acl", {}), "content": each} for each in entries]
        self.answers[path] = (200, {"entry": listed})

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Standin]:
    """A Splunk with which everything is right."""
    made = Standin(tmp_path / "splunk")
    made.entry("/services/server/info", {"serverName": "sh1", "version": "10.0.1"})
    made.entry("/services/authentication/current-context", USER)
    apps = [{"name": name, "version": "5.5", "disabled": False, "acl": GLOBAL} for name in doctor_splunk.APPS]
    made.entry("/services/apps/local", *apps)
    mlspl = "/servicesNS/nobody/Splunk_ML_Toolkit/configs/conf-mlspl/default"
    made.entry(mlspl, {"max_fit_time": "7200", "max_inputs": "100000"})
    url = f"https://127.0.0.1:{made.port}"
    made.entry("/servicesNS/nobody/mltk-container/configs/conf-containers/__dev__", {"api_url": url})
    made.answers["/readyz"] = (200, {"status": "ok"})
    made.answers["/services/collector/health"] = (200, {"text": "HEC is healthy", "code": 17})
    made.answers["/services/collector/event"] = (400, {"text": "No data", "code": 5})
    yield made
    made.close()


@pytest.fixture
def connected(settings: Settings, standin: Standin) -> Settings:
    rest = {"splunk_access": True, "splunk_host": "127.0.0.1", "splunk_port": standin.port, "splunk_token": "jwt"}
    hec = {"hec": True, "hec_url": f"https://127.0.0.1:{standin.port}", "hec_token": "uuid"}
    return changed(settings, splunk_cafile=standin.cert, **rest, **hec)


def test_a_splunk_with_which_everything_is_right(connected: Settings) -> None:
    findings = [*doctor_splunk.splunk(connected), *doctor_collector.collector(connected)]
    assert {each.severity for each in findings} == {Severity.OK}, found(findings)
    checks = ["splunk", "clock", "rights", *["apps"] * 3, "limits", "stanzas", "collector"]
    assert [each.check for each in findings] == checks


def test_nothing_is_asked_of_a_splunk_that_is_not_set_up(settings: Settings) -> None:
    findings = [*doctor_splunk.splunk(settings), *doctor_collector.collector(settings)]
    assert [each.severity for each in findings] == [Severity.SKIPPED] * 2


def test_a_splunk_that_nobody_reaches(connected: Settings) -> None:
    finding = only(doctor_splunk.splunk(changed(connected, splunk_port=free_port())))
    assert (finding.severity, "Connection refused" in finding.text) == (Severity.ERROR, True)
    assert "8089" in finding.advice


def test_a_certificate_that_is_not_trusted(connected: Settings) -> None:
    finding = only(doctor_splunk.splunk(changed(connected, splunk_cafile=None)))
    assert "is not trusted" in finding.text
    assert "DLTK_SPLUNK_CAFILE" in finding.advice
    assert only(doctor_collector.collector(changed(connected, splunk_cafile=None))).severity is Severity.ERROR


def test_a_token_that_splunk_refuses(connected: Settings, standin: Standin) -> None:
    standin.answers["/services/server/info"] = (401, {"messages": [{"text": "call not properly authenticated"}]})
    assert "refuses the token" in only(doctor_splunk.splunk(connected)).text


Break = Callable[[Standin], None]


def no_app(standin: Standin) -> None:
    standin.entry("/services/apps/local", *[{"name": name, "acl": GLOBAL} for name in list(doctor_splunk.APPS)[1:]])


def no_rights(standin: Standin) -> None:
    standin.entry("/services/authentication/current-context", USER | {"capabilities": ["search"]})


def short_fits(standin: Standin) -> None:
    path = "/servicesNS/nobody/Splunk_ML_Toolkit/configs/conf-mlspl/MLTKContainer"
    standin.entry(path, {"max_fit_time": "600"})


def no_stanza(standin: Standin) -> None:
    del standin.answers["/servicesNS/nobody/mltk-container/configs/conf-containers/__dev__"]


def wrong_address(standin: Standin) -> None:
    standin.answers["/readyz"] = (404, {})


def wrong_clock(standin: Standin) -> None:
    standin.date = "Mon, 01 Jan 2024 00:00:00 GMT"


def disabled_collector(standin: Standin) -> None:
    standin.answers["/services/collector/event"] = (403, {"text": "Token disabled", "code": 1})


def other_member(standin: Standin) -> None:
    standin.entry("/services/shcluster/member/members", {"name": "sh2", "mgmt_uri": f"https://localhost:{free_port()}"})


@pytest.mark.parametrize(
    ("broken", "severity", "text"),
    [
        (no_app, "error", r"AI Toolkit \(Machine Learning Toolkit\) \(Splunk_ML_Toolkit\) is not installed"),
        (no_rights, "warning", "missing: schedule_search"),
        (short_fits, "warning", r"a fit may take 600 s \(max_fit_time\) and 100000 rows"),
        (no_stanza, "error", r"no stanza \[__dev__\] in containers.conf"),
        (wrong_address, "error", "which answers with HTTP 404"),
        (wrong_clock, "warning", "this clock and Splunk's differ by"),
        (disabled_collector, "error", "refuses the token: Token disabled"),
        (other_member, "error", r"no stanza \[__dev__\] in containers.conf: .*refused"),
    ],
)
def test_what_is_broken_is_said(connected: Settings, standin: Standin, broken: Break, severity: str, text: str) -> None:
    broken(standin)
    findings = [*doctor_splunk.splunk(connected), *doctor_collector.collector(connected)]
    said = [each for each in findings if re.search(text, each.text)]
    assert [each.severity for each in said] == [severity], found(findings)
    assert said[0].advice


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
    assert "error    token        there is no api_token\n" in output
    assert "→ Set api_token or api_token_file." in output
