"""Searches that the console writes: Splunk's grammar reads from them what was asked for, or a sentence says why not."""

from __future__ import annotations

import pytest

from dltk_runtime.emulator.mltk.grammar import parse_fit
from dltk_runtime.emulator.spl.macros import expand
from dltk_runtime.notebook import parameters
from dltk_runtime.notebook.clause import Asked, WrittenSearch, split, written
from dltk_runtime.notebook.declaration import declared
from tests.console.hostile import HOSTILE

DECLARED = declared(
    "epochs: int = 100  # passes\n"
    "rate: float = 0.01\n"
    "shuffle: bool = True\n"
    "structure: str = '32-16'\n"
    "optimizer: Literal['adam', 'sgd'] = 'adam'\n"
    "depth: int | None = None\n"
)
PREFIX = "| fit MLTKContainer algo=net "


def search(**values: str) -> WrittenSearch:
    return written(Asked("net", values, "y", "x*", "m"), DECLARED)


def read(text: str) -> dict[str, object]:
    """The typed parameters of a search, as a fit reads them."""
    options = parse_fit(expand(text, {}).removeprefix("| fit ")).options
    return dict(parameters.values(options["params"], DECLARED)[0])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ""),
        ({"epochs": "50"}, "epochs=50 "),
        ({"epochs": "100", "rate": "0.010", "shuffle": "t", "optimizer": "adam"}, ""),
        ({"epochs": "", "structure": "  "}, ""),
        ({"rate": "1e-05", "shuffle": "false", "optimizer": "sgd"}, "rate=1e-05 shuffle=false optimizer=sgd "),
        ({"structure": "64 32"}, 'structure="64 32" '),
        ({"structure": "from"}, 'structure="from" '),
        ({"depth": "3"}, "depth=3 "),
    ],
)
def test_values_that_are_no_defaults_are_in_the_search(values: dict[str, str], expected: str) -> None:
    assert search(**values) == WrittenSearch(f"{PREFIX}{expected}y from x* into app:m")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("epochs", "ten", "epochs is 'ten': expected an integer."),
        ("epochs", "1.5", "epochs is '1.5': expected an integer."),
        ("rate", "nan", "rate is 'nan': expected a number."),
        ("shuffle", "perhaps", "shuffle is 'perhaps': expected true or false."),
        ("optimizer", "ada", "optimizer is 'ada': expected one of adam, sgd."),
        ("epoch", "3", "The notebook declares no parameter 'epoch'. Did you mean 'epochs'?"),
        ("structure", 'a"b', "'a\"b' cannot be written in a search: a double quote, a backquote, a control character"),
        ("structure", "a\\", "'a\\\\' cannot be written in a search"),
        ("structure", "x" * 5000, "is longer than 4,000 characters."),
    ],
)
def test_a_value_that_the_fit_would_refuse_is_said_and_left_out(name: str, value: str, problem: str) -> None:
    found = search(**{name: value})
    assert (found.search, found.invalid) == (f"{PREFIX}y from x* into app:m", [name])
    assert problem in found.problems[0]


@pytest.mark.parametrize("text", [*HOSTILE, "a b", "a=b", "a,b", "a | delete", "[search *]", "(", "into", "~", "'a'"])
def test_what_a_search_says_is_what_was_typed(text: str) -> None:
    found = search(structure=text)
    if found.problems:
        assert "cannot be written in a search" in found.problems[0]
        assert any(each in text for each in '"`\\') or not text.isprintable()
    else:
        assert read(found.search)["structure"] == text.strip()


@pytest.mark.parametrize("text", [*HOSTILE, "from", "a b", "x=1"])
def test_a_field_of_any_name_stays_one_field(text: str) -> None:
    if '"' in text or not text.strip():
        return
    found = written(Asked("net", {}, "y", f'a, "{text}"', "m"), DECLARED)
    if not found.problems:
        assert parse_fit(expand(found.search, {}).removeprefix("| fit ")).options["feature_variables"] == ["a", text]


def test_fields_are_separated_by_commas_or_blanks_outside_quotes() -> None:
    assert split('a, b  c,"d e" ,f*') == ["a", "b", "c", "d e", "f*"]
    assert written(Asked("net", {}, "", "a 'b", "m"), DECLARED).search.endswith('a "\'b" into app:m')
    with pytest.raises(ValueError, match="not closed"):
        split('a "b')


def test_what_is_missing_is_said_and_shown_as_an_ellipsis() -> None:
    found = written(Asked("net", {}, "", "", ""), DECLARED)
    assert found.search == f"{PREFIX}… into …"
    assert found.problems == [
        "Name the fields that the model is to read, such as x* or bytes, status.",
        "Name the model, such as churn.",
    ]
    assert "Invalid model name 'a-b'" in written(Asked("net", {}, "y", "x", "a-b"), DECLARED).problems[0]
    assert written(Asked("net", {}, "", "x", "app:m"), DECLARED).search == f"{PREFIX}x into app:m"


def test_without_a_declaration_every_parameter_is_text() -> None:
    found = written(Asked("my net", {"any": "1 2"}, "", "x", "m"), None)
    assert found == WrittenSearch('| fit MLTKContainer algo="my net" any="1 2" x into app:m')
