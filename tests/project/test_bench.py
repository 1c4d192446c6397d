"""The bench counts right: rounds in turn, medians with quartiles, bars that are met or missed, a table of it all."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from bench import report, tables
from bench.figures import Bar, Figure, Spread, in_turn, ratio


def test_each_round_has_every_way_once_in_an_order_that_turns_around() -> None:
    order: list[str] = []
    values = in_turn({name: lambda name=name: order.append(name) or 1.0 for name in "ab"}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert values == {"a": [1.0] * 3, "b": [1.0] * 3}


def test_a_ratio_is_the_median_of_the_rounds_pairs() -> None:
    assert ratio({"a": [1.0, 10.0, 3.0], "b": [2.0, 10.0, 2.0]}, "a", "b") == 1.0


@pytest.mark.parametrize(("value", "at_least", "met"), [(0.5, False, True), (0.7, False, False), (0.7, True, True)])
def test_a_bar_is_met_on_its_own_side(value: float, at_least: bool, met: bool) -> None:
    assert Bar("x", value, 0.6, at_least).met is met


def test_the_table_shows_medians_spreads_and_missed_bars() -> None:
    figure = Figure("apply", "s", Spread.of([0.001, 0.002, 0.003]), Spread.of([0.5]), bars=(Bar("of naive", 0.9, 0.6),))
    line = report.table([figure], (0.1, 0.2)).splitlines()[-1]
    assert line == "| apply | 2 ms (1.5\N{EN DASH}2.5) | 500 ms |  | 0.90 of naive (≤ 0.6, missed) |"


@pytest.mark.parametrize("rows", [1, 100, pytest.param(250_000, marks=pytest.mark.heavy)])
def test_tables_have_the_rows_that_were_asked_for(rows: int) -> None:
    assert pd.read_csv(io.StringIO(tables.csv(rows))).shape == (rows, tables.COLUMNS)
