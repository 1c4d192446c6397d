"""Write the search that fits an algorithm, from values for its declared parameters.

::

    | fit MLTKContainer algo=pytorch_nn epochs=50 structure="64 32" y from x* "my field" into app:churn

Values and names are quoted where a search would read something else in them. What no quotes can
hold is refused: the runtime removes one pair of quotes and no backslashes, and Splunk expands
macros in quotes too.
"""

from __future__ import annotations

import shlex
import string
from collections.abc import Callable, Mapping, Sequence

import msgspec

from dltk_runtime.errors import DltkError, nearest, shown
from dltk_runtime.names import ModelName
from dltk_runtime.notebook.declaration import VALUE_ERRORS, Parameter

PLAIN_VALUE = frozenset(string.ascii_letters + string.digits + "_.-")
PLAIN_FIELD = PLAIN_VALUE | {"*", ":"}
KEYWORDS = ("from", "into", "by", "as", "~")  # of `fit`, which no field is without quotes
MISSING = "…"  # stands for what has to be filled in
MAX_CHARACTERS = 4000  # of one value, or of the list of fields


class WrittenSearch(msgspec.Struct, frozen=True):
    """A search, and what is wrong with the values that it was asked for with.

    Attributes:
        search: what can be written of it; an ellipsis stands for a missing name.
        problems: sentences; without one the search can run as it is.
        invalid: names of the parameters that `problems` are about.
    """

    search: str
    problems: list[str] = []
    invalid: list[str] = []


class Asked(msgspec.Struct, frozen=True):
    """What a search is asked for with; `fields` are separated by commas or blanks outside double quotes."""

    algorithm: str
    values: Mapping[str, str] = {}
    target: str = ""
    fields: str = ""
    model: str = ""


def written(asked: Asked, known: Sequence[Parameter] | None) -> WrittenSearch:
    """Write a search. Empty values, and those that are the parameter's default, are left out.

    With `known` None, for a notebook without declaration, every parameter is text.
    """
    problems: list[str] = []
    invalid: list[str] = []
    words = ["|", "fit", "MLTKContainer", f"algo={quoted(asked.algorithm)}"]
    for name, value in asked.values.items():
        if value.strip() == "":
            continue
        try:
            words += _option(name, value, known)
        except ValueError as error:
            problems.append(str(error))
            invalid.append(name)
    target = [asked.target.strip()] if asked.target.strip() else []
    parts: list[tuple[list[str], Callable[[], list[str]], list[str]]] = [
        ([], lambda: [quoted(name, PLAIN_FIELD) for name in target], ["from"] if target else []),
        ([], lambda: _fields(asked.fields), []),
        (["into"], lambda: [_model(asked)], []),
    ]
    for before, names, after in parts:
        try:
            words += [*before, *names(), *after]
        except ValueError as error:
            problems.append(str(error))
            words += [*before, MISSING, *after]
    return WrittenSearch(" ".join(words), problems, invalid)


def quoted(text: str, plain: frozenset[str] = PLAIN_VALUE) -> str:
    """Return a value or name as a search holds it, in double quotes where it needs them.

    Raises:
        ValueError: no quotes can hold it; the text says why.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"{shown(text)} is longer than {MAX_CHARACTERS:,} characters.")
    if text and plain.issuperset(text) and text.lower() not in KEYWORDS:
        return text
    if not text.isprintable() or {'"', "`"}.intersection(text) or text.endswith("\\"):
        raise ValueError(
            f"{shown(text)} cannot be written in a search: a double quote, a backquote, a control character "
            "and a backslash at the end cannot."
        )
    return f'"{text}"'


def _option(name: str, value: str, known: Sequence[Parameter] | None) -> list[str]:
    """Return ``name=value``, or nothing for the default.

    Raises:
        ValueError: the notebook does not declare it, or it is of another type.
    """
    parameter = next((each for each in known or () if each.name == name), None)
    if known is not None and parameter is None:
        raise ValueError(f"The notebook declares no parameter {shown(name)}.{nearest(name, [p.name for p in known])}")
    written = f"{name}={quoted(value)}"
    if parameter is None:
        return [written]
    try:
        read = parameter.read(quoted(value))
    except VALUE_ERRORS as error:
        raise ValueError(f"{name} is {shown(value)}: expected {parameter.wanted}.") from error
    return [] if read == parameter.default and type(read) is type(parameter.default) else [written]


def _fields(text: str) -> list[str]:
    names = split(text)
    if not names:
        raise ValueError("Name the fields that the model is to read, such as x* or bytes, status.")
    return [quoted(name, PLAIN_FIELD) for name in names]


def _model(asked: Asked) -> str:
    name = asked.model.strip().removeprefix("app:")
    if not name:
        raise ValueError("Name the model, such as churn.")
    try:
        return f"app:{ModelName(asked.algorithm, name).model}"
    except DltkError as error:
        raise ValueError(error.sentence) from error


def split(text: str) -> list[str]:
    """Return the names in a list that commas or blanks outside double quotes separate.

    Raises:
        ValueError: a quote is not closed, or the list is too long.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"The list of fields is longer than {MAX_CHARACTERS:,} characters.")
    reader = shlex.shlex(text, posix=True)
    reader.whitespace += ","
    reader.whitespace_split, reader.commenters, reader.quotes, reader.escape = True, "", '"', ""
    try:
        return list(reader)
    except ValueError as error:
        raise ValueError(f"A double quote in {shown(text)} is not closed.") from error
