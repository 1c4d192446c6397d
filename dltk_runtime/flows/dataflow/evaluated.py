"""What an expression of ``eval`` makes of a form of rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dltk_runtime.flows.dataflow import conditions, sense
from dltk_runtime.flows.dataflow.pipe import literal, name_spans, names_in, split_at
from dltk_runtime.flows.dataflow.shapes import Shape


def narrowed(shape: Shape, asked: Sequence[Mapping[str, frozenset[str]]]) -> Shape:
    """Return the shape of the rows that meet a condition which asks for these values."""
    if len(asked) != 1:
        return shape
    values = {name: texts for name, texts in asked[0].items() if name in shape.fields}
    return replace(shape, values={**shape.values, **values})


def evaluated(shape: Shape, name: str, expression: str) -> Shape:
    """Return the shape with a field set by an expression of ``eval``."""
    texts = _texts(expression)
    if texts is None and re.fullmatch(r"\w+", expression.strip()):
        texts = shape.values.get(expression.strip())
    either = texts is not None and re.match(r"\s*if\(", expression) is not None  # of two texts, also for nulls
    constant = re.match(r"\s*(?:now\(\)|coalesce\(.*,\s*[\d\"])", expression) is not None
    always = either or constant or literal(expression) is not None
    filled = always or (
        bool(names := names_in(expression)) and set(names) <= shape.filled | {"_time"} and "case(" not in expression
    )
    flag = re.fullmatch(r"\s*if\((.*),\s*1\s*,\s*0\s*\)\s*", expression, re.DOTALL)
    flags = {**shape.flags, name: frozenset(conditions.filled_by(flag[1])) if flag else frozenset[str]()}
    denied = {**shape.denied, name: sense.nulls_of(flag[1]) if flag else frozenset[str]()}
    return replace(shape.put(name, derived(shape, expression), texts, filled=filled), flags=flags, denied=denied)


def _texts(expression: str) -> frozenset[str] | None:
    """Return the texts that an expression can be: one, or those of ``if`` and ``case``."""
    text = literal(expression)
    if text is not None:
        return None if "$" in text else frozenset((text,))  # a token of a view, or an argument of a macro
    match = re.fullmatch(r"\s*(if|case)\((.*)\)\s*", expression, re.DOTALL)
    if match is None:
        return None
    parts = split_at(match[2])
    results = parts[1:] if match[1] == "if" else parts[1::2]
    found = [literal(part) for part in results]
    return frozenset(each for each in found if each is not None) if None not in found else None


def derived(shape: Shape, expression: str) -> str:
    """Return the expression with each field replaced by how it came about."""
    repeated = re.fullmatch(r"\s*lower\(\s*(\w+)\s*\)\s*", expression)
    if repeated and shape.expression(repeated[1]).startswith("lower("):
        return shape.expression(repeated[1])
    result, end = "", 0
    for begin, stop in name_spans(expression):
        result += expression[end:begin] + shape.expression(expression[begin:stop])
        end = stop
    return re.sub(r"\s+", "", result + expression[end:])
