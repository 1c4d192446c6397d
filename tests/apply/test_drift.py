"""Drift: what rows look like is kept at the fit, and applies are watched for rows that look otherwise."""

from __future__ import annotations

import csv
import io
import json
import random
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.apply.drift import MAX_PAST_FEATURES, Drift, Judgement, Level, Past
from dltk_runtime.apply.drift_files import MAX_PAST, MAX_PAST_BYTES, DriftFiles
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import Facts, ModelStore
from dltk_runtime.tables.baseline import Baseline
from dltk_runtime.tables.feature import Feature
from dltk_runtime.worker.baselines import MAX_APPLY_ROWS, BinTally, features_of
from dltk_runtime.worker.messages import Counts
from tests.conftest import MakeNotebook
from tests.splunkd import Splunkd
from tests.support.service import Service, until

KEY = VersionId(ModelName("algo", "m"), 1)


def baseline_of(values: list[Any]) -> Baseline:
    (kind,) = features_of(pd.DataFrame({"x": pd.Series(values)}))
    assert kind.baseline is not None
    return kind.baseline


def counted(tally: BinTally, *applied: pd.DataFrame) -> tuple[int, dict[str, list[int]]]:
    """What a tally tells of some applies."""
    for frame in applied:
        tally.add(frame)
    return tally.take()


def tallied(fitted: list[Any], applied: list[Any]) -> tuple[Baseline, list[int]]:
    """The baseline of `fitted`, and how `applied` are spread over it."""
    kinds = features_of(pd.DataFrame({"x": pd.Series(fitted)}))
    assert kinds[0].baseline is not None
    return kinds[0].baseline, counted(BinTally(kinds), pd.DataFrame({"x": pd.Series(applied)}))[1]["x"]


# ------------------------------------------------------------ counting


def test_numbers_are_counted_in_ten_bins_of_the_fit_and_beside_its_range() -> None:
    baseline, counts = tallied(list(range(100)), [-5, 0, 50, 99, 100, None])
    assert len(baseline.edges) == 11
    assert (baseline.counts[0], baseline.counts[-2:], sum(baseline.counts)) == (0, [0, 0], 100)
    assert (counts[0], counts[1], counts[-3], counts[-2], counts[-1]) == (1, 1, 1, 1, 1)
    assert baseline.mean == 49.5


def test_texts_are_counted_by_category_with_the_others_and_the_missing_ones() -> None:
    baseline, counts = tallied(["a"] * 5 + ["b"] * 3 + [None], ["b", "c", None, "c"])
    assert (baseline.categories, baseline.counts, baseline.complete) == (["a", "b"], [5, 3, 0, 1], True)
    assert counts == [0, 1, 2, 1]
    assert baseline.unseen(counts) == 0.5


def test_of_identifiers_only_the_share_of_missing_ones_is_kept() -> None:
    baseline = baseline_of([f"user{number}" for number in range(500)])
    assert (baseline.categories, baseline.counts, baseline.complete) == ([], [500, 0], False)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None, None],
        [float("inf")] * 3,
        [1.5] * 9,
        [1e308, -1e308],
        [1.7976931348623157e308] * 2,
        [True, False, True],
        ["x" * 999] * 5,
    ],
)
def test_any_column_has_a_baseline_that_fits_it(values: list[Any]) -> None:
    baseline, counts = tallied(values, values)
    assert counts == baseline.counts
    assert baseline.rows == len(values)
    assert json.loads(json.dumps(baseline.edges)) == baseline.edges


def test_a_constant_that_becomes_another_is_seen() -> None:
    baseline, counts = tallied([3.0] * 500, [4.0] * 1000)
    assert baseline.unseen(counts) == 1
    assert baseline.distance(counts) > 1


numbers = st.lists(st.floats(width=64) | st.integers(-(2**40), 2**40), min_size=1, max_size=60)


@given(numbers, numbers)
def test_every_row_is_in_one_bin_and_the_distance_is_that_of_pandas_bins(fitted: list[Any], applied: list[Any]) -> None:
    baseline, counts = tallied([float(value) for value in fitted], [float(value) for value in applied])
    assert sum(counts) == len(applied)
    assert len(counts) == len(baseline.counts)
    assert counts[-1] == int(np.isnan(np.array(applied, dtype=float)).sum())
    assert baseline.distance(counts) >= 0
    assert baseline.distance(baseline.counts) == 0


def test_a_large_apply_is_sampled_and_several_features_are_counted_at_once() -> None:
    frame = pd.DataFrame({"a": range(100_000), "b": ["x", "y"] * 50_000, "c": [0.5] * 100_000})
    rows, found = counted(BinTally(features_of(frame)), frame)
    assert MAX_APPLY_ROWS / 2 <= rows <= MAX_APPLY_ROWS
    assert {name: sum(counts) for name, counts in found.items()} == dict.fromkeys("abc", rows)


def test_features_that_are_missing_or_became_text_are_left_out() -> None:
    tally = BinTally(features_of(pd.DataFrame({"a": [1, 2], "b": [1, 2], "c": ["x", "x"]})))
    assert list(counted(tally, pd.DataFrame({"b": ["many"], "c": ["x"]}))[1]) == ["c"]


def test_applies_of_any_form_are_counted_together() -> None:
    tally = BinTally(features_of(pd.DataFrame({"a": [1, 2, 3], "b": [1.5, 2.5, None]})))
    numbers = pd.DataFrame({"b": [1.5, None], "a": [3, 9]})
    whole = counted(tally, numbers, numbers[["a"]], pd.concat([numbers] * 5000), numbers.assign(more="x"))
    apart = [
        counted(tally, each)
        for each in (numbers, numbers[["a"]], pd.concat([numbers] * 5000), numbers.assign(more="x"))
    ]
    assert whole[0] == sum(rows for rows, _ in apart)
    for name, counts in whole[1].items():
        assert counts == [sum(each) for each in zip(*(found[name] for _, found in apart if name in found), strict=True)]
    assert counted(tally) == (0, {})
    assert counted(tally, numbers)[1] == counted(tally, numbers.assign(more="x"))[1]


# ------------------------------------------------------------ judging


def judged(fitted: list[Any], *chunks: list[Any]) -> tuple[Drift, list[Level]]:
    told: list[Level] = []
    drift = Drift(lambda _, level, __: told.append(level))
    for chunk in chunks:
        baseline, counts = tallied(fitted, chunk)
        drift.take(KEY, [Feature("x", "number", baseline)], Counts(len(chunk), {"x": counts}))
    return drift, told


def test_nothing_is_said_of_the_same_population_nor_of_few_rows() -> None:
    draw = random.Random(1)
    fitted = [draw.gauss(0, 1) for _ in range(2000)]
    same, told = judged(fitted, *([draw.gauss(0, 1) for _ in range(500)] for _ in range(10)))
    level = same.highest(KEY)
    assert level is not None
    assert level.index < 0.1
    assert (told, same.warning(KEY)) == ([], "")
    assert judged(fitted, [9.0] * 999)[0].highest(KEY) is None  # too few rows
    assert judged(fitted[:100], [9.0] * 1000)[0].highest(KEY) is None  # of a fit of too few


def test_a_shift_is_told_once_while_it_lasts_and_is_over_when_it_is() -> None:
    draw = random.Random(1)
    fitted = [draw.gauss(0, 1) for _ in range(2000)]
    shifted = [[draw.gauss(1, 1) for _ in range(1000)] for _ in range(3)]
    drift, told = judged(fitted, *shifted)
    assert [level.feature for level in told] == ["x"]
    assert drift.warning(KEY).startswith("over the last 1,000 rows counted, fields have drifted from the fit: 'x' (0.")
    over, told = judged(fitted, *shifted, [draw.gauss(0, 1) for _ in range(1000)])
    assert over.warning(KEY) == ""


def test_another_version_begins_anew() -> None:
    drift, _ = judged([1.0] * 500, [2.0] * 1000)
    assert drift.warning(KEY)
    assert drift.warning(VersionId(ModelName("algo", "m"), 2)) == ""


# ------------------------------------------------------------ keeping


def test_the_last_judgement_is_kept_for_each_model_until_the_model_goes(paths: Paths) -> None:
    store = ModelStore.open(paths, keep=5)
    kept = DriftFiles(paths.drift, store)
    with store.reserve(ModelName("algo", "m")) as reservation:
        (reservation.folder / "model").write_text("x")
        store.promote(reservation.commit(Facts(), b"", b"{}"))
    drift, _ = judged([1.0] * 500, [2.0] * 1000)
    kept.write(drift.unwritten())
    assert drift.unwritten() == []
    kept.write([(VersionId(ModelName("algo", "gone"), 1), Judgement(1, 1000, []))])
    kept.write_past([(VersionId(ModelName("algo", "gone"), 1), Past(1, datetime.now(UTC), 1000, {}))])
    (paths.drift / "algo" / "m2.json").write_text('{"version": 1, "ro')
    (paths.drift / "algo" / "no name.json").touch()
    again = Drift()
    again.recall(kept.read())
    assert list(again.levels()) == list(drift.levels()) != []
    assert again.warning(KEY) == drift.warning(KEY)
    assert not list((paths.drift / "algo").glob("gone.*"))


def test_what_stays_of_judgements_is_of_every_server_and_bounded(paths: Paths) -> None:
    servers = [DriftFiles(paths.drift, ModelStore.open(paths, keep=5)) for _ in range(2)]
    begun, other = datetime(2026, 1, 1, tzinfo=UTC), VersionId(KEY.name, 2)
    indexes = {f"field {number}": number / 7 for number in range(MAX_PAST_FEATURES)}
    for number in range(200):
        past = Past(1, begun + timedelta(minutes=number), 1000, {**indexes, "number": float(number)})
        servers[number % 2].write_past([(KEY, past), (other, Past(2, begun, 1000, {}))])
    (file,) = (paths.drift / "algo").iterdir()
    assert file.stat().st_size <= MAX_PAST_BYTES
    without_zone = msgspec.json.encode(Past(1, begun.replace(tzinfo=None), 1000, {}))  # as a notebook can write it
    with file.open("ab") as torn:
        torn.write(b"%08x %s\n00000000 {half" % (zlib.crc32(without_zone), without_zone))
    found = servers[0].past(KEY)
    assert [each.indexes["number"] for each in found] == [float(number) for number in range(200 - MAX_PAST, 200)]
    assert servers[1].past(VersionId(KEY.name, 3)) == []


def test_a_judgement_that_cannot_be_written_is_no_error(paths: Paths) -> None:
    paths.drift.write_text("a file in the way")
    kept = DriftFiles(paths.drift, ModelStore.open(paths, keep=5))
    kept.write([(KEY, Judgement(1, 1000, []))])
    kept.write_past([(KEY, Past(1, datetime.now(UTC), 1000, {}))])
    assert (kept.read(), kept.past(KEY)) == ([], [])


# ------------------------------------------------------------ a real server


@pytest.mark.process
def test_drift_comes_to_the_message_the_metrics_the_status_and_to_splunk(
    paths: Paths, make_notebook: MakeNotebook, splunkd: Splunkd
) -> None:
    make_notebook("algo", apply="def apply(model, df, param):\n    df['size'] = 0\n    return df[['size']]")
    draw = random.Random(1)

    def rows(shift: float, host: str, count: int) -> str:
        return "size,host\n" + "".join(f"{draw.gauss(shift, 1):.3f},{host}\n" for _ in range(count))

    hec = {"splunk_hec_enabled": "1", "splunk_hec_url": splunkd.hec_url, "splunk_hec_token": splunkd.hec_token}
    with Service(paths.home, paths.notebooks, **hec) as service:
        service.fit("algo", rows(0, "a", 500))
        (manifest,) = paths.versions.glob("algo/m/1/version.json")
        features = {each["name"]: each["baseline"] for each in json.loads(manifest.read_text())["features"]}
        assert (sum(features["size"]["counts"]), features["host"]["categories"]) == (500, ["a"])
        assert service.apply("algo", rows(2, "b", 600))["message"] == "/apply done successfully"
        assert service.apply("algo", rows(2, "b", 600))["message"] == "/apply done successfully"
        text = until(lambda: (found := service.send("/metrics", None).decode()).count("\ndltk_drift{") == 2 and found)
        assert 'dltk_drift_unseen{algorithm="algo",feature="host",model="m",version="1"} 1.0' in text
        message = service.apply("algo", rows(2, "b", 1))["message"]
        assert "WARNING: over the last 1,200 rows counted, fields have drifted from the fit: 'host'" in message
        assert "'size' (" in message
        status = service.apply("dltk_status", "a\n1\n", model="dltk_status")["results"]
        (row,) = [each for each in csv.DictReader(io.StringIO(status)) if each["kind"] == "model"]
        assert row["feature"] == "host"
        until(lambda: sum(event["kind"] == "drift" for event in _events(splunkd)) == 2)
        levels = [line for line in text.splitlines() if line.startswith("dltk_drift")]
        service.restart()
        after = service.send("/metrics", None).decode().splitlines()
        assert [line for line in after if line.startswith("dltk_drift")] == levels
        calls = until(lambda: json.loads(service.send("/v1/calls", None))["calls"])  # a start does not wait for them
        assert [each["route"] for each in calls] == ["/apply"] * 4 + ["/fit"], "those from before the restart"
        assert len({each["replica"] for each in calls}) == 1
        assert "over the last 1,200 rows counted" in service.apply("algo", rows(2, "b", 1100))["message"]
        until(lambda: service.apply("algo", rows(2, "b", 1))["message"].count("over the last 1,100 rows counted"))
        until(lambda: _past(service) == [2, 2])  # the index over time goes on after a restart
        service.fit("algo", rows(2, "b", 500))  # another version, of which nothing is known
        service.restart()
        assert service.apply("algo", rows(2, "b", 1))["message"] == "/apply done successfully"
    assert sum(event["kind"] == "drift" for event in _events(splunkd)) == 2  # what was known is no news


def _past(service: Service) -> list[int]:
    """How many indexes are known of each field."""
    fields = json.loads(service.send("/v1/models/algo/m/drift", None))["fields"]
    return [len(each["past"]) for each in fields]


def _events(splunkd: Splunkd) -> list[dict[str, Any]]:
    return [json.loads(row["_raw"]) for row in splunkd.storage.indexes["main"].rows()]
