"""Two tables compare by rows, names, types and cells; the figures hold no value of a row."""

from __future__ import annotations

import pytest

from dltk_runtime.tables.comparing import MAX_COLUMNS, compare
from dltk_runtime.tables.figures import TableFigures


def figures(first: str, second: str) -> TableFigures:
    return compare(first.encode(), second.encode())


def test_the_same_table_is_equal_also_when_its_text_differs() -> None:
    found = figures("a,b\n1.50,x\n,\n", "a,b\n1.5,x\nNA,\n")
    assert (found.equal, found.differing, found.largest, found.within) == (1.0, 0, 0.0, True)
    assert found.same_shape
    assert found.columns == ()


@pytest.mark.parametrize(
    ("first", "second", "within"),
    [
        ("1000000.0", "1000000.5", True),  # relative to the larger one
        ("1000000.0", "1000002.0", False),
        ("0.5", "0.5000009", True),  # absolute below 1
        ("0.5", "0.500002", False),
        ("1e-9", "-1e-9", True),
        ("inf", "inf", True),
        ("inf", "1.5", False),
        ("", "1.5", False),
    ],
)
def test_numbers_are_within_a_millionth(first: str, second: str, within: bool) -> None:
    found = figures(f"a,b\n{first},1\n0.25,1\n", f"a,b\n{second},1\n0.25,1\n")
    assert found.within is within


def test_each_column_has_its_share_of_equal_cells_and_its_largest_difference() -> None:
    found = figures("n,t,s\n1,a,5\n2,b,5\n4,c,5\n", "n,t,s\n1,a,5\n5,x,5\n4,c,5\n")
    number, text = sorted(found.columns, key=lambda each: each.name)
    assert (number.name, number.equal, number.largest) == ("n", pytest.approx(2 / 3), 3.0)
    assert (text.name, text.equal, text.largest) == ("t", pytest.approx(2 / 3), None)
    assert found.equal == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert (found.differing, found.largest) == (2, 3.0)


def test_other_types_of_equal_values_differ() -> None:
    found = figures("a\n1\n2\n", "a\n1.0\n2.0\n")
    assert found.columns[0].types == ("int64", "float64")
    assert (found.columns[0].equal, found.within) == (1.0, False)


def test_rows_and_names_are_part_of_the_shape() -> None:
    assert not figures("a,b\n1,2\n", "b,a\n2,1\n").same_shape
    assert not figures("a\n1\n", "a\n1\n2\n").same_shape
    other = figures("a,b\n1,2\n", "a,c\n1,2\n")
    assert (other.same_names, other.widths, other.differing) == (False, (2, 2), 0)


def test_repeated_names_are_compared_in_order() -> None:
    found = figures("a,a\n1,2\n", "a,a\n1,3\n")
    assert [each.name for each in found.columns] == ["a.1"]


def test_an_empty_table_is_one() -> None:
    assert figures("\n", "\n").rows == (0, 0)
    assert figures("\n", "a\n1\n").same_shape is False


def test_the_worst_columns_come_first_and_are_bounded() -> None:
    names = [f"c{number}" for number in range(MAX_COLUMNS + 5)]
    head = ",".join(names)
    first, second = ",".join("0" for _ in names), ",".join(str(number + 1) for number in range(len(names)))
    found = figures(f"{head}\n{first}\n", f"{head}\n{second}\n")
    assert (len(found.columns), found.differing) == (MAX_COLUMNS, MAX_COLUMNS + 5)
    assert found.columns[0].largest == MAX_COLUMNS + 5
