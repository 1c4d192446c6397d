"""Commands that read and write lookups."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from dltk_runtime.flows.dataflow import conditions
from dltk_runtime.flows.dataflow.notes import Read, Write
from dltk_runtime.flows.dataflow.pipe import Command, options_of, words_of
from dltk_runtime.flows.dataflow.shapes import Shape
from dltk_runtime.flows.dataflow.walk import Walk

# Options are before the name or behind it.
_READ = re.compile(
    r"(?:\s*\w+=\S+)*\s*([^\s=]+)(?:\s+\w+=\S+)*(?:\s+where\s+(.*))?",
    re.DOTALL | re.IGNORECASE,
)


def _lookup(walk: Walk, command: Command) -> None:
    text = re.sub(r"\b(?:local|update|event_time_field)=\S+", " ", command.arguments)
    match = re.match(r"\s*(\S+)\s*(.*?)(?:\bOUTPUT(?:NEW)?\b(.*))?$", text, re.DOTALL)
    if match is None:
        return
    columns = walk.stores.columns.get(match[1])
    keys, made = _pairs(match[2]), _pairs(match[3] or "")
    walk.use([outer for _, outer in keys], "lookup")
    rows = walk.stores.rows(match[1], {})
    walk.notes.reads.append(Read(match[1], ({},), lookup=True))
    if columns is not None:
        known = {name for row in rows or () for name in row.fields} | ({"_key"} if "_key" in columns else set())
        for name in [inner for inner, _ in [*keys, *made] if inner not in known]:
            walk.notes.never.append(f"lookup {match[1]} {name}")
    names = [outer for _, outer in made] or sorted(columns or ())
    for name in names:
        values = _values(rows or [], made_of(made, name))
        walk.change(lambda shape, name=name, values=values: _looked_up(shape, name, values))  # type: ignore[misc]
        walk.notes.made.add(name)
    if not made and columns is None:
        walk.change(lambda shape: replace(shape, open=True))


def _looked_up(shape: Shape, name: str, values: frozenset[str]) -> Shape:
    shape = shape.put(name, f"<{name}>", values or None, filled=False)
    return replace(shape, loose=shape.loose | ({name} if len(values) == 1 else set()))


def _values(rows: list[Shape], column: str) -> frozenset[str]:
    """Return the texts of a column, none where one of its writers may write any."""
    known = [row.values.get(column, frozenset()) for row in rows if column in row.fields]
    return frozenset().union(*known) if all(known) else frozenset()


def made_of(pairs: list[tuple[str, str]], name: str) -> str:
    """Return the column behind a field of ``OUTPUT``."""
    return next((inner for inner, outer in pairs if outer == name), name)


def _pairs(text: str) -> list[tuple[str, str]]:
    """Return pairs of column and field: ``a AS b c`` are (a, b) and (c, c)."""
    found = re.findall(r"""["']?([\w.]+)["']?(?:\s+[Aa][Ss]\s+["']?([\w.]+)["']?)?""", text)
    return [(column, name or column) for column, name in found]


def _inputlookup(walk: Walk, command: Command) -> None:
    match = _READ.match(command.arguments)
    if match is None:
        return
    asked = conditions.alternatives(match[2]) if match[2] else ({},)
    columns = walk.stores.columns.get(match[1])
    shapes: list[Shape] = []
    for each in asked:
        rows = walk.stores.rows(match[1], each)
        matched = rows is None or bool(rows)
        walk.notes.reads.append(Read(match[1], (each,), matched=matched, lookup=True))
        shapes += rows or [Shape(open=True) if columns is None else Shape(fields=columns)]
        for name in sorted(set(each) - columns) if columns is not None else ():
            walk.notes.never.append(f"inputlookup {match[1]} where {name}")
    shapes = [replace(shape, source=f"lookup {match[1]}") for shape in shapes]
    walk.shapes = (
        [*walk.shapes, *shapes] if options_of(command.arguments).get("append") in ("t", "true", "1") else shapes
    )


def _outputlookup(walk: Walk, command: Command) -> None:
    words = words_of(command.arguments)
    if words:
        walk.notes.writes.append(Write("outputlookup", words[-1], tuple(walk.shapes), options_of(command.arguments)))


LOOKUPS: Mapping[str, Callable[[Walk, Command], None]] = {
    "lookup": _lookup,
    "inputlookup": _inputlookup,
    "outputlookup": _outputlookup,
}
