"""Conditions and expressions that say nothing, by what is known of the fields that they name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from dltk_runtime.flows.dataflow import conditions
from dltk_runtime.flows.dataflow.pipe import masked_texts, names_in, split_at
from dltk_runtime.flows.dataflow.shapes import Shape
from dltk_runtime.flows.dataflow.spelling import one_slip

_COMPARED = re.compile(r"""(?<![\w.$])'?([A-Za-z_]\w*)'?\s*(==|=|!=)\s*"((?:\\.|[^"\\$])+)\"""")
_NULL = re.compile(r"\(?\s*isnull\(\s*'?(\w+)'?\s*\)\s*\)?")
_NOT_NULL = re.compile(r"\(?\s*isnotnull\(\s*'?(\w+)'?\s*\)\s*\)?")
_BRANCHED = re.compile(r"\b(?:if|case)\(")
_ASKS_FOR_NULLS = re.compile(r"\b(?:isnull|isnotnull|coalesce|nullif)\(")
_DIFFERENCE = re.compile(r"\s*\(?\s*(\w+)\s*-\s*(\w+)\s*\)?\s*")
_NOTHING: Mapping[str, str] = {}
_CONSTANT = re.compile(r"""\s*(?:"(?:\\.|[^"\\])*"|-?[\d.]+|(?:now|time|null|true|false)\(\s*\))\s*""")
_FLAG = re.compile(r"if\(.*,(?:1,0|0,1)\)", re.DOTALL)


def keeps_nothing(condition: str) -> bool:
    """Return whether a condition compares two different numbers, as who writes 1=0 wants no rows."""
    match = re.fullmatch(r"\s*(\d+)\s*==?\s*(\d+)\s*", condition)
    return match is not None and int(match[1]) != int(match[2])


def unheard(shapes: Sequence[Shape], text: str, *, words: bool = False) -> Iterator[str]:
    """Yield comparisons of a condition or an expression with texts that the field never has.

    Who asks for rows that are not such may be careful: there, only a slip of a text that it has counts.
    """
    negated = re.search(r"\bNOT\b", masked_texts(text), re.IGNORECASE) is not None
    for name, sign, value in _COMPARED.findall(text):
        forms = [shape for shape in shapes if shape.has(name)]
        asked = [shape.spelled(name, value) if words else value for shape in forms]
        never = [shape.never(name, (each,)) for shape, each in zip(forms, asked, strict=True)]
        if not forms or not all(never) or (words and "*" in value):
            continue
        careful = negated or sign == "!="
        if not careful or any(one_slip(value, known) for shape in forms for known in shape.values[name]):
            yield f'{name}{sign}"{value}"'


def in_condition(shapes: Sequence[Shape], condition: str) -> Iterator[str]:
    """Yield what a condition of ``where`` says of fields that are null, or says twice."""
    yield from _of_nulls(shapes, condition)
    yield from _null_both_ways(condition)


def in_expression(shapes: Sequence[Shape], expression: str, before: Mapping[str, str] = _NOTHING) -> Iterator[str]:
    """Yield what an expression of ``eval`` or of an aggregate makes of fields that are null, or of one sign.

    `before` has the fields that hold a value of the rows in front (``streamstats current=f``), and whose. A gap
    between a row and another field of those is one of two directions; how a value fell is a question of its own.
    """
    yield from _of_nulls(shapes, expression)
    for condition in _tested(expression):
        yield from _null_both_ways(condition)
    yield from _without_rows(shapes, expression)
    difference = _DIFFERENCE.fullmatch(expression)
    if (
        difference
        and before.get(difference[2], difference[1]) != difference[1]
        and shapes
        and all(difference.groups() in shape.below for shape in shapes)
    ):
        yield f"{expression.strip()} is never above 0: {difference[1]} is below {difference[2]}"


def _of_nulls(shapes: Sequence[Shape], text: str) -> Iterator[str]:
    for name in dict.fromkeys(names_in(text)) if not _ASKS_FOR_NULLS.search(text) else ():
        if shapes and all(name in shape.nulls for shape in shapes):
            yield f"{text.strip()[:60]}: {name} is null in every row"


def _without_rows(shapes: Sequence[Shape], expression: str) -> Iterator[str]:
    """Yield an ``if`` that computes with sums where the number of rows is 0, and so each sum is null."""
    match = re.fullmatch(r"\s*if\((.*)\)\s*", expression, re.DOTALL)
    parts = split_at(match[1]) if match else []
    if len(parts) != 3 or not shapes:
        return
    for condition in conditions.parts_of(parts[0], "OR"):
        compared = re.fullmatch(r"\s*(\w+)\s*(>|!=|==|=)\s*0\s*", condition)
        if compared and all(shape.expression(compared[1]) == "count()" for shape in shapes):
            branch = parts[2] if compared[2] in (">", "!=") else parts[1]
            if names := [name for name in names_in(branch) if name != compared[1]]:
                yield f"{branch} is computed where {compared[1]} is 0, and {names[0]} null"


def _tested(expression: str) -> Iterator[str]:
    """Yield the conditions of each ``if`` and ``case``."""
    plain = masked_texts(expression)
    for match in _BRANCHED.finditer(plain):
        depth, end = 1, match.end()
        while depth and end < len(plain):
            depth += (plain[end] == "(") - (plain[end] == ")")
            end += 1
        parts = split_at(expression[match.end() : end - 1])
        yield from parts[:1] if match[0] == "if(" else parts[:-1:2]


def _null_both_ways(condition: str) -> Iterator[str]:
    """Yield conditions that ask for a field to be null and not null, or that a part says already."""
    text = condition.strip()
    either, both = conditions.parts_of(text, "OR"), conditions.parts_of(text, "AND")
    if len(either) > 1:
        given = {match[1] for part in either if (match := _NOT_NULL.fullmatch(part))}
        for part in either:
            known = given & conditions.filled_by(part) if not _NOT_NULL.fullmatch(part) else set()
            yield from (f"{text[:60]}: isnotnull({name}) says {part} already" for name in sorted(known))
            yield from _null_both_ways(part)
    elif len(both) > 1:
        nulls = {match[1] for part in both if (match := _NULL.fullmatch(part))}
        filled = {name for part in both for name in conditions.filled_by(part)}
        yield from (f"{text[:60]}: {name} would be null and not null" for name in sorted(nulls & filled))
        for part in both:
            yield from _null_both_ways(part)
    elif text.startswith("(") and text.endswith(")"):
        yield from _null_both_ways(text[1:-1])


def remade(asked: Collection[str], name: str, expression: str) -> Iterator[str]:
    """Yield a field that the command just in front asks for; a constant in its place is meant."""
    if name in asked and name not in names_in(expression) and not _CONSTANT.fullmatch(expression):
        yield f"{name} is made behind the command that asks for it"


def nulls_of(condition: str) -> frozenset[str]:
    """Return the fields that are null in each row that meets the condition."""
    if len(conditions.parts_of(condition, "OR")) > 1:
        return frozenset()
    found = (_NULL.fullmatch(part) for part in conditions.parts_of(condition, "AND"))
    return frozenset(match[1] for match in found if match)


def below_of(condition: str) -> frozenset[tuple[str, str]]:
    """Return pairs of fields of which the first is not above the second in each row that meets the condition."""
    if len(conditions.parts_of(condition, "OR")) > 1:
        return frozenset()
    pairs = (pair for part in conditions.parts_of(condition, "AND") for pair in conditions.larger(part))
    return frozenset((small, large) for large, small in pairs)


def below_in(shape: Shape, calls: Sequence[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Return pairs of results of ``stats``: some rows are never more than all, nor are their sums."""
    all_rows = [name for call, name in calls if call in ("count", "count()", "c")]
    some = [name for call, name in calls if re.match(r"count\(\s*eval\(", call) or _sums_a_flag(shape, call)]
    found = {(part, whole) for part in some for whole in all_rows}
    for one, first in calls:
        for two, second in calls:
            pair = [re.fullmatch(r"(sum|max|min)\((\w+)\)", call) for call in (one, two)]
            if pair[0] and pair[1] and pair[0][1] == pair[1][1] and (pair[0][2], pair[1][2]) in shape.below:
                found.add((first, second))
    return frozenset(found)


def _sums_a_flag(shape: Shape, call: str) -> bool:
    match = re.fullmatch(r"sum\((\w+)\)", call)
    return match is not None and _FLAG.fullmatch(shape.expression(match[1])) is not None
