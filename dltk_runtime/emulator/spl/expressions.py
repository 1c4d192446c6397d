"""The expressions of eval and where: text → syntax tree (lark) → a function of one row.

Texts stand in double quotes; a field whose name has more than letters, digits and underscores stands in single
ones. ``.`` joins texts; it binds weaker than ``+`` and stronger than a comparison.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import lark

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import MAX_NESTING, QUOTED_NAME, STRING
from dltk_runtime.emulator.spl.functions import Function
from dltk_runtime.emulator.spl.values import Fields, Value, arithmetic, comparison, concatenate, number, plus
from dltk_runtime.errors import nearest, shown

GRAMMAR = r"""
assignments: assignment ("," assignment)*
assignment: (NAME | FIELD | STRING) EQUALS expression

?expression: disjunction
?disjunction: conjunction (_OR conjunction)*
?conjunction: inversion (_AND inversion)*
?inversion: _NOT inversion -> negation
    | comparison
?comparison: joined ((COMPARISON | EQUALS) joined)?
?joined: sum (JOIN sum)*
?sum: product ((PLUS | MINUS) product)*
?product: unary (FACTOR unary)*
?unary: MINUS unary -> minus
    | atom
?atom: NUMBER -> number
    | STRING -> string
    | (NAME | FIELD) -> field
    | NAME "(" (expression ("," expression)*)? ")" -> call
    | "(" expression ")"

COMPARISON: "==" | "!=" | "<=" | ">=" | "<" | ">"
EQUALS: "="
JOIN: "."
PLUS: "+"
MINUS: "-"
FACTOR: "*" | "/" | "%"
_OR.2: /or\b/i
_AND.2: /and\b/i
_NOT.2: /not\b/i
NUMBER: /(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?/
NAME: /[A-Za-z_]\w*/
%ignore /\s+/
"""
_QUOTES = f"""
STRING: /{STRING}/s
FIELD: /{QUOTED_NAME}/
"""

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
    "*": arithmetic(operator.mul),
    "/": arithmetic(operator.truediv),
    "%": arithmetic(math.fmod),
}
_COMPARISONS = {"=", "==", "!=", "<", "<=", ">", ">="}


@dataclass(frozen=True, slots=True)
class Expression:
    """What is computed from one row; `boolean` when that is true, false or null, which no field can hold."""

    evaluate: Callable[[Fields], Value]
    boolean: bool = False


def parse_condition(text: str, functions: Mapping[str, Function]) -> Expression:
    """The condition of a ``where``.

    Raises:
        SearchInvalid: it cannot be read, or is neither true nor false.
    """
    condition: Expression = _parse(text, "expression", functions)
    if not condition.boolean:
        raise SearchInvalid(f"the expression {shown(text)} is neither true nor false: compare it with something")
    return condition


def parse_expression(text: str, functions: Mapping[str, Function]) -> Expression:
    """Any expression, as in ``count(eval(…))``.

    Raises:
        SearchInvalid: it cannot be read.
    """
    expression: Expression = _parse(text, "expression", functions)
    return expression


def parse_assignments(text: str, functions: Mapping[str, Function]) -> list[tuple[str, Expression]]:
    """The fields and expressions of an ``eval``, in order.

    Raises:
        SearchInvalid: as `parse_condition`; a field cannot hold true or false.
    """
    assignments: list[tuple[str, Expression]] = _parse(text, "assignments", functions)
    for name, expression in assignments:
        if expression.boolean:
            raise SearchInvalid(
                f"fields cannot be assigned a boolean result (field {name!r}): use if([bool expr], [expr], [expr])"
            )
    return assignments


def _parse(text: str, start: str, functions: Mapping[str, Function]) -> Any:
    try:
        tree = _parser(start).parse(text)
        _check_nesting(tree)
        return _Compiler(functions).transform(tree)
    except lark.exceptions.VisitError as error:
        raise error.orig_exc from None
    except lark.exceptions.UnexpectedInput as error:
        rest = text[_position(error, text) :].strip()
        where = f"at {shown(rest)}" if rest else "at its end: something is missing"
        raise SearchInvalid(f"the expression is malformed {where}") from error


@cache
def _parser(start: str) -> lark.Lark:
    """Building one takes longer than most searches."""
    return lark.Lark(GRAMMAR + _QUOTES, parser="lalr", start=start)


def _check_nesting(tree: lark.ParseTree) -> None:
    """Refuse what would exceed Python's recursion limit when it is compiled or evaluated."""
    level = [tree]
    for _ in range(MAX_NESTING):
        level = [child for node in level for child in node.children if isinstance(child, lark.Tree)]
        if not level:
            return
    raise SearchInvalid(f"the expression is nested more than {MAX_NESTING} levels deep")


def _position(error: lark.exceptions.UnexpectedInput, text: str) -> int:
    """Where what cannot stand there begins; for lark the end of a text lies at its last token."""
    token = getattr(error, "token", None)
    at_end = isinstance(token, lark.Token) and token.type == "$END"
    return len(text) if at_end else getattr(error, "pos_in_stream", None) or 0


@lark.v_args(inline=True)
class _Compiler(lark.Transformer[lark.Token, Any]):
    """Makes an `Expression` of each node, from the leaves up."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        super().__init__()
        self._functions = functions

    def assignments(self, *assignments: tuple[str, Expression]) -> list[tuple[str, Expression]]:
        return list(assignments)

    def assignment(self, name: lark.Token, _: lark.Token, expression: Expression) -> tuple[str, Expression]:
        return _field_name(name), expression

    def disjunction(self, *parts: Expression) -> Expression:
        """True when one part is, null when none is and one is null."""
        return Expression(partial(_any, True, _conditions("OR", parts)), boolean=True)

    def conjunction(self, *parts: Expression) -> Expression:
        """False when one part is, null when none is and one is null."""
        return Expression(partial(_any, False, _conditions("AND", parts)), boolean=True)

    def negation(self, part: Expression) -> Expression:
        (evaluate,) = _conditions("NOT", (part,))
        return Expression(lambda row: None if (value := evaluate(row)) is None else not value, boolean=True)

    def binary(self, first: Expression, *rest: Any) -> Expression:
        """``first (operator operand)*``, computed from the left."""
        signs, operands = [str(sign) for sign in rest[::2]], rest[1::2]
        if any(operand.boolean for operand in (first, *operands)):
            raise SearchInvalid(f"{signs[0]!r} cannot be used on true or false")
        steps = [(_OPERATORS[sign], operand.evaluate) for sign, operand in zip(signs, operands, strict=True)]

        def evaluate(row: Fields) -> Value:
            value = first.evaluate(row)
            for compute, operand in steps:
                value = compute(value, operand(row))
            return value

        return Expression(evaluate, boolean=signs[0] in _COMPARISONS)

    comparison = joined = sum = product = binary

    def minus(self, _: lark.Token, part: Expression) -> Expression:
        return self.binary(Expression(lambda _: 0), "-", part)

    def number(self, token: lark.Token) -> Expression:
        value = number(str(token))
        return Expression(lambda _: value)

    def string(self, token: lark.Token) -> Expression:
        # A backslash before anything else stays: `\d` in a pattern is written once, as in Splunk.
        value = re.sub(r'\\([\\"])', r"\1", token[1:-1])
        return Expression(lambda _: value)

    def field(self, token: lark.Token) -> Expression:
        name = _field_name(token)
        return Expression(lambda row: row.get(name))

    def call(self, token: lark.Token, *arguments: Expression) -> Expression:
        function = self._function(str(token).lower(), len(arguments))
        evaluators = [each.evaluate for each in arguments]
        return Expression(lambda row: function.call(*(partial(each, row) for each in evaluators)), function.boolean)

    def _function(self, name: str, arguments: int) -> Function:
        function = self._functions.get(name)
        if function is None:
            known = sorted(self._functions)
            raise SearchInvalid(
                f"the function {name!r} is none of those that run here ({', '.join(known)}).{nearest(name, known)} "
                "Run this search in Splunk"
            )
        if arguments < function.least or arguments > (arguments if function.most is None else function.most):
            raise SearchInvalid(f"the function {name!r} does not take {arguments} arguments")
        return function


def _any(wanted: bool, parts: list[Callable[[Fields], Value]], row: Fields) -> Value:
    """`wanted` when a part gives it, else null when a part gives that, else the opposite."""
    result: Value = not wanted
    for part in parts:
        value = part(row)
        if value is wanted:
            return wanted
        result = None if value is None else result
    return result


def _conditions(keyword: str, parts: tuple[Expression, ...]) -> list[Callable[[Fields], Value]]:
    if not all(part.boolean for part in parts):
        raise SearchInvalid(f"{keyword} needs something true or false on each side, such as a comparison")
    return [part.evaluate for part in parts]


def _field_name(token: lark.Token) -> str:
    return str(token) if token.type == "NAME" else token[1:-1]
