"""The arguments of the stats family: ``count AS n avg(x*) BY a b``, with options among them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl import expressions, options
from dltk_runtime.emulator.spl.functions.function import Function
from dltk_runtime.emulator.spl.options import Reader
from dltk_runtime.emulator.spl.rows import Row
from dltk_runtime.emulator.spl.statistics.accumulators import Accumulator, ByTime
from dltk_runtime.emulator.spl.statistics.table import Make, find_statistic
from dltk_runtime.emulator.spl.values import Fields, Value, number, text, values_of
from dltk_runtime.errors import shown
from dltk_runtime.texts import unquote

_CALL = re.compile(r"(?P<name>\w[\w.]*)(?:\((?P<argument>.*)\))?", re.DOTALL)
_EVAL = re.compile(r"eval\s*\((?P<expression>.*)\)", re.DOTALL | re.IGNORECASE)

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One column: a function of the values of each row; nulls do not count."""

    name: str
    make: Make
    values: Callable[[Fields], Iterable[Value]]
    field: str = ""  # as typed, with its wildcard
    optional: bool = False

    def over(self, rows: Iterable[Row]) -> Value:
        """Compute the column for one group of rows."""
        made = self.make()
        for row in rows:
            take(made, self, row)
        return made.result()


def take(made: Accumulator | ByTime, aggregate: Aggregate, row: Row) -> None:
    """Add the values of a row to an accumulator of `aggregate`."""
    if isinstance(made, ByTime):
        time = number(row.get("_time"))
        if time is not None:
            for value in aggregate.values(row):
                made.add_at(time, value)
        return
    for value in aggregate.values(row):
        made.add(value)


@dataclass(frozen=True, slots=True)
class Aggregation:
    """The arguments of ``stats``: columns to compute, fields to group by, options."""

    aggregates: tuple[Aggregate, ...]
    by: tuple[str, ...]
    options: Mapping[str, object]

    def resolve(self, columns: Iterable[str]) -> tuple[Aggregate, ...]:
        """Replace wildcards by the fields that match, without internal ones."""
        names = [name for name in columns if not name.startswith("_") and name not in self.by]
        return tuple(found for each in self.aggregates for found in _resolved(each, names))

    def keys(self, row: Row) -> list[Key]:
        """Return the groups of a row: none with a null, several with a field of several values."""
        return [tuple(text(part) or "" for part in key) for key in product(*(values_of(row.get(n)) for n in self.by))]

    def groups(self, rows: Sequence[Row]) -> dict[Key, list[Row]]:
        """Group rows by their values of `by`, in their order; omit rows with a null among them."""
        found: dict[Key, list[Row]] = {}
        for row in rows:
            for key in self.keys(row):
                found.setdefault(key, []).append(row)
        return dict(sorted(found.items(), key=lambda group: [in_order(part) for part in group[0]]))


def columns_of(aggregates: Iterable[Aggregate], rows: Sequence[Row]) -> Row:
    """Compute all columns for one group of rows."""
    return {each.name: each.over(rows) for each in aggregates}


def in_order(part: str) -> tuple[int, float, str]:
    """Return the key by which groups are sorted: numbers by value, then text."""
    amount = number(part)
    return (0, amount, "") if amount is not None else (1, 0.0, part)


def parse_aggregation(
    arguments: str,
    functions: Mapping[str, Function],
    readers: Mapping[str, Reader] | None = None,
    *,
    streamed: bool = False,
    separators: tuple[str, ...] = ("by",),
) -> Aggregation:
    """Parse ``count AS n dc(eval(…)) AS k BY a b``.

    Raises:
        SearchInvalid: an aggregate is missing, a function or an option does not run here.
    """
    given, pieces = options.split(arguments, readers or {})
    lower = [piece.lower() for piece in pieces]
    cut = min((lower.index(word) for word in separators if word in lower), default=len(pieces))
    aggregates = tuple(_aggregates(pieces[:cut], functions, streamed=streamed))
    by = tuple(unquote(piece) for piece in pieces[cut + 1 :])
    if not aggregates or (cut < len(pieces) and not by):
        raise SearchInvalid("expected an aggregate such as count, and names of fields after BY")
    if wild := [name for name in by if "*" in name]:
        raise SearchInvalid(f"the wildcard field {wild[0]} after BY runs in Splunk only")
    return Aggregation(aggregates, by, given)


def _aggregates(pieces: Sequence[str], functions: Mapping[str, Function], *, streamed: bool) -> Iterator[Aggregate]:
    place = 0
    while place < len(pieces):
        renamed = place + 2 < len(pieces) and pieces[place + 1].lower() == "as"
        name = unquote(pieces[place + 2]) if renamed else ""
        yield _aggregate(pieces[place], name, functions, streamed=streamed)
        place += 3 if renamed else 1


def _aggregate(call: str, name: str, functions: Mapping[str, Function], *, streamed: bool) -> Aggregate:
    match = _CALL.fullmatch(call)
    if match is None:
        raise SearchInvalid(f"the argument {shown(call)} is invalid: expected a function such as avg(field)")
    statistic = find_statistic(match["name"].lower(), streamed=streamed)
    argument = (match["argument"] or "").strip()
    if not argument and statistic.needs_field:
        raise SearchInvalid(f"{match['name']}() needs a field")
    if evaluated := _EVAL.fullmatch(argument):
        if not name:
            raise SearchInvalid(f"{call} needs AS and a name")
        return Aggregate(name, statistic.make, _evaluated(evaluated["expression"], functions))
    if not argument:
        return Aggregate(name or call, statistic.make, lambda _: (1,))
    field = unquote(unquote(argument).strip("'"))
    if "*" in field:
        if name and name.count("*") != field.count("*"):
            raise SearchInvalid(f"{shown(name)} after AS must have as many wildcards as {shown(field)}")
        return Aggregate(name or f"{match['name']}({field})", statistic.make, lambda _: (), field)
    return Aggregate(name or f"{match['name']}({field})", statistic.make, lambda row: values_of(row.get(field)))


def _evaluated(text_: str, functions: Mapping[str, Function]) -> Callable[[Fields], Iterable[Value]]:
    expression = expressions.parse_expression(text_, functions)
    if expression.boolean:
        return lambda row: (1,) if expression.evaluate(row) is True else ()
    return lambda row: values_of(expression.evaluate(row))


def _resolved(aggregate: Aggregate, names: Sequence[str]) -> Iterator[Aggregate]:
    if not aggregate.field:
        yield aggregate
        return
    pattern = captured(aggregate.field)
    for name in names:
        if match := pattern.fullmatch(name):
            yield Aggregate(
                filled(aggregate.name, match.groups(), aggregate.field, name),
                aggregate.make,
                _values_of_field(name),
                optional=True,
            )


def _values_of_field(name: str) -> Callable[[Fields], Iterable[Value]]:
    return lambda row: values_of(row.get(name))


def captured(wild: str) -> re.Pattern[str]:
    """Compile a name with wildcards; each ``*`` is a group."""
    return re.compile("(.*)".join(re.escape(part) for part in wild.split("*")), re.DOTALL)


def filled(template: str, parts: Sequence[str], wild: str = "", name: str = "") -> str:
    """Put what the wildcards matched into `template`, or the whole `name` in place of `wild`."""
    if wild and f"({wild})" in template:
        return template.replace(wild, name)
    pieces = template.split("*")
    return "".join(piece + (parts[place] if place < len(pieces) - 1 else "") for place, piece in enumerate(pieces))


__all__ = ["Aggregate", "Aggregation", "captured", "columns_of", "filled", "in_order", "parse_aggregation", "take"]
