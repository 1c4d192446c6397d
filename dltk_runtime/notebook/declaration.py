"""The declaration of a notebook's parameters: the cell tagged ``parameters``.

The tag is papermill's convention. Each parameter is an annotated literal::

    epochs: Annotated[int, Meta(ge=1, le=500)] = 100  # passes over the training rows
    learning_rate: float = 0.01  # size of a training step
    shuffle: bool = True  # whether to shuffle the batches in each epoch
    structure: str = "32-16"  # neurons of each hidden layer
    optimizer: Literal["adam", "sgd"] = "adam"  # optimizer of the training
    max_depth: int | None = None  # unlimited by default

The runtime parses that cell and never runs it.
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dltk_runtime import booleans
from dltk_runtime.notebook.bounds import NONE, DeclaredBounds, bounds_of
from dltk_runtime.texts import unquote

Value = int | float | bool | str | None

VALUE_ERRORS = (ValueError, TypeError, OverflowError)  # raised by `Parameter.read`
_EXPECTED = {"int": "an integer", "float": "a number", "bool": "true or false", "str": "text"}
_NUMBERS = ("int", "float")
_NO_LITERAL = object()  # stands for the value of an expression that is not a literal


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter.

    Attributes:
        kind: ``int``, ``float``, ``bool`` or ``str``.
        help: The comment on the declaration's line.
        choices: The only allowed values; empty if all values of the type are allowed.
        line: The line of the cell, from 1.
        bounds: Of a number.
    """

    name: str
    kind: str
    default: Value
    help: str = ""
    choices: tuple[Value, ...] = ()
    line: int = 1
    bounds: DeclaredBounds = NONE

    def __str__(self) -> str:
        """Format as declared: ``epochs: int = 100``."""
        kind = f"Literal[{', '.join(map(repr, self.choices))}]" if self.choices else self.kind
        kind = f"Annotated[{kind}, {self.bounds.declared}]" if self.bounds.known else kind
        optional = " | None" if self.default is None else ""
        return f"{self.name}: {kind}{optional} = {self.default!r}"

    @property
    def wanted(self) -> str:
        """The allowed values, in words."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        return " ".join(filter(None, (_EXPECTED[self.kind], str(self.bounds))))

    def read(self, given: object) -> Value:
        """Convert a search's text, or a Python value, to a value of this parameter.

        Raises:
            ValueError, TypeError, OverflowError: the value is not allowed.
        """
        if given is None and self.default is None:
            return None
        value: Value = _READERS[self.kind](unquote(given.strip()) if isinstance(given, str) else given)
        if self.choices and value not in self.choices:
            raise ValueError(given)
        if self.bounds.known and isinstance(value, int | float) and not self.bounds.allow(value):
            raise ValueError(given)
        return value


def declared(text: str) -> tuple[Parameter, ...]:
    """Return the parameters that a cell's text declares, in order; other statements are ignored.

    Raises:
        SyntaxError: the text does not compile.
    """
    helps = _comments(text)
    found = {}
    for statement in ast.parse(text).body:
        if (parameter := _parameter(statement, helps)) is not None:
            found[parameter.name] = parameter
    return tuple(found.values())


def undeclared(text: str) -> Iterator[tuple[int, str]]:
    """Find assignments of a parameters cell that declare nothing: their lines, and the reason."""
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and _parameter(statement, {}) is None:
            kinds = "int, float, bool, str or Literal"
            yield (
                statement.lineno,
                f"it declares no parameter: write NAME: {kinds} = a literal of it, within its bounds",
            )


def only_declares(text: str) -> bool:
    """Tell whether a cell's text declares parameters and does nothing else but import."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):  # a magic
        return False
    assigned = [each for each in body if not isinstance(each, ast.Import | ast.ImportFrom)]
    return bool(assigned) and all(_parameter(each, {}) is not None for each in assigned)


# ---------------------------------------------------------------- values


def _int(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = _float(value)  # such as 1e3 and 10.0, results of Splunk's arithmetic
    if not number.is_integer():
        raise ValueError(value)
    return int(number)


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _bool(value: object) -> bool:
    return booleans.parse(str(value))


def _str(value: object) -> str:
    if not isinstance(value, str | int | float):
        raise TypeError(value)
    return str(value)  # papermill converts text that looks like a number


_READERS: dict[str, Callable[[object], Value]] = {"int": _int, "float": _float, "bool": _bool, "str": _str}


# ---------------------------------------------------------------- declarations


def _parameter(statement: ast.stmt, helps: Mapping[int, str]) -> Parameter | None:
    """Return the parameter that a statement declares; None if it declares none."""
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
            kind, choices, bounds = _kind(annotation)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            kind, choices, bounds = "", (), NONE
        case _:
            return None
    default = _literal(value)
    kind = kind or ("str" if default is None else type(default).__name__)
    if kind not in _EXPECTED:
        return None
    help_ = helps.get(statement.end_lineno or 0, "")
    parameter = Parameter(name, kind, None, help_, choices, statement.lineno, bounds if kind in _NUMBERS else NONE)
    try:
        return replace(parameter, default=parameter.read(default))
    except VALUE_ERRORS:  # the default is not of the declared type
        return None


def _literal(value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError:
        return _NO_LITERAL


def _kind(annotation: ast.expr) -> tuple[str, tuple[Value, ...], DeclaredBounds]:
    """Return the kind that an annotation names, its choices, and its bounds."""
    match annotation:
        case ast.Name(id=name):
            return name, (), NONE
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[inner, *metadata])):
            kind, choices, _ = _kind(inner)
            return kind, choices, bounds_of(metadata)
        case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
            return _kind(left)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            members = choices.elts if isinstance(choices, ast.Tuple) else [choices]
            found = tuple(_literal(member) for member in members)
            return type(found[0]).__name__, found, NONE
    return "unknown", (), NONE


def _comments(text: str) -> dict[int, str]:
    """Return the comment of each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    try:
        return {
            token.start[0]: token.string.lstrip("# ").rstrip() for token in tokens if token.type == tokenize.COMMENT
        }
    except (tokenize.TokenError, SyntaxError):  # `ast.parse` reports the place
        return {}
