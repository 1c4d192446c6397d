"""The filter of the rows that a version has seen: never forgets one, and holds no value."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dltk_runtime.worker.seen import ColumnsMissing, SeenRows, row_hashes


def rows(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


@pytest.fixture
def frame() -> pd.DataFrame:
    chance = np.random.default_rng(0)
    return pd.DataFrame({"a": chance.normal(size=5000), "b": [f"host{n}" for n in range(5000)], "y": 0})


def test_every_row_that_was_seen_is_known_in_any_order_and_company(frame: pd.DataFrame) -> None:
    seen = SeenRows.of(frame, ["a", "b"])
    other = frame.assign(a=frame["a"] + 1)
    both = pd.concat([other, frame]).sample(frac=1, random_state=1)
    found = pd.Series(seen.has(both), index=both.index)
    assert found[both["a"].isin(frame["a"])].all()


def test_few_rows_that_were_not_seen_count_as_seen(frame: pd.DataFrame) -> None:
    other = frame.assign(a=np.random.default_rng(1).normal(size=len(frame)))
    assert SeenRows.of(frame, ["a", "b"]).has(other).mean() < 0.02


def test_a_corrected_label_makes_no_new_row(frame: pd.DataFrame) -> None:
    assert SeenRows.of(frame, ["a", "b"]).has(frame.assign(y=1)).all()


def test_a_value_is_the_same_whatever_the_type_of_its_column() -> None:
    numbers = rows("x,flag\n1,True\n2,False\n-0.0,True\n")
    texts = rows("x,flag\n1,True\n2.0,False\n0,True\nunknown,\n")
    assert list(SeenRows.of(numbers, ["x", "flag"]).has(texts)) == [True, True, True, False]
    assert list(row_hashes(rows('x\n1\n""\nz\n'), ["x"]))[1] == row_hashes(rows('x\n1\n""\n'), ["x"])[1]


@pytest.mark.parametrize("change", [str, str.upper, str.lower])
def test_a_boolean_among_texts_is_the_one_of_a_column_of_booleans(change: Callable[[str], str]) -> None:
    words = [change(word) for word in ("True", "False", "True")]
    alone, among = (rows("flag\n" + "\n".join(each) + "\n") for each in (words, [*words, "unknown"]))
    assert alone["flag"].dtype == bool
    assert list(SeenRows.of(alone, ["flag"]).has(among)) == [True, True, True, False]
    assert SeenRows.of(among, ["flag"]).has(alone).all()


def test_a_number_of_a_file_with_32_bits_is_the_one_of_a_search(frame: pd.DataFrame) -> None:
    small = frame.assign(a=frame["a"].astype("float32").where(frame.index % 7 > 0))
    sent = rows(small.to_csv(index=False))
    assert (row_hashes(small, ["a", "b"]) == row_hashes(sent, ["a", "b"])).all()
    assert (row_hashes(small.assign(a=small["a"].astype("Float32")), ["a"]) == row_hashes(sent, ["a"])).all()


def test_the_file_is_small_and_holds_no_value(frame: pd.DataFrame, tmp_path: Path) -> None:
    seen = SeenRows.of(frame, ["a", "b"])
    path = tmp_path / "rows.bloom"
    seen.write(path)
    assert path.stat().st_size < 2 * len(frame)
    assert b"host17" not in path.read_bytes()
    assert (SeenRows.read(path).has(frame)).all()


def test_a_cut_file_is_refused(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "rows.bloom"
    SeenRows.of(frame, ["a"]).write(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is damaged"):
        SeenRows.read(path)


def test_rows_without_a_column_that_makes_them_are_refused_by_name(frame: pd.DataFrame) -> None:
    with pytest.raises(ColumnsMissing, match="the rows lack 'b'"):
        SeenRows.of(frame, ["a", "b"]).has(frame[["a"]])


def test_no_rows_and_no_columns_are_no_fault() -> None:
    empty = pd.DataFrame({"a": []})
    assert not SeenRows.of(empty, ["a"]).has(pd.DataFrame({"a": [1.0]})).any()
    assert SeenRows.of(empty, []).has(empty).shape == (0,)
