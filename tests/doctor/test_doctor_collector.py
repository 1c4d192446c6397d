"""``dltk doctor`` on the HTTP Event Collector: its token, and the index of our own events."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from dltk_runtime.cli import dltk
from dltk_runtime.doctor import collector, local
from dltk_runtime.doctor.finding import Severity
from dltk_runtime.settings import Settings
from tests.doctor.findings import only
from tests.splunkd import HecToken, Splunkd


@pytest.fixture
def settings(splunkd: Splunkd) -> Settings:
    return Settings(hec=True, hec_url=splunkd.hec_url, hec_token=splunkd.hec_token)


def test_an_event_tells_whether_the_index_takes_it(settings: Settings, splunkd: Splunkd) -> None:
    finding = only(collector.index(settings))
    (row,) = splunkd.storage.indexes["main"].rows()
    assert (finding.severity, json.loads(row["_raw"])["kind"]) == (Severity.OK, "doctor")
    assert json.loads(row["_raw"])["id"] in finding.text


@pytest.mark.parametrize("index", ["allowed_nowhere", "not_there"])
def test_an_index_that_the_token_may_not_write_is_named(settings: Settings, splunkd: Splunkd, index: str) -> None:
    splunkd.storage.indexes.create("allowed_nowhere")
    splunkd.collector.tokens[splunkd.hec_token] = HecToken(("main", "not_there"))
    finding = only(collector.index(replace(settings, events_index=index)))
    assert (finding.severity, "Allow this index in the token's settings" in finding.advice) == (Severity.ERROR, True)
    assert f"answers an event for the index {index} with code 7: Incorrect index" in finding.text


def test_a_token_with_acknowledgement_is_taken(settings: Settings, splunkd: Splunkd) -> None:
    splunkd.collector.tokens[splunkd.hec_token] = HecToken(ack=True)
    findings = [*collector.collector(settings), *collector.index(settings)]
    assert [each.severity for each in findings] == [Severity.OK] * 2, findings


def test_no_event_is_sent_unless_it_is_asked_for(splunkd: Splunkd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "CHECKS", ())
    variables = {"splunk_hec_enabled": "1", "splunk_hec_url": splunkd.hec_url, "splunk_hec_token": splunkd.hec_token}
    outputs = [CliRunner(env=variables).invoke(dltk, ["doctor", *more]).output for more in ([], ["--send-event"])]
    assert "skipped  index        no event was sent" in outputs[0]
    assert "ok       index        an event for the token's default index was accepted" in outputs[1]
    assert len(splunkd.storage.indexes["main"]) == 1
