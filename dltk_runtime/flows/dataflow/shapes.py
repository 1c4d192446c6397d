"""The forms that rows of a search may have."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from dltk_runtime.flows.dataflow.spelling import one_slip

INTERNAL = frozenset(
    [
        "_time",
        "_raw",
        "_indextime",
        "_cd",
        "_bkt",
        "index",
        "host",
        "source",
        "sourcetype",
        "splunk_server",
        "linecount",
        "punct",
        "_key",
        "_user",
        "timestamp",
        "eventtype",
        "tag",
    ]
)
INFO = ("info_min_time", "info_max_time", "info_sid", "info_search_time")
LEAF = re.compile(r"<([^\W\d][^<>]*)>")  # a field of the source, in an expression
_MAX_EXPRESSION = 600


@dataclass(frozen=True, slots=True)
class Shape:
    """One form of rows.

    `fields` are those that are there, `open` says that others may be. `values` are the texts that
    a field may have; `made` says by which expression a field came about; `filled` are those without
    nulls; `filters` the conditions that rows have passed.
    """

    fields: frozenset[str] = frozenset()
    open: bool = False
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    made: Mapping[str, str] = field(default_factory=dict)
    filled: frozenset[str] = frozenset()
    filters: tuple[str, ...] = ()
    flags: Mapping[str, frozenset[str]] = field(default_factory=dict)  # what is not null where the field is 1
    denied: Mapping[str, frozenset[str]] = field(default_factory=dict)  # what is null where the field is 1
    gone: frozenset[str] = frozenset()
    nulls: frozenset[str] = frozenset()  # what is null in every row
    below: frozenset[tuple[str, str]] = frozenset()  # pairs of which the first is never above the second
    loose: frozenset[str] = frozenset()  # of a lookup, where searches write one text alone: people write others
    modelled: bool = False  # a model has added columns that only the notebook knows
    source: str = ""

    def has(self, name: str) -> bool:
        """Return whether a row of this form can have the field."""
        return name in self.fields or (self.open and name not in self.gone)

    def never(self, name: str, texts: Collection[str]) -> bool:
        """Return whether the field has none of these texts; where others write it, too, slips alone count."""
        known = self.values.get(name)
        if known is None or known & set(texts):
            return False
        return name not in self.loose or any(one_slip(text, other) for text in texts for other in known)

    def spelled(self, name: str, text: str) -> str:
        """Return a text as the field has it: ``search`` takes capitals for small letters."""
        return next((each for each in self.values.get(name, ()) if each.lower() == text.lower()), text)

    def expression(self, name: str) -> str:
        """Return how the field came about; a field of the source is its name in corners."""
        return self.made.get(name, f"<{name}>")

    def put(self, name: str, expression: str, values: Collection[str] | None, *, filled: bool) -> Shape:
        """Return the shape with a field set."""
        kept = {key: value for key, value in self.values.items() if key != name}
        return replace(
            self,
            fields=self.fields | {name},
            values=kept | ({name: frozenset(values)} if values else {}),
            made={**self.made, name: expression[:_MAX_EXPRESSION]},
            filled=self.filled | {name} if filled else self.filled - {name},
            gone=self.gone - {name},
            nulls=self.nulls - {name},
            loose=self.loose - {name},
            below=frozenset(pair for pair in self.below if name not in pair),
        )

    def without(self, patterns: Iterable[str]) -> Shape:
        """Return the shape without the fields that match."""
        wanted = list(patterns)
        out = {name for name in self.fields for pattern in wanted if fnmatchcase(name, pattern)}
        named = {pattern for pattern in wanted if "*" not in pattern}
        return replace(self, fields=self.fields - out, gone=self.gone | out | named)

    def only(self, patterns: Iterable[str]) -> Shape:
        """Return the shape with no other fields than those that match."""
        wanted = list(patterns)
        named = {pattern for pattern in wanted if "*" not in pattern and self.has(pattern)}
        wild = {name for name in self.fields for pattern in wanted if "*" in pattern and fnmatchcase(name, pattern)}
        still_open = self.open and any("*" in pattern for pattern in wanted)
        return replace(self, fields=frozenset(named | wild), open=still_open)

    def renamed(self, old: str, new: str) -> Shape:
        """Return the shape with a field under another name."""
        moved = self.put(new, self.expression(old), self.values.get(old), filled=old in self.filled)
        return replace(moved, loose=moved.loose | ({new} if old in self.loose else set())).without([old])


def merged(shapes: Iterable[Shape]) -> Shape:
    """Return one form with the fields of all."""
    found = list(shapes)
    made: dict[str, str] = {}
    values: dict[str, frozenset[str]] = {}
    for shape in found:
        made |= shape.made
        for name, texts in shape.values.items():
            values[name] = values.get(name, frozenset()) | texts
    known = {name for name in values if all(name in shape.values or name not in shape.fields for shape in found)}
    return Shape(
        fields=frozenset().union(*(shape.fields for shape in found)) if found else frozenset(),
        open=any(shape.open for shape in found),
        values={name: values[name] for name in known},
        made=made,
        filled=frozenset.intersection(*(shape.filled for shape in found)) if found else frozenset(),
        filters=found[0].filters if found else (),
        gone=frozenset.intersection(*(shape.gone for shape in found)) if found else frozenset(),
        nulls=frozenset.intersection(*(shape.nulls for shape in found)) if found else frozenset(),
        below=frozenset.intersection(*(shape.below for shape in found)) if found else frozenset(),
        loose=frozenset().union(*(shape.loose for shape in found)) if found else frozenset(),
        modelled=any(shape.modelled for shape in found),
        source=found[0].source if found else "",
    )


def flat(expression: str) -> str:
    """Return an expression without blanks, for comparisons."""
    return re.sub(r"\s+", "", expression)
