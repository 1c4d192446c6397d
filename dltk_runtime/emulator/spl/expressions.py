"""The expressions of eval and where: text → syntax tree (lark) → a function of one row.

Strings are enclosed in double quotes, field names with other characters than letters, digits and
underscores in single quotes. ``.`` concatenates; its precedence is between ``+`` and comparisons.
What Splunk refuses by type before it reads a row, as ``"a"*2`` or ``if(5,1,0)``, is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

import lark

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import MAX_NESTING, QUOTED_NAME, STRING
from dltk_runtime.emulator.spl.compiling import Compiler, Expression
from dltk_runtime.emulator.spl.functions.function import Function
from dltk_runtime.emulator.spl.values import Fields
from dltk_runtime.emulator.spl.values import text as text_of
from dltk_runtime.errors import shown

_TREES_KEPT = 512
GRAMMAR = r"""
assignments: assignment ("," assignment)*
assignment: (NAME | FIELD | STRING | TEMPLATE) EQUALS expression

?expression: disjunction
    | disjunction (_XOR disjunction)+ -> exclusion
?disjunction: conjunction (_OR conjunction)*
?conjunction: inversion (_AND inversion)*
?inversion: _NOT inversion -> negation
    | comparison
?comparison: joined ((COMPARISON | EQUALS) joined)?
    | joined _IN "(" expression ("," expression)* ")" -> membership
    | joined _LIKE joined -> likeness
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
_XOR.2: /xor\b/i
_IN.2: /in\b/i
_LIKE.2: /like\b/i
TEMPLATE.1: /\w*(\{[^{}]+\}\w*)+/
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


def parse_condition(text: str, functions: Mapping[str, Function]) -> Expression:
    """Parse the condition of a ``where``.

    Raises:
        SearchInvalid: a syntax error, or an expression that is not boolean.
    """
    condition: Expression = _parse(text, "expression", functions)
    if not condition.boolean:
        raise SearchInvalid(f"the expression {shown(text)} is not boolean: compare it with a value")
    return condition


def parse_template(text: str) -> Callable[[Fields], str]:
    """Compile a name of a field in which ``{field}`` stands for that field's value."""
    pieces = re.split(r"\{([^{}]+)\}", text)

    def name(row: Fields) -> str:
        return "".join((text_of(row.get(part)) or "") if turn % 2 else part for turn, part in enumerate(pieces))

    return name


def parse_expression(text: str, functions: Mapping[str, Function]) -> Expression:
    """Parse any expression, as in ``count(eval(…))``.

    Raises:
        SearchInvalid: a syntax error.
    """
    expression: Expression = _parse(text, "expression", functions)
    return expression


def parse_assignments(text: str, functions: Mapping[str, Function]) -> list[tuple[str, Expression]]:
    """Parse the fields and expressions of an ``eval``, in order.

    Raises:
        SearchInvalid: a syntax error, or a boolean that is assigned to a field.
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
        tree = _tree(text, start)
        _check_nesting(tree)
        return Compiler(functions).transform(tree)
    except lark.exceptions.VisitError as error:
        raise error.orig_exc from None
    except lark.exceptions.UnexpectedInput as error:
        rest = text[_position(error, text) :].strip()
        where = f"at {shown(rest)}" if rest else "at its end: something is missing"
        raise SearchInvalid(f"the expression is malformed {where}") from error


@lru_cache(_TREES_KEPT)
def _tree(text: str, start: str) -> lark.ParseTree:
    """Parse a text; the same few come again, at every run of a scheduled search."""
    return _parser(start).parse(text)


@cache
def _parser(start: str) -> lark.Lark:
    """Build a parser once for all searches, because that takes longer than most of them."""
    return lark.Lark(GRAMMAR + _QUOTES, parser="lalr", start=start)


def _check_nesting(tree: lark.ParseTree) -> None:
    """Refuse trees that would exceed Python's recursion limit when compiled or evaluated."""
    level = [tree]
    for _ in range(MAX_NESTING):
        level = [child for node in level for child in node.children if isinstance(child, lark.Tree)]
        if not level:
            return
    raise SearchInvalid(f"the expression is nested more than {MAX_NESTING} levels deep")


def _position(error: lark.exceptions.UnexpectedInput, text: str) -> int:
    """Return the position of an error; lark reports the end of a text at its last token."""
    token = getattr(error, "token", None)
    at_end = isinstance(token, lark.Token) and token.type == "$END"
    return len(text) if at_end else getattr(error, "pos_in_stream", None) or 0
