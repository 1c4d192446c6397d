"""A verdict follows from the figures and the old container's noise; a report has the worst one of each model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from dltk_runtime.commands import shadow
from dltk_runtime.files import atomic
from dltk_runtime.shadow import ComparedRequest, ComparisonVerdict, Records, judge, report
from dltk_runtime.shadow.verdict import NOISE_FACTOR, noise_of
from dltk_runtime.tables.figures import ColumnFigures, TableFigures

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)


def column(name: str = "x", equal: float = 0.5, largest: float | None = 1.0, *, within: bool = False) -> ColumnFigures:
    return ColumnFigures(name, ("float64", "float64"), equal, largest, within)


def table(*columns: ColumnFigures, rows: tuple[int, int] = (10, 10)) -> TableFigures:
    within = all(each.within for each in columns)
    return TableFigures(rows, (2, 2), True, len(columns), 0.5, 1.0, within, columns)


def record(figures: TableFigures | None = None, **changed: object) -> ComparedRequest:
    made = ComparedRequest(NOW, "/apply", "algo", "m", "success", "success", rows=10, figures=figures)
    return msgspec.structs.replace(made, **changed)


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (record(table()), ComparisonVerdict.EQUAL),
        (record(table(column(within=True))), ComparisonVerdict.WITHIN),
        (record(table(column(), column("y", within=True))), ComparisonVerdict.DIFFERS),
        (record(table(rows=(10, 9))), ComparisonVerdict.DIFFERS),
        (record(None, ours="error"), ComparisonVerdict.OURS_FAILS),
        (record(None, old="error"), ComparisonVerdict.OLD_FAILS),
        (record(None, old="no answer", ours="not tried"), ComparisonVerdict.OLD_FAILS),
        (record(None, old="HTTP 500", ours="error"), ComparisonVerdict.OLD_FAILS),
    ],
)
def test_figures_have_a_verdict(made: ComparedRequest, verdict: ComparisonVerdict) -> None:
    assert judge(made, {}) is verdict


@pytest.mark.parametrize(
    ("found", "noise", "verdict"),
    [
        (column(largest=NOISE_FACTOR), {"x": (1.0, 1.0)}, ComparisonVerdict.NOISY),
        (column(largest=NOISE_FACTOR + 0.1), {"x": (1.0, 1.0)}, ComparisonVerdict.DIFFERS),
        (column(largest=0.1), {"y": (1.0, 1.0)}, ComparisonVerdict.DIFFERS),
        (column(equal=0.8, largest=None), {"x": (0.1, 0.0)}, ComparisonVerdict.NOISY),
        (column(equal=0.5, largest=None), {"x": (0.1, 0.0)}, ComparisonVerdict.DIFFERS),
    ],
)
def test_noise_is_what_the_old_container_differs_from_itself(
    found: ColumnFigures, noise: dict[str, tuple[float, float]], verdict: ComparisonVerdict
) -> None:
    assert judge(record(table(found)), noise) is verdict


def test_other_types_are_never_noise() -> None:
    other = ColumnFigures("x", ("int64", "float64"), 0.5, 0.1, False)
    assert judge(record(table(other)), {"x": (1.0, 1.0)}) is ComparisonVerdict.DIFFERS


def test_more_columns_than_are_described_are_never_noise() -> None:
    figures = msgspec.structs.replace(table(column()), differing=2)
    assert judge(record(figures), {"x": (1.0, 9.0)}) is ComparisonVerdict.DIFFERS


def test_the_noise_of_a_model_is_the_largest_of_its_repetitions() -> None:
    repeats = [record(table(column(equal=0.9, largest=size)), repeat=True) for size in (1.0, 3.0)]
    assert noise_of([*repeats, record(table(column(largest=99.0)))]) == {"x": (pytest.approx(0.1), 3.0)}


def test_a_report_has_the_worst_verdict_of_each_model_and_those_first() -> None:
    found = report(
        [
            record(table(), old_seconds=1.0, our_seconds=2.0),
            record(table(*(column(name, equal) for name, equal in zip("abcd", (0.4, 0.1, 0.3, 0.2), strict=True)))),
            record(table(), model="good"),
            record(None, model="bad", ours="error", place="ValueError (at x.ipynb, cell 1)"),
        ],
        address="https://old:5000",
    )
    assert [(each.model, each.verdict) for each in found.models] == [
        ("bad", "ours fails"),
        ("m", "differs"),
        ("good", "equal"),
    ]
    model = found.models[1]
    assert (model.comparisons, model.counts, model.rows) == (2, {"equal": 1, "differs": 1}, 20)
    assert [each.name for each in model.columns] == ["b", "d", "c"]
    assert found.models[0].place == "ValueError (at x.ipynb, cell 1)"


def test_an_outage_of_the_old_container_is_no_verdict_on_ours() -> None:
    found = report([record(table()), record(None, old="no answer", ours="not tried")]).models[0]
    assert (found.verdict, found.counts) == ("equal", {"old fails": 1, "equal": 1})


def test_repetitions_make_noise_whenever_they_were_made() -> None:
    old = record(table(column()), repeat=True, time=NOW - timedelta(days=9))
    found = report([old, record(table(column(largest=1.5)))], since=NOW - timedelta(days=1))
    assert [(each.verdict, each.comparisons, each.repeated) for each in found.models] == [("noisy", 1, True)]
    assert report([old], since=NOW).models == []


def test_a_report_names_another_shape() -> None:
    assert report([record(table(rows=(10, 9)))]).models[0].shape == "10 rows of 2 columns, ours 9 rows of 2 columns"


def test_records_keep_the_newest_within_their_bound(tmp_path: Path) -> None:
    records = Records(tmp_path / "shadow", 4000)
    for number in range(100):
        records.add(record(table(column()), rows=number))
    sizes = [path.stat().st_size for path in (tmp_path / "shadow").iterdir()]
    assert len(sizes) == 2
    assert sum(sizes) < 5000
    kept = [each.rows for each in records.all()]
    assert kept == list(range(100 - len(kept), 100))
    assert len(kept) > 5


def test_the_noise_of_a_model_outlives_the_comparisons_of_its_time(tmp_path: Path) -> None:
    """A week of applies dropped it with them: what was noisy differed from then on."""
    records = Records(tmp_path / "shadow", 8000)
    for largest in (5.0, 1.0):
        records.add(record(table(column(largest=largest)), repeat=True))
    for model in ("m", "other"):
        records.add(record(table(column(largest=2.5)), route="/fit", model=model, repeat=True))
    for number in range(200):
        records.add(record(table(column(largest=1.5)), rows=number))
    assert 0 not in [each.rows for each in records.all() if not each.repeat], "the oldest are dropped"
    assert {each.of for each in records.all() if each.repeat} == {
        ("/apply", "algo", "m"),
        ("/fit", "algo", "m"),
        ("/fit", "algo", "other"),
    }
    (model,) = report(records.all()).models
    assert (model.verdict, model.repeated) == ("noisy", True)
    assert sum(path.stat().st_size for path in (tmp_path / "shadow").iterdir()) < 10_000


def test_more_disk_than_can_be_read_again_is_not_used(tmp_path: Path) -> None:
    assert Records(tmp_path, 10**12)._limit <= atomic.MAX_RECORD_BYTES // 2


def test_there_may_be_no_records(tmp_path: Path) -> None:
    assert Records(tmp_path / "none", 1000).all() == []


def test_no_cell_of_the_csv_begins_a_formula() -> None:
    text = shadow._csv(report([record(None, old="error", model="=1+1", algorithm="@x")]))
    assert text.splitlines()[1].startswith("old fails,'@x,'=1+1,")
