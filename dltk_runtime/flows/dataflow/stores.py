"""What the app's indexes and lookups hold, by what its searches write."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dltk_runtime.flows.app import App
from dltk_runtime.flows.dataflow.notes import Constraints, Write
from dltk_runtime.flows.dataflow.shapes import INTERNAL, Shape, merged


@dataclass(frozen=True, slots=True)
class Stores:
    """Shapes by index and by lookup; `columns` are those that a lookup's definition or file has."""

    indexes: Mapping[str, tuple[Shape, ...]] = field(default_factory=dict)
    lookups: Mapping[str, tuple[Shape, ...]] = field(default_factory=dict)
    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def records(self, index: str, constraints: Constraints) -> list[Shape]:
        """Return the forms of records in an index that a search for these values finds."""
        return [_narrowed(shape, constraints) for shape in self.indexes.get(index, ()) if matches(shape, constraints)]

    def rows(self, lookup: str, constraints: Constraints) -> list[Shape] | None:
        """Return the forms of a lookup's rows; None when nobody knows its columns."""
        columns = self.columns.get(lookup)
        if columns is None:
            return None
        written = self.lookups.get(lookup, ())
        held = [_stored(shape, columns) for shape in written] or [Shape(fields=columns)]
        values = merged(held).values
        loose = frozenset(name for name, texts in values.items() if len(texts) == 1)
        held = [replace(shape, loose=loose) for shape in held]
        return [_narrowed(shape, constraints) for shape in held if matches(shape, constraints)]


def matches(shape: Shape, constraints: Constraints) -> bool:
    """Return whether records of this form can have the values that a read asks for."""
    for name, wanted in constraints.items():
        if name in INTERNAL:
            continue
        if not shape.has(name) or shape.never(name, wanted):
            return False
    return True


def _narrowed(shape: Shape, constraints: Constraints) -> Shape:
    for name, wanted in constraints.items():
        if name not in INTERNAL:
            values = shape.values.get(name, wanted) & wanted or wanted
            shape = shape.put(name, shape.expression(name), values, filled=True)
    return shape


def _stored(shape: Shape, columns: frozenset[str]) -> Shape:
    kept = shape.fields & columns if not shape.open else columns
    values = {name: texts for name, texts in shape.values.items() if name in columns}
    return Shape(fields=kept | {"_key"}, values=values, source="lookup")


def stores_of(app: App, writes: Iterable[Write]) -> Stores:
    """Return what the app's indexes and lookups hold after these writes."""
    indexes: dict[str, list[Shape]] = {}
    lookups: dict[str, list[Shape]] = {}
    for write in writes:
        where = lookups if write.command == "outputlookup" else indexes
        known = where.setdefault(write.target, [])
        for record in map(_as_record, write.shapes):
            if record not in known:  # readers look at the first few forms alone
                known.append(record)
    return Stores(
        {name: tuple(shapes) for name, shapes in indexes.items()},
        {name: tuple(shapes) for name, shapes in lookups.items()},
        columns_of(app),
    )


def _as_record(shape: Shape) -> Shape:
    """Return what a reader gets back: the values, but not how they came about."""
    return Shape(
        fields=shape.fields,
        open=shape.open,
        values=shape.values,
        below=shape.below,
        loose=shape.loose,
        source="index",
    )


def columns_of(app: App) -> dict[str, frozenset[str]]:
    """Return the columns of each lookup: of its definition, else of its file in the app."""
    found = {path.name: _header(path.read_text(encoding="utf-8", errors="replace")) for path in _files(app)}
    for stanza in app.conf("transforms.conf"):
        if stanza.get("external_type") == "kvstore":
            found[stanza.name] = frozenset(re.findall(r"[\w.]+", stanza.get("fields_list"))) | {"_key"}
        elif stanza.get("filename") in found:
            found[stanza.name] = found[stanza.get("filename")]
    return found


def _files(app: App) -> list[Path]:
    return sorted((app.folder / "lookups").glob("*.csv"))


def _header(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in next(csv.reader(text.splitlines()[:1]), []))
