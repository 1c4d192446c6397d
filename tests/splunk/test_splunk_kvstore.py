"""KV store collections: typed, whole records, every one of them once, whatever the store's limits."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dltk_runtime.emulator.standin.kvstore import MAX_ROWS, fill
from dltk_runtime.splunk import kvstore
from dltk_runtime.splunk.errors import (
    AnswerUnreadable,
    NotThere,
    RecordInvalid,
    SplunkRefused,
    SplunkUnreachable,
    TokenRefused,
)
from dltk_runtime.splunk.kvstore import Collection
from tests.splunkd import Splunkd


class Label(msgspec.Struct, omit_defaults=True):
    entity: str
    label: str = ""
    labelled_at: float = 0
    key: str = msgspec.field(default="", name="_key")


pytestmark = pytest.mark.splunkd(app="dga")


@pytest.fixture(autouse=True)
def _collection(splunkd: Splunkd) -> None:
    splunkd.storage.kvstore.create("labels", {"entity": "string", "labelled_at": "number"}, enforce=True)


def test_a_key_of_zero_is_a_key(splunkd: Splunkd) -> None:
    assert plain(splunkd).save([{"_key": 0, "entity": "a"}, {"_key": "", "entity": "b"}])[0] == "0"
    found = plain(splunkd).get("0")
    assert found is not None
    assert found["entity"] == "a"


def test_scalars_of_numpy_and_pandas_are_taken(splunkd: Splunkd) -> None:
    record = {"_key": np.int64(7), "entity": np.str_("a"), "labelled_at": np.float32(1.5), "flag": np.bool_(True)}
    record |= {"when": pd.Timestamp("2026-01-02T03:04:05Z"), "none": pd.NA, "never": pd.NaT, "many": np.array([1, 2])}
    assert plain(splunkd).save([record]) == ["7"]
    found = plain(splunkd).get("7")
    assert found is not None
    assert (found["entity"], found["labelled_at"], found["flag"], found["many"]) == ("a", 1.5, True, [1, 2])
    assert (found["when"], found["none"], found["never"]) == ("2026-01-02T03:04:05+00:00", None, None)


def test_what_is_no_json_value_is_refused_by_name(splunkd: Splunkd) -> None:
    with pytest.raises(RecordInvalid, match="a object is no JSON value"):
        plain(splunkd).save([{"entity": object()}])


@pytest.fixture
def labels(splunkd: Splunkd) -> Collection[Label]:
    return Collection(splunkd.connection(), "dga", "labels", Label)


def plain(splunkd: Splunkd, **changes: Any) -> Collection[dict[str, Any]]:
    return Collection(splunkd.connection(**changes), "dga", "labels", dict)


def test_records_come_back_with_their_types(labels: Collection[Label]) -> None:
    keys = labels.save([Label("a.com", "dga", 5.5, key="k1"), Label("b.com", key="k/2 ä")])
    assert keys == ["k1", "k/2 ä"]
    assert list(labels.query()) == [Label("b.com", key="k/2 ä"), Label("a.com", "dga", 5.5, key="k1")]
    assert labels.get("k1") == Label("a.com", "dga", 5.5, key="k1")
    assert labels.get("k3") is None
    assert list(labels.query({"label": "dga"}, fields=["entity"])) == [Label("a.com", key="k1")]


def test_more_records_than_a_query_gives_come_each_once(splunkd: Splunkd) -> None:
    fill(splunkd.storage.kvstore["labels"], [{"_key": f"k{n}", "entity": str(n)} for n in range(MAX_ROWS + 10_001)])
    assert len(splunkd.storage.kvstore["labels"].query()) == MAX_ROWS  # what one query gives, without a word
    found = [record["entity"] for record in plain(splunkd).query()]
    assert len(found) == len(set(found)) == MAX_ROWS + 10_001
    assert plain(splunkd).count({"entity": {"$gt": "9"}}) == sum(n > "9" for n in map(str, range(MAX_ROWS + 10_001)))


def test_a_store_with_a_lower_limit_hides_nothing(splunkd: Splunkd) -> None:
    splunkd.storage.kvstore["labels"].max_rows = 7
    plain(splunkd).save({"entity": str(n)} for n in range(50))
    assert sorted(int(record["entity"]) for record in plain(splunkd).query()) == list(range(50))


def test_records_written_meanwhile_neither_hide_others_nor_double_them(
    splunkd: Splunkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kvstore, "PAGE_RECORDS", 10)
    plain(splunkd).save({"_key": f"k{n:03}", "entity": "old"} for n in range(0, 100, 2))
    seen = []
    for number, record in enumerate(plain(splunkd).query()):
        seen.append(record["_key"])
        plain(splunkd).save([{"_key": f"k{2 * number + 1:03}", "entity": "new"}])
    assert len(seen) == len(set(seen))
    assert {f"k{n:03}" for n in range(0, 100, 2)} <= set(seen)


def test_batches_keep_to_the_number_of_records_and_to_their_size(
    splunkd: Splunkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = plain(splunkd).save({"entity": str(n)} for n in range(2500))
    assert len(set(keys)) == len(splunkd.storage.kvstore["labels"]) == 2500
    assert [path for _, path in splunkd.requests].count("storage/collections/data/labels/batch_save") == 3
    monkeypatch.setattr(kvstore, "MAX_BATCH_BYTES", 300)
    splunkd.requests.clear()
    plain(splunkd).save({"_key": str(n), "entity": "x" * 100} for n in range(4))
    assert [path for _, path in splunkd.requests].count("storage/collections/data/labels/batch_save") == 2
    with pytest.raises(RecordInvalid, match="larger than 50 MB"):
        plain(splunkd).save([{"_key": "k", "entity": "x" * 300}])


def test_a_write_replaces_the_whole_record(labels: Collection[Label], splunkd: Splunkd) -> None:
    labels.save([Label("a.com", "dga", 5, key="k")])
    plain(splunkd).save([{"_key": "k", "entity": "a.com"}])
    assert labels.get("k") == Label("a.com", key="k")


def test_records_can_be_removed_by_query_and_by_key(labels: Collection[Label]) -> None:
    labels.save(
        [Label("a", labelled_at=1, key="1"), Label("b", labelled_at=2, key="2"), Label("c", labelled_at=1.5, key="3")]
    )
    labels.delete({"labelled_at": {"$lt": 2}})
    assert [each.key for each in labels.query()] == ["2"]
    labels.delete_key("2")
    labels.delete_key("2")
    labels.save([Label("a", key="1")])
    labels.delete({})
    assert labels.count() == 0


def test_the_helper_that_reads_changes_and_writes_races_as_its_name_says(labels: Collection[Label]) -> None:
    labels.save([Label("a.com", key="k")])

    def change(found: Label | None) -> Label:
        assert found is not None
        labels.save([Label("a.com", "from another", key="k")])
        return msgspec.structs.replace(found, labelled_at=7)

    assert labels.read_change_write_which_races("k", change) == Label("a.com", "", 7, key="k")
    assert labels.get("k") == Label("a.com", "", 7, key="k")


def test_a_call_whose_answer_is_lost_is_repeated_and_doubles_nothing(splunkd: Splunkd) -> None:
    collection = plain(splunkd)
    assert collection.count() == 0
    splunkd.faults.lost = 1
    collection.save([{"entity": "a"}, {"entity": "b"}])
    splunkd.faults.down, splunkd.faults.busy = 1, 1
    assert sorted(record["entity"] for record in collection.query()) == ["a", "b"]


def test_what_the_store_refuses_is_said(splunkd: Splunkd) -> None:
    with pytest.raises(SplunkRefused, match="HTTP 400: Invalid type for field 'labelled_at'"):
        plain(splunkd).save([{"entity": "a", "labelled_at": "today"}])
    with pytest.raises(NotThere, match="no KV store collection 'label' in the app 'dga'"):
        list(Collection(splunkd.connection(), "dga", "label", dict).query())
    with pytest.raises(NotThere, match="Application does not exist: dgas"):
        list(Collection(splunkd.connection(), "dgas", "labels", dict).query())
    with pytest.raises(RecordInvalid, match="cannot be written as JSON"):
        plain(splunkd).save([{"entity": float("nan")}])
    splunkd.sessions.clear()
    with pytest.raises(TokenRefused):
        plain(splunkd).count()


def test_a_record_of_another_type_is_named(labels: Collection[Label], splunkd: Splunkd) -> None:
    splunkd.storage.kvstore["labels"].batch_save([{"_key": "odd", "label": "x"}])
    with pytest.raises(RecordInvalid, match=r"'odd' of KV store collection 'labels'.*is not a valid Label.*`entity`"):
        list(labels.query())


def test_a_store_that_does_not_sort_is_noticed(splunkd: Splunkd, monkeypatch: pytest.MonkeyPatch) -> None:
    plain(splunkd).save({"_key": key, "entity": "x"} for key in "bca")
    real = type(splunkd.storage.kvstore["labels"]).query
    monkeypatch.setattr(
        type(splunkd.storage.kvstore["labels"]), "query", lambda self, query, **more: real(self, query, fields=["_key"])
    )
    with pytest.raises(AnswerUnreadable, match="not sorted by _key"):
        list(plain(splunkd).query())


def test_waiting_for_a_store_that_is_down_comes_to_an_end(splunkd: Splunkd) -> None:
    splunkd.faults.down = 10**6
    with pytest.raises(SplunkUnreachable):
        plain(splunkd, patience=0.3).save([{"entity": "a"}])


def test_labels_survive_interleaved_writers_of_other_collections(splunkd: Splunkd, labels: Collection[Label]) -> None:
    splunkd.storage.kvstore.create("queue")
    queue: Collection[dict[str, Any]] = Collection(splunkd.connection(), "dga", "queue", dict)
    keys = [f"k{n:02}" for n in range(40)]
    scoring = threading.Thread(target=lambda: [queue.save({"_key": key, "score": n} for key in keys) for n in range(5)])
    scoring.start()
    for key in keys:
        labels.save([Label(key, "dga", key=key)])
    scoring.join()
    assert [each.label for each in labels.query()] == ["dga"] * 40
    assert [each["score"] for each in queue.query()] == [4] * 40


@given(keys=st.lists(st.text(min_size=1, max_size=6).filter(lambda key: key.isprintable()), unique=True, max_size=12))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_keys_come_back_each_once(splunkd: Splunkd, keys: list[str]) -> None:
    collection = plain(splunkd)
    collection.delete({})
    collection.save({"_key": key, "entity": key} for key in keys)
    assert [record["_key"] for record in collection.query()] == sorted(keys)
