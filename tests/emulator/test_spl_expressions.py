"""The expressions of eval and where, with Splunk's nulls."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl.expressions import parse_assignments, parse_condition
from dltk_runtime.emulator.spl.functions import FUNCTIONS, Function
from dltk_runtime.emulator.spl.values import Value, from_cell

ROW: dict[str, Value] = {"a": 3, "b": "4", "t": "text", "a b": "q", "half": 2.5, "nothing": None}


def value(text: str, row: dict[str, Value] = ROW) -> Value:
    ((_, expression),) = parse_assignments(f"y={text}", FUNCTIONS)
    return expression.evaluate(row)


def truth(text: str, row: dict[str, Value] = ROW) -> Value:
    return parse_condition(text, FUNCTIONS).evaluate(row)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1+2*3", 7),
        ("(1+2)*3", 9),
        ("10-4-3", 3),
        ("2*a-1", 5),
        ("a+b", 7),
        ("a/2", 1.5),
        ("6/2", 3),
        ("7%4", 3),
        ("-7%4", -3),
        ("-a+1", -2),
        ("--a", 3),
        (".5+1e1", 10.5),
        ("b*1.0", 4),
        ("t+t", "texttext"),
        ('"x".a+1', "x4"),
        ('a.".".b', "3.4"),
        ("1.5.a", "1.53"),
        ("'a b'.t", "qtext"),
        ('"say \\"hi\\""', 'say "hi"'),
        ('"a|b"', "a|b"),
    ],
)
def test_arithmetic_and_joining(text: str, expected: Value) -> None:
    result = value(text)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    "text", ["nothing+1", "missing*2", "t*2", "1/0", "1%0", 'nothing."x"', "null()", "-t", "1e999"]
)
def test_what_has_no_result_is_null(text: str) -> None:
    assert value(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abs(-2)", 2),
        ("floor(2.7)", 2),
        ("floor(-2.5)", -3),
        ("round(half)", 3),
        ("round(-half)", -2),
        ("round(3.14159, 2)", "3.14"),
        ("round(1250, -2)", 1300),
        ("len(t)", 4),
        ("len(a)", 1),
        ('upper(t).lower("AB")', "TEXTab"),
        ('if(a>2, "big", "small")', "big"),
        ("if(nothing=1, 1, 0)", 0),
        ("if(true(), 1, 1/0)", 1),
        ('case(a=1,"one", a=3,"three")', "three"),
        ('case(a=1,"one")', None),
        ("case(false(),1, true(),2)", 2),
        ("coalesce(nothing, missing, b, 1)", "4"),
        ('tonumber(" 7 ")', 7),
        ('tonumber("ff", 16)', 255),
        ("tonumber(t)", None),
        ("tonumber(t, 16)", None),
        ('tonumber("1", 99)', None),
        ("tostring(6/2)", "3"),
        ("tostring(a=3)", "True"),
        ("tostring(nothing)", "Null"),
        ("len(nothing)", None),
        ("round(nothing)", None),
    ],
)
def test_functions(text: str, expected: Value) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a=3",
        "a==b-1",
        'a="3.0"',
        "b>a",
        'b<"10"',  # numbers, though both are text
        't<"z"',
        't!="Text"',
        "a>=3 AND a<=3",
        'a=1 or t="text"',
        "NOT a=1",
        "not(a=1)and a=3",
        "isnull(nothing) AND isnotnull(a)",
        "a=1 OR a=2 AND a=0 OR a=3",
        "nothing=1 OR a=3",
    ],
)
def test_conditions_that_are_true(text: str) -> None:
    assert truth(text) is True


@pytest.mark.parametrize("text", ["nothing=1", "nothing!=1", "NOT nothing=1", "nothing=missing", "a=3 AND nothing<1"])
def test_a_null_in_a_comparison_is_neither_true_nor_false(text: str) -> None:
    assert truth(text) is None


def test_a_long_chain_is_no_deep_one() -> None:
    assert value("1" + "+1" * 5000) == 5001


def test_false_outweighs_null() -> None:
    assert truth("nothing=1 AND a=1") is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "something is missing"),
        ("a+", "something is missing"),
        ("(a=1", "something is missing"),
        ("a b", "malformed at 'b'"),
        ('a="x', "malformed at"),
        ("a=1=1", "malformed at '=1'"),
        ("a & b", "malformed at '& b'"),
        ("a", "is not boolean"),
        ("a=1 AND b", "AND needs booleans"),
        ("NOT a", "NOT needs booleans"),
        ("1+isnull(a)", "'\\+' cannot be applied to a boolean"),
        ("isnull()", "does not take 0 arguments"),
        ("isnull(a,b)", "does not take 2 arguments"),
        ("lenn(a)=1", "the function 'lenn' is none of those that run here .*Did you mean 'len'"),
        ("commands(a)=1", "Run this search in Splunk"),
    ],
)
def test_what_cannot_be_read_says_where_or_what(text: str, message: str) -> None:
    with pytest.raises(SearchInvalid, match=message):
        parse_condition(text, FUNCTIONS)


def test_assignments_are_read_in_order_with_quoted_targets() -> None:
    names = [name for name, _ in parse_assignments("a=1, 'b c'=a, \"d e\"=2", FUNCTIONS)]
    assert names == ["a", "b c", "d e"]


@pytest.mark.parametrize("text", ["x=a=1", "x=isnull(a)", "x=NOT a=1", "x=a=1 OR b=2"])
def test_a_field_cannot_hold_a_truth_value(text: str) -> None:
    with pytest.raises(SearchInvalid, match="cannot be assigned a boolean"):
        parse_assignments(text, FUNCTIONS)


def test_another_table_of_functions_is_another_language() -> None:
    table = {**FUNCTIONS, "twice": Function(lambda each: 2 * each, 1, 1)}
    ((_, expression),) = parse_assignments("x=TWICE(a)", table)
    assert expression.evaluate(ROW) == 6


numbers = st.integers(-(2**50), 2**50) | st.floats(-1e12, 1e12).map(lambda each: 0.0 if each == 0 else each)


@settings(deadline=None)
@given(numbers, numbers, st.sampled_from(["+", "-", "*", "/", "<", "<=", "=", "!="]))
@example(left=2, right=1.1125369292536007e-308, sign="/")
def test_numbers_compute_and_compare_as_python_does_also_when_they_are_text(left, right, sign) -> None:
    assume(right or sign != "/")
    python = eval(f"left {'==' if sign == '=' else sign} right", {}, {"left": left, "right": right})
    for row in ({"l": left, "r": right}, {"l": repr(left), "r": repr(right)}):
        if sign in "+-*/":
            assert value(f"l{sign}r", row) == (python if math.isfinite(python) else None)
        else:
            assert truth(f"l{sign}r", row) is python


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_comes_through_a_string_literal(text: str) -> None:
    literal = text.replace("\\", "\\\\").replace('"', '\\"')
    assert value(f'"{literal}"') == text


@settings(deadline=None)
@given(st.text("ab12 .+-*/%=<>!()\"',", max_size=25) | st.text(max_size=10))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    with suppress(SearchInvalid):
        parse_condition(text, FUNCTIONS).evaluate(ROW)


def test_cells_of_a_frame_become_values() -> None:
    assert [from_cell(cell) for cell in (None, math.nan, True, 1, 1.5, "x")] == [None, None, "True", 1, 1.5, "x"]
