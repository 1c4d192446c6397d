"""``dltk doctor`` on Splunk's side: REST, apps, limits, the stanza of each member, and the event collector."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dltk_runtime.doctor import collector as doctor_collector
from dltk_runtime.doctor import search_head
from dltk_runtime.doctor.finding import Severity
from dltk_runtime.settings import Settings
from tests.doctor.findings import found, free_port, only
from tests.doctor.standin import Standin

USER = {"username": "dltk", "roles": ["power"], "capabilities": ["search"]}
GLOBAL = {"sharing": "global"}


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Standin]:
    """A Splunk with which everything is right."""
    made = Standin(tmp_path / "splunk")
    made.entry("/services/server/info", {"serverName": "sh1", "version": "10.0.1"})
    made.entry("/services/authentication/current-context", USER)
    apps = [{"name": name, "version": "5.5", "disabled": False, "acl": GLOBAL} for name in search_head.APPS]
    made.entry("/services/apps/local", *apps)
    mlspl = "/servicesNS/nobody/Splunk_ML_Toolkit/configs/conf-mlspl/default"
    made.entry(mlspl, {"max_fit_time": "7200", "max_inputs": "100000"})
    url = f"https://127.0.0.1:{made.port}"
    made.entry("/servicesNS/nobody/mltk-container/configs/conf-containers", {"name": "__dev__", "api_url": url})
    made.entry("/servicesNS/-/-/configs/conf-macros")
    made.entry("/servicesNS/-/-/saved/searches")
    made.answers["/readyz"] = (200, {"status": "ok"})
    made.answers["/services/collector/health"] = (200, {"text": "HEC is healthy", "code": 17})
    made.answers["/services/collector/event"] = (400, {"text": "No data", "code": 5})
    yield made
    made.close()


@pytest.fixture
def connected(standin: Standin) -> Settings:
    rest = {"splunk_access": True, "splunk_host": "127.0.0.1", "splunk_port": standin.port, "splunk_token": "jwt"}
    hec = {"hec": True, "hec_url": f"https://127.0.0.1:{standin.port}", "hec_token": "uuid"}
    return Settings(splunk_cafile=standin.cert, **rest, **hec)


def test_a_splunk_with_which_everything_is_right(connected: Settings) -> None:
    findings = [*search_head.splunk(connected), *doctor_collector.collector(connected)]
    checks = ["splunk", "clock", "rights", *["apps"] * 3, "limits", "owners", "stanzas", "addresses", "collector"]
    assert [each.check for each in findings] == checks
    other = {each.check: each.severity for each in findings if each.severity is not Severity.OK}
    assert other == {"owners": Severity.SKIPPED}, found(findings)  # no search is scheduled


def test_nothing_is_asked_of_a_splunk_that_is_not_set_up() -> None:
    findings = [*search_head.splunk(Settings()), *doctor_collector.collector(Settings())]
    assert [each.severity for each in findings] == [Severity.SKIPPED] * 2


def test_a_splunk_that_nobody_reaches(connected: Settings) -> None:
    finding = only(search_head.splunk(replace(connected, splunk_port=free_port())))
    assert (finding.severity, "Connection refused" in finding.text) == (Severity.ERROR, True)
    assert "8089" in finding.advice


def test_a_certificate_that_is_not_trusted(connected: Settings) -> None:
    finding = only(search_head.splunk(replace(connected, splunk_cafile=None)))
    assert "is not trusted" in finding.text
    assert "DLTK_SPLUNK_CAFILE" in finding.advice
    assert only(doctor_collector.collector(replace(connected, splunk_cafile=None))).severity is Severity.ERROR


def test_a_token_that_splunk_refuses(connected: Settings, standin: Standin) -> None:
    standin.answers["/services/server/info"] = (401, {"messages": [{"text": "call not properly authenticated"}]})
    assert "refuses the token" in only(search_head.splunk(connected)).text


Break = Callable[[Standin], None]


def no_app(standin: Standin) -> None:
    standin.entry("/services/apps/local", *[{"name": name, "acl": GLOBAL} for name in list(search_head.APPS)[1:]])


def no_rights(standin: Standin) -> None:
    standin.entry("/services/authentication/current-context", USER | {"capabilities": []})


def short_fits(standin: Standin) -> None:
    path = "/servicesNS/nobody/Splunk_ML_Toolkit/configs/conf-mlspl/MLTKContainer"
    standin.entry(path, {"max_fit_time": "600"})


def no_stanza(standin: Standin) -> None:
    del standin.answers["/servicesNS/nobody/mltk-container/configs/conf-containers"]


def wrong_url(standin: Standin) -> None:
    path = "/servicesNS/nobody/mltk-container/configs/conf-containers"
    standin.entry(path, {"name": "__dev__", "api_url": "dltk.example.com:5000"})


def wrong_address(standin: Standin) -> None:
    standin.answers["/readyz"] = (404, {})


def unfit_certificate(standin: Standin) -> None:
    """The certificate names 127.0.0.1."""
    path = "/servicesNS/nobody/mltk-container/configs/conf-containers"
    standin.entry(path, {"name": "__dev__", "api_url": f"https://127.0.0.2:{standin.port}"})


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
        (no_rights, "warning", "none of them may search"),
        (short_fits, "warning", r"a fit may take 600 s \(max_fit_time\) and 100000 rows"),
        (no_stanza, "error", r"no stanza \[__dev__\] in containers.conf"),
        (wrong_url, "error", r"api_url = dltk.example.com:5000 is not a valid address: \[__dev__\] in containers.conf"),
        (wrong_address, "error", "which answers with HTTP 404"),
        (unfit_certificate, "warning", "serves does not fit: IP address mismatch"),
        (wrong_clock, "warning", "this clock and Splunk's differ by"),
        (disabled_collector, "error", "refuses the token: Token disabled"),
        (other_member, "error", r"no stanza \[__dev__\] in containers.conf: .*refused"),
    ],
)
def test_what_is_broken_is_said(connected: Settings, standin: Standin, broken: Break, severity: str, text: str) -> None:
    broken(standin)
    findings = [*search_head.splunk(connected), *doctor_collector.collector(connected)]
    said = [each for each in findings if re.search(text, each.text)]
    assert [each.severity for each in said] == [severity], found(findings)
    assert said[0].advice
