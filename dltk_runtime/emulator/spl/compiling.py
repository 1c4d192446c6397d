"""The syntax tree of an expression → a function of one row, with Splunk's checks of types."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import lark

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl.functions.function import Function, check_arguments, find_function
from dltk_runtime.emulator.spl.products import negative, product, typed
from dltk_runtime.emulator.spl.values import (
    Fields,
    Value,
    arithmetic,
    comparison,
    concatenate,
    plus,
    single,
)

_OPERATORS: Mapping[str, Callable[[Value, Value], Value]] = {
    "=": comparison(operator.eq),
    "==": comparison(operator.eq),
    "!=": comparison(operator.ne),
    "<": comparison(operator.lt),
    "<=": comparison(operator.le),
    ">": comparison(operator.gt),
    ">=": comparison(operator.ge),
    ".": concatenate,
    "+": plus,
    "-": arithmetic(operator.sub),
    "*": product,
    "/": arithmetic(operator.truediv),
    "%": arithmetic(math.fmod),
}
_ARITHMETIC = {"-", "*", "/", "%"}
_COMPARISONS = {"=", "==", "!=", "<", "<=", ">", ">="}


@dataclass(frozen=True, slots=True)
class Expression:
    """A function of one row; a `boolean` one cannot be assigned to a field.

    `kind` is what Splunk sees before it reads a row: ``text``, ``number``, ``null``, or "" for
    unknown. `literal` is the text of a string, `fields` are the names that it reads, and `name` is
    set if it is nothing but a field.
    """

    evaluate: Callable[[Fields], Value]
    boolean: bool = False
    kind: str = ""
    literal: str | None = None
    fields: frozenset[str] = frozenset()
    name: str | None = None


@lark.v_args(inline=True)
class Compiler(lark.Transformer[lark.Token, Any]):
    """Compile each node of the tree into an `Expression`, from the leaves up."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        super().__init__()
        self._functions = functions

    def assignments(self, *assignments: tuple[str, Expression]) -> list[tuple[str, Expression]]:
        return list(assignments)

    def assignment(self, name: lark.Token, _: lark.Token, expression: Expression) -> tuple[str, Expression]:
        return _field_name(name), expression

    def exclusion(self, *parts: Expression) -> Expression:
        """Return whether an odd number of parts is true; null with a null."""
        conditions = _conditions("XOR", parts)

        def evaluate(row: Fields) -> Value:
            values = [condition(row) for condition in conditions]
            return None if None in values else sum(map(bool, values)) % 2 == 1

        return Expression(evaluate, boolean=True, fields=_fields(parts))

    def disjunction(self, *parts: Expression) -> Expression:
        """Return true if any part is true, else null if any is null."""
        return Expression(partial(_any, True, _conditions("OR", parts)), boolean=True, fields=_fields(parts))

    def conjunction(self, *parts: Expression) -> Expression:
        """Return false if any part is false, else null if any is null."""
        return Expression(partial(_any, False, _conditions("AND", parts)), boolean=True, fields=_fields(parts))

    def negation(self, part: Expression) -> Expression:
        (evaluate,) = _conditions("NOT", (part,))
        return Expression(
            lambda row: None if (value := evaluate(row)) is None else not value, boolean=True, fields=part.fields
        )

    def membership(self, *parts: Expression) -> Expression:
        return self._call("in", parts)

    def likeness(self, *parts: Expression) -> Expression:
        return self._call("like", parts)

    def binary(self, first: Expression, *rest: Any) -> Expression:
        """Compute ``first (operator operand)*`` from the left."""
        signs, operands = [str(sign) for sign in rest[::2]], rest[1::2]
        if any(operand.boolean for operand in (first, *operands)):
            raise SearchInvalid(f"{signs[0]!r} cannot be applied to a boolean")
        kind, steps = first.kind, []
        for sign, operand in zip(signs, operands, strict=True):
            compute, kind = _typed(sign, kind, operand.kind)
            steps.append((compute, operand.evaluate))

        def evaluate(row: Fields) -> Value:
            value = first.evaluate(row)
            for compute, operand in steps:
                value = compute(value, operand(row))
            return value

        return Expression(evaluate, signs[0] in _COMPARISONS, kind, fields=_fields((first, *operands)))

    comparison = joined = sum = product = binary

    def minus(self, _: lark.Token, part: Expression) -> Expression:
        checked = self.binary(Expression(lambda _: 0, kind="number"), "-", part)
        return replace(checked, evaluate=lambda row: negative(part.evaluate(row)))

    def number(self, token: lark.Token) -> Expression:
        value = typed(str(token))
        return Expression(lambda _: value, kind="number")

    def string(self, token: lark.Token) -> Expression:
        # A backslash before another character stays: `\d` is written once, as in Splunk.
        value = re.sub(r'\\([\\"])', r"\1", token[1:-1])
        return Expression(lambda _: value, kind="text", literal=value)

    def field(self, token: lark.Token) -> Expression:
        name = _field_name(token)
        return Expression(lambda row: row.get(name), fields=frozenset({name}), name=name)

    def call(self, token: lark.Token, *arguments: Expression) -> Expression:
        return self._call(str(token).lower(), arguments)

    def _call(self, name: str, arguments: Sequence[Expression]) -> Expression:
        function = find_function(self._functions, name, len(arguments))
        check_arguments(name, function, arguments)
        if function.bound:
            return Expression(function.bound(arguments), function.boolean, fields=_fields(arguments))
        evaluators = [each.evaluate for each in arguments]
        if function.lazy:

            def evaluate(row: Fields) -> Value:
                return function.call(*(partial(each, row) for each in evaluators))

        else:

            def evaluate(row: Fields) -> Value:
                values = [each(row) for each in evaluators]
                if not function.nulls and None in values:
                    return None
                if not function.several:
                    single(f"{name}()", *values)
                return function.call(*values)

        kind = "null" if name == "null" else ""
        return Expression(evaluate, function.boolean, kind, fields=_fields(arguments))


def _any(wanted: bool, parts: list[Callable[[Fields], Value]], row: Fields) -> Value:
    """Return `wanted` if any part has that value, else null if any is null, else the opposite."""
    result: Value = not wanted
    for part in parts:
        value = part(row)
        if value is wanted:
            return wanted
        result = None if value is None else result
    return result


def _conditions(keyword: str, parts: tuple[Expression, ...]) -> list[Callable[[Fields], Value]]:
    if not all(part.boolean for part in parts):
        raise SearchInvalid(f"{keyword} needs booleans, such as comparisons")
    return [part.evaluate for part in parts]


def _fields(parts: Iterable[Expression]) -> frozenset[str]:
    return frozenset().union(*(part.fields for part in parts))


def _typed(sign: str, left: str, right: str) -> tuple[Callable[[Value, Value], Value], str]:
    """Return the operator for operands of these kinds, and the kind of its result.

    Raises:
        SearchInvalid: Splunk refuses operands of these kinds.
    """
    kinds = {left, right}
    if sign == "." and "null" in kinds:
        raise SearchInvalid("Type checking failed. The '.' operator only takes strings and numbers")
    if sign == "+" and ("null" in kinds or kinds == {"text", "number"}):
        raise SearchInvalid("Type checking failed. '+' only takes two strings or two numbers")
    if sign in _ARITHMETIC and kinds & {"text", "null"}:
        raise SearchInvalid(f"Type checking failed. {sign!r} only takes numbers")
    if sign in _COMPARISONS and "null" in kinds and kinds & {"text", "number"}:
        raise SearchInvalid(f"Type checking failed. The {sign!r} operator received different types")
    if sign == "." or (sign == "+" and "text" in kinds):
        return concatenate, "text"
    if sign == "+":
        return plus, "number" if kinds == {"number"} else ""
    return _OPERATORS[sign], "number" if sign in _ARITHMETIC else ""


def _field_name(token: lark.Token) -> str:
    return token[1:-1] if token.type in {"FIELD", "STRING"} else str(token)
