"""The HTTP Event Collector: all events there when `send` returns, each code a clear end or another try."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.settings import Settings
from dltk_runtime.splunk import hec
from dltk_runtime.splunk.errors import CertificateRefused, EventRefused, SplunkBusy, SplunkUnreachable, TokenRefused
from dltk_runtime.splunk.hec import Hec, event, metric
from dltk_runtime.splunk.transport import Tls
from dltk_runtime.tls import certificate
from tests.splunkd import HecToken, Splunkd
from tests.support.service import until


def sender(splunkd: Splunkd, **changes: Any) -> Hec:
    return Hec(**({"url": splunkd.hec_url, "token": splunkd.hec_token, "patience": 5.0} | changes))


def raws(splunkd: Splunkd, index: str = "main") -> list[str]:
    return sorted(row["_raw"] for row in splunkd.storage.indexes[index].rows())


def test_events_arrive_with_all_their_keys(splunkd: Splunkd) -> None:
    sent = sender(splunkd).send(
        [
            event({"a": 1, "b": "ä"}, time=1700000000.25, host="h", source="s", sourcetype="st", fields={"f": "x"}),
            event("text"),
        ]
    )
    text, row = splunkd.storage.indexes["main"].rows()
    assert sent == 2
    assert text["_raw"] == "text"
    assert row["_time"] == "1700000000.25"
    assert {name: row[name] for name in ("a", "b", "host", "source", "sourcetype", "f")} == {
        "a": "1", "b": "ä", "host": "h", "source": "s", "sourcetype": "st", "f": "x",
    }  # fmt: skip


def test_metrics_are_points_of_measures_with_dimensions(splunkd: Splunkd) -> None:
    splunkd.storage.indexes.create("m", "metric")
    splunkd.collector.tokens[splunkd.hec_token] = HecToken(("main", "m"))
    assert sender(splunkd).send([metric({"rows": 3, "loss": 0.5}, {"model": "dga"}, index="m", time=10)]) == 1
    (row,) = splunkd.storage.indexes["m"].rows()
    assert (row["_raw"], row["metric_name:rows"], row["metric_name:loss"], row["model"]) == (
        "metric",
        "3.0",
        "0.5",
        "dga",
    )


def test_many_events_go_in_batches_of_number_and_size(splunkd: Splunkd) -> None:
    sender(splunkd).send(event(str(number)) for number in range(2500))
    assert len(splunkd.collector.requests) == 3
    sender(splunkd).send(event("x" * 200_000) for _ in range(5))
    assert len(splunkd.collector.requests) == 3 + 3
    assert len(splunkd.storage.indexes["main"]) == 2505


@pytest.mark.parametrize(
    "path", ["", "/", "/services/collector", "/services/collector/event", "/services/collector/raw"]
)
def test_the_address_may_be_written_as_people_do(splunkd: Splunkd, path: str) -> None:
    assert sender(splunkd, url=splunkd.hec_url + path).send([event("x")]) == 1


def test_a_collector_that_is_busy_full_or_down_is_waited_for_and_nothing_is_lost_or_doubled(splunkd: Splunkd) -> None:
    splunkd.faults.collector.extend([9, 8, 9])
    sender(splunkd).send([event("a")])
    splunkd.faults.down = 2
    sender(splunkd).send([event("b")])
    splunkd.faults.collector_full = True
    assert not sender(splunkd).healthy()
    waiting = threading.Thread(target=lambda: sender(splunkd, patience=20.0).send([event("c")]))
    waiting.start()
    until(lambda: splunkd.collector.requests.count(9) > 4)
    splunkd.faults.collector_full = False
    waiting.join()
    assert sender(splunkd).healthy()
    assert raws(splunkd) == ["a", "b", "c"]


def test_waiting_comes_to_an_end_that_says_so(splunkd: Splunkd) -> None:
    splunkd.faults.collector_full = True
    with pytest.raises(SplunkBusy, match=r"Server is busy \(code 9\)"):
        sender(splunkd, patience=0.5).send([event("a")])
    splunkd.faults.down = 10**6
    with pytest.raises(SplunkUnreachable, match="broke"):
        sender(splunkd, patience=0.5).send([event("a")])
    with pytest.raises(SplunkUnreachable, match="refused"):
        sender(splunkd, url="http://127.0.0.1:1", patience=0.1).send([event("a")])


def test_waiting_can_be_broken_off(splunkd: Splunkd) -> None:
    splunkd.faults.collector_full = True
    one = sender(splunkd, patience=60.0)
    threading.Timer(0.3, one.close).start()
    with pytest.raises((SplunkBusy, SplunkUnreachable)):
        one.send([event("a")])


@pytest.mark.parametrize(
    ("token", "kind", "text"),
    [
        ("wrong", TokenRefused, "invalid token.*splunk_hec_token"),
        ("", TokenRefused, "invalid authorization"),
        ("disabled", TokenRefused, "disabled"),
    ],
)
def test_a_token_that_is_refused_is_named_by_its_variable_and_tried_once(
    splunkd: Splunkd, token: str, kind: type[Exception], text: str
) -> None:
    splunkd.collector.tokens["disabled"] = HecToken(disabled=True)
    with pytest.raises(kind, match=text):
        sender(splunkd, token=token).send([event("a")])
    assert len(splunkd.collector.requests) == 1


def test_a_wrong_index_is_refused_before_any_event_for_it_is_taken(splunkd: Splunkd) -> None:
    events = [event("a"), event("b"), event("c", index="nope"), event("d", index="nope")]
    with pytest.raises(
        EventRefused, match=r"code 7: Incorrect index\. 2 events before it were accepted.*Allow this index"
    ) as e:
        sender(splunkd).send(events)
    assert (e.value.code, e.value.sent) == (7, 2)
    assert raws(splunkd) == ["a", "b"]


def test_who_goes_on_after_a_refused_event_doubles_none_and_loses_none(splunkd: Splunkd) -> None:
    splunkd.faults.collector_poison = "bad"
    events = [event(text) for text in ("a", "b", "bad", "c", "bad", "d")]
    events.insert(4, {"time": 1})  # refused before it is sent
    refused, rest = [], events
    while rest:
        try:
            sender(splunkd).send(rest)
            break
        except EventRefused as error:
            refused.append(rest[error.sent])
            rest = rest[error.sent + 1 :]
    assert refused == [event("bad"), {"time": 1}, event("bad")]
    assert raws(splunkd) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"time": 1}, "key 'event'"),
        ({"event": ""}, "not blank"),
        ({"event": None}, "key 'event'"),
        ({"event": "x", "evnt": 1}, "unknown key 'evnt'"),
        ({"event": float("nan")}, "cannot be written as JSON"),
        ({"event": object()}, "cannot be written as JSON"),
    ],
)
def test_an_event_that_cannot_be_taken_is_refused_before_it_is_sent(
    splunkd: Splunkd, wrong: dict[str, Any], text: str
) -> None:
    with pytest.raises(EventRefused, match=text):
        sender(splunkd).send([wrong])
    assert splunkd.collector.requests == []


def test_a_token_with_acknowledgement_is_waited_for(splunkd: Splunkd) -> None:
    splunkd.collector.tokens[splunkd.hec_token] = HecToken(ack=True)
    assert sender(splunkd).send([event("a")]) == 1
    splunkd.faults.hold_acks = True
    done = threading.Event()

    def send() -> None:
        sender(splunkd, patience=30.0).send([event("b")])
        done.set()

    threading.Thread(target=send).start()
    until(lambda: len(splunkd.collector.requests) > 4)
    assert not done.is_set()
    splunkd.faults.hold_acks = False
    until(done.is_set)
    assert raws(splunkd) == ["a", "b"]


def test_an_acknowledgement_that_never_comes_is_an_error(splunkd: Splunkd) -> None:
    splunkd.collector.tokens[splunkd.hec_token] = HecToken(ack=True)
    splunkd.faults.hold_acks = True
    with pytest.raises(SplunkBusy, match="not acknowledged"):
        sender(splunkd, patience=0.3).send([event("a")])


def test_the_certificate_is_checked(tmp_path: Path) -> None:
    pair = certificate(Settings(home=tmp_path, host="127.0.0.1"))
    with Splunkd(certificate=pair) as splunkd:
        assert sender(splunkd, tls=splunkd.tls).send([event("a")]) == 1
        with pytest.raises(CertificateRefused, match="DLTK_SPLUNK_CAFILE"):
            sender(splunkd, tls=Tls()).send([event("a")])


def test_the_token_is_not_shown(splunkd: Splunkd) -> None:
    assert splunkd.hec_token not in repr(sender(splunkd))


def test_batches_hold_one_index_each() -> None:
    encoded = [hec.encode(event("x", index=index)) for index in ("a", "a", "b", "a")]
    assert [len(batch) for batch in hec.batches(encoded)] == [2, 1, 1]
