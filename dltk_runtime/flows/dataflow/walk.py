"""Walk through one search: each command changes the forms of the rows, and leaves notes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from dltk_runtime.flows.dataflow import conditions, sense
from dltk_runtime.flows.dataflow.evaluated import derived, evaluated, narrowed
from dltk_runtime.flows.dataflow.notes import Aggregation, Notes, Read, Use
from dltk_runtime.flows.dataflow.pipe import Command, assignments, names_in, options_of
from dltk_runtime.flows.dataflow.shapes import INFO, INTERNAL, Shape, merged
from dltk_runtime.flows.dataflow.spelling import near
from dltk_runtime.flows.dataflow.stores import Stores

_RECORD = frozenset(("kind", "flow", "feature_set"))


# Commands that may give any field another value.
_REWRITING = frozenset(
    ("appendcols", "convert", "extract", "filldown", "foreach", "kv", "makemv", "map", "rangemap", "replace",
     "selfjoin", "spath", "transpose", "untable", "xmlkv", "xpath", "xyseries")
)  # fmt: skip


@dataclass(slots=True)
class Walk:
    """The forms of the rows at one point of a search, and the notes up to it."""

    stores: Stores
    own: frozenset[str] = frozenset()  # indexes that the app writes or defines
    outputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of a model: its targets
    names: frozenset[str] = frozenset()  # of the app's searches: the source of what they write
    notes: Notes = field(default_factory=Notes)
    shapes: list[Shape] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)  # fields of raw events that the command in front has asked for
    named: set[str] = field(default_factory=set)  # fields that a search, or a list of fields, names as there
    before: dict[str, str] = field(default_factory=dict)  # fields with a value of the rows in front, and whose
    listed: set[str] = field(default_factory=set)  # fields that are listed where they are null in every row
    first: bool = True

    def run(self, commands: Iterable[Command]) -> list[Shape]:
        """Walk through the commands; return the forms of the last rows."""
        for command in commands:
            asked, self.asked = self.asked, set()
            if command.name == "eval":
                self.asked = asked - self.named
            act = _ACTIONS.get(command.name)
            if act is None:
                self.shapes = [replace(shape, open=True, gone=frozenset()) for shape in self.shapes or [Shape()]]
                if command.name in _REWRITING:
                    self.shapes = [_of_any_value(shape) for shape in self.shapes]
            else:
                act(self, command)
            self.first = False
        return self.shapes

    def use(self, names: Iterable[str], command: str) -> None:
        """Note that a command names these fields."""
        for name in names:
            if "*" in name or name.startswith("$") or not self.shapes:
                continue
            known = (
                (name in INTERNAL and name != "_time")
                or name.startswith("date_")
                or any(shape.has(name) for shape in self.shapes)
            )
            other = ""
            if known and not any(name in shape.fields for shape in self.shapes):
                other = near(name, {each for shape in self.shapes for each in shape.made})
            sure = (name in INTERNAL and name != "_time") or any(name in shape.fields for shape in self.shapes)
            if command in ("search", "fields", "table"):
                self.named.add(name)
            elif command == "where" and not sure and name not in INTERNAL:
                self.asked.add(name)
            modelled = not sure and any(shape.modelled for shape in self.shapes)
            self.notes.uses.append(Use(name, command, known, other, modelled))

    def put(self, name: str, expression: str) -> None:
        """Set a field of every form by an expression."""
        self.notes.made.add(name)
        self.shapes = [evaluated(shape, name, expression) for shape in self.shapes or [Shape(open=True)]]

    def keep(self, condition: str, *, words: bool = False) -> None:
        """Keep the rows that meet a condition; 1=0 keeps none on purpose.

        With `words` it is one of ``search``, which takes capitals for small letters and has wildcards.
        """
        if sense.keeps_nothing(condition):
            self.shapes = []
            return
        self.notes.turned += sense.in_condition(self.shapes, condition)
        self.notes.never += sense.unheard(self.shapes, condition, words=words)
        met = [shape for shape in self.shapes if conditions.meets(shape, condition, words=words)]
        if self.shapes and not met:
            self.notes.never.append(condition)
            met = self.shapes
        filled = conditions.filled_by(condition)
        flag = re.fullmatch(r"\s*(\w+)\s*==?\s*1\s*", condition)
        asked = conditions.alternatives(condition)
        self.shapes = [
            replace(
                narrowed(shape, asked),
                filled=shape.filled | filled | shape.flags.get(flag[1] if flag else "", frozenset()),
                filters=(*shape.filters, derived(shape, condition)),
                nulls=shape.nulls | sense.nulls_of(condition) | shape.denied.get(flag[1] if flag else "", frozenset()),
                below=shape.below | sense.below_of(condition),
            )
            for shape in met
        ]

    def change(self, change: Callable[[Shape], Shape]) -> None:
        self.shapes = [change(shape) for shape in self.shapes]


def _of_any_value(shape: Shape) -> Shape:
    return replace(shape, values={}, nulls=frozenset(), below=frozenset())


def read_index(walk: Walk, text: str, command: str = "search", aggregation: Aggregation | None = None) -> None:
    """Begin with the records that a search for `text` finds."""
    asked = conditions.alternatives(text)
    shapes: list[Shape] = []
    for each in asked:
        index = next(iter(each.get("index", frozenset(("",)))))
        wanted = {name: values for name, values in each.items() if name not in ("index", "earliest", "latest")}
        found = walk.stores.records(index, wanted)
        stash = wanted.get("sourcetype", frozenset(("stash",))) == {"stash"} and (
            wanted.get("source", frozenset()) <= walk.names
        )
        ours = index in walk.own or bool(_RECORD & set(wanted) and walk.stores.indexes and index)
        matched = not ours or (bool(found) and stash)
        walk.notes.reads.append(Read(index, (wanted,), matched, command=command, aggregation=aggregation))
        shapes += found if ours and found else [Shape(open=True, source=f"index={index}")]
    words = [name for each in asked for name in each]
    fields = frozenset(INTERNAL - {"_key", "_user"})
    walk.shapes = [replace(shape, fields=shape.fields | fields) for shape in shapes[:24]]
    walk.named |= conditions.named_in(text)
    walk.use([name for name in words if name not in ("index", "earliest", "latest")], "search")


def _search(walk: Walk, command: Command) -> None:
    if walk.first or not walk.shapes:
        read_index(walk, command.arguments)
        return
    walk.use([name for each in conditions.alternatives(command.arguments) for name in each], "search")
    walk.keep(command.arguments, words=True)


def _where(walk: Walk, command: Command) -> None:
    walk.use(names_in(command.arguments), "where")
    walk.keep(command.arguments)


def _eval(walk: Walk, command: Command) -> None:
    for name, expression in assignments(command.arguments):
        walk.use(names_in(expression), "eval")
        walk.notes.never += sense.unheard(walk.shapes, expression)
        walk.notes.turned += sense.in_expression(walk.shapes, expression, walk.before)
        walk.notes.turned += sense.remade(walk.asked, name, expression)
        walk.put(name, expression)


def _fields(walk: Walk, command: Command) -> None:
    match = re.match(r"\s*([+-])?\s*(.*)", command.arguments, re.DOTALL)
    names = [name.strip("\"'") for name in re.split(r"[\s,]+", match[2] if match else "") if name]
    if match and match[1] == "-":
        walk.change(lambda shape: shape.without(names))
        return
    walk.use(names, command.name)
    walk.listed |= {name for shape in walk.shapes for name in names if name in shape.nulls}
    extra = ["_time", "_raw", "_indextime"] if command.name == "fields" else []
    walk.change(lambda shape: shape.only([*names, *extra]))


def _rename(walk: Walk, command: Command) -> None:
    for old, new in re.findall(
        r"""["']?([\w.*{}]+)["']?\s+[Aa][Ss]\s+["']?([\w.* {}-]+?)["']?(?=\s*,|\s|$)""", command.arguments
    ):
        if "*" in old:
            walk.change(lambda shape: replace(shape, open=True))
        else:
            walk.use([old], "rename")
            walk.notes.turned += sense.in_expression(walk.shapes, old)
            walk.notes.made.add(new)
            walk.change(lambda shape, old=old, new=new: shape.renamed(old, new))  # type: ignore[misc]


def _fillnull(walk: Walk, command: Command) -> None:
    value = options_of(command.arguments).get("value", "0")
    rest = re.sub(r"value\s*=\s*(\"[^\"]*\"|\S+)", "", command.arguments)
    names = [name for name in re.split(r"[\s,]+", rest) if name]
    walk.use(names, "fillnull")

    def fill(shape: Shape) -> Shape:
        for name in names or sorted(shape.fields):
            made, below = shape.expression(name), shape.below
            shape = shape.put(name, f"fill({value},{made})" if names else made, None, filled=True)
            shape = replace(shape, below=shape.below | {pair for pair in below if pair[0] == name and value == "0"})
        return shape

    walk.change(fill)


def _named(walk: Walk, command: Command) -> None:
    names = [word.lstrip("+-") for word in re.split(r"[\s,]+", re.sub(r"\w+=\S+", " ", command.arguments)) if word]
    plain = [re.sub(r"^(?:num|str|ip|auto)\((.*)\)$", r"\1", name) for name in names]
    fields = [name for name in plain if name and not name.isdigit() and name not in ("sortby", "d", "desc", "a", "asc")]
    walk.use(fields, command.name)
    if command.name == "dedup" and "keepempty" not in command.arguments:  # rows without the field go too
        walk.change(lambda shape: replace(shape, filled=shape.filled | set(fields)))


def _appendpipe(walk: Walk, command: Command) -> None:
    inner = replace_walk(walk)
    walk.shapes = [*walk.shapes, *inner.run(command.inner)][:24]


def replace_walk(walk: Walk) -> Walk:
    """Return a walk from here on that shares the notes."""
    return Walk(walk.stores, walk.own, walk.outputs, walk.names, walk.notes, list(walk.shapes), first=not walk.shapes)


def _append(walk: Walk, command: Command) -> None:
    inner = Walk(walk.stores, walk.own, walk.outputs, walk.names, walk.notes)
    rows = inner.run(command.inner)
    if command.name == "join":
        more = merged(rows)
        walk.change(
            lambda shape: replace(
                shape,
                fields=shape.fields | more.fields,
                nulls=frozenset() if more.open else shape.nulls - more.fields,
                open=shape.open or more.open,
            )
        )
    else:
        walk.shapes = [*walk.shapes, *rows][:24]


def _addinfo(walk: Walk, _: Command) -> None:
    for name in INFO:
        walk.change(lambda shape, name=name: shape.put(name, name, None, filled=True))  # type: ignore[misc]


def _makeresults(walk: Walk, command: Command) -> None:
    free = "format" in command.arguments or "annotate" in command.arguments
    walk.shapes = [Shape(fields=frozenset(("_time",)), open=free, filled=frozenset(("_time",)), source="makeresults")]


def _nothing(_: Walk, __: Command) -> None:
    """Change no field: the rows are cut, or shown in another order."""


_ACTIONS: dict[str, Callable[[Walk, Command], None]] = {
    "search": _search,
    "where": _where,
    "eval": _eval,
    "fields": _fields,
    "table": _fields,
    "rename": _rename,
    "fillnull": _fillnull,
    "sort": _named,
    "dedup": _named,
    "appendpipe": _appendpipe,
    "append": _append,
    "join": _append,
    "addinfo": _addinfo,
    "makeresults": _makeresults,
    "head": _nothing,
    "tail": _nothing,
    "reverse": _nothing,
}


def register(actions: Mapping[str, Callable[[Walk, Command], None]]) -> None:
    """Add the commands of another module."""
    _ACTIONS.update(actions)
