"""``stats``, ``eventstats`` and ``streamstats``: what they compute, over groups of rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import words
from dltk_runtime.emulator.spl import expressions
from dltk_runtime.emulator.spl.functions import Function
from dltk_runtime.emulator.spl.rows import Row
from dltk_runtime.emulator.spl.values import Fields, Value, number, text, tidy
from dltk_runtime.errors import nearest
from dltk_runtime.texts import unquote

_ORDERED = ("first", "last", "earliest", "latest", "list", "values")
_CALL = re.compile(r"(?P<name>\w+)(?:\((?P<argument>.*)\))?", re.DOTALL)
_EVAL = re.compile(r"eval\s*\((?P<expression>.*)\)", re.DOTALL)


def _numbers(values: Sequence[Value]) -> list[float]:
    return [found for value in values if (found := number(value)) is not None]


def _sum(values: Sequence[Value]) -> Value:
    found = _numbers(values)
    return tidy(sum(found)) if found else None


def _average(values: Sequence[Value]) -> Value:
    found = _numbers(values)
    return tidy(sum(found) / len(found)) if found else None


def _extreme(choose: Callable[..., Value]) -> Callable[[Sequence[Value]], Value]:
    """Of numbers by size; of texts, or when one value is no number, by alphabet."""

    def compute(values: Sequence[Value]) -> Value:
        found = _numbers(values)
        if len(found) == len(values):
            return choose(values, key=number) if values else None
        return choose(str(text(value)) for value in values)

    return compute


_FUNCTIONS: Mapping[str, Callable[[Sequence[Value]], Value]] = {
    "avg": _average,
    "count": len,
    "dc": lambda values: len({text(value) for value in values}),
    "max": _extreme(max),
    "min": _extreme(min),
    "sum": _sum,
}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One column: a function over one value of each row; rows where the value is null are left out."""

    name: str
    compute: Callable[[Sequence[Value]], Value]
    value: Callable[[Fields], Value]

    def of(self, rows: Sequence[Row]) -> Value:
        return self.compute([value for row in rows if (value := self.value(row)) is not None])


@dataclass(frozen=True, slots=True)
class Aggregation:
    """The arguments of ``stats``: columns, and the fields that make the groups."""

    aggregates: tuple[Aggregate, ...]
    by: tuple[str, ...]

    def groups(self, rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
        """Rows by their values of `by`, ordered by these; rows with a null among them are in no group."""
        found: dict[tuple[str, ...], list[Row]] = {}
        for row in rows:
            key = tuple(text(row.get(name)) for name in self.by)
            if None not in key:
                found.setdefault(tuple(str(part) for part in key), []).append(row)
        return dict(sorted(found.items(), key=lambda group: [_sortable(part) for part in group[0]]))

    def key(self, row: Row) -> tuple[str | None, ...]:
        return tuple(text(row.get(name)) for name in self.by)

    def columns(self, rows: Sequence[Row]) -> Row:
        return {each.name: each.of(rows) for each in self.aggregates}


def parse_aggregation(arguments: str, functions: Mapping[str, Function]) -> Aggregation:
    """Read ``count AS n dc(eval(…)) AS k BY a b``.

    Raises:
        SearchInvalid: a function that does not run here, with the reason; nothing to compute.
    """
    pieces = list(words(arguments))
    lower = [piece.lower() for piece in pieces]
    cut = lower.index("by") if "by" in lower else len(pieces)
    aggregates, number = [], 0
    while number < cut:
        renamed = number + 2 < cut and lower[number + 1] == "as"
        aggregates.append(_aggregate(pieces[number], unquote(pieces[number + 2]) if renamed else "", functions))
        number += 3 if renamed else 1
    by = tuple(unquote(piece) for piece in pieces[cut + 1 :])
    if not aggregates or (cut < len(pieces) and not by):
        raise SearchInvalid("something to compute is wanted, and names of fields behind BY")
    if wild := [name for name in by if "*" in name]:
        raise SearchInvalid(f"the wildcard field {wild[0]} runs in Splunk only")
    return Aggregation(tuple(aggregates), by)


def _aggregate(call: str, name: str, functions: Mapping[str, Function]) -> Aggregate:
    match = _CALL.fullmatch(call)
    function = match["name"].lower() if match else call
    if function in _ORDERED:
        raise SearchInvalid(
            f"{function}() depends on the order of rows, or makes multivalue fields: use max, min or dc"
        )
    if match is None or function not in _FUNCTIONS:
        known = ", ".join(_FUNCTIONS)
        raise SearchInvalid(
            f"the function {function!r} is none of those here ({known}).{nearest(function, _FUNCTIONS)}"
        )
    argument = (match["argument"] or "").strip()
    if not argument and function != "count":
        raise SearchInvalid(f"{function}() needs a field")
    return Aggregate(name or call, _FUNCTIONS[function], _value(argument, functions))


def _value(argument: str, functions: Mapping[str, Function]) -> Callable[[Fields], Value]:
    if not argument:
        return lambda _: 1
    if match := _EVAL.fullmatch(argument):
        expression = expressions.parse_expression(match["expression"], functions)
        if expression.boolean:
            return lambda row: 1 if expression.evaluate(row) is True else None
        return expression.evaluate
    name = unquote(argument)
    return lambda row: row.get(name)


def _sortable(part: str) -> tuple[int, float, str]:
    amount = number(part)
    return (0, amount, "") if amount is not None else (1, 0.0, part)
