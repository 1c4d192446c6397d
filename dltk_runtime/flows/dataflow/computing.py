"""Commands that compute over rows, read lookups, write, fit and apply."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from dltk_runtime.flows.dataflow import sense
from dltk_runtime.flows.dataflow.lookups import LOOKUPS
from dltk_runtime.flows.dataflow.notes import Aggregation, Apply, Fit, Write
from dltk_runtime.flows.dataflow.pipe import Command, masked_texts, names_in, options_of, words_of
from dltk_runtime.flows.dataflow.shapes import INTERNAL, Shape, merged
from dltk_runtime.flows.dataflow.walk import Walk, read_index
from dltk_runtime.names import STATUS, STATUS_COLUMNS

VERSION = "model_version"  # the column of with_version=t
_CALL = re.compile(r"""\b(?:[A-Za-z]\w*\(|count\b|c\b)""")
_AS = re.compile(r"""\s+[Aa][Ss]\s+("[^"]*"|'[^']*'|[\w.*]+)""")


def _aggregates(arguments: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Return calls with the names of their results, and the fields that they are grouped by."""
    parts = re.split(r"\b(?:BY|by|By|OVER|over)\s", arguments)
    calls = list(_calls(parts[0]))
    groups = [word.strip("\"',") for part in parts[1:] for word in re.split(r"[\s,]+", part) if word.strip("\"',")]
    return calls, [name for name in groups if "=" not in name and not re.match(r"span|\d", name)]


def _calls(text: str) -> Iterator[tuple[str, str]]:
    """Yield calls, with brackets in brackets, and the names of their results."""
    plain, at = masked_texts(text), 0
    while match := _CALL.search(plain, at):
        at = match.end()
        depth = int(plain[at - 1] == "(")
        while depth and at < len(plain):
            depth += (plain[at] == "(") - (plain[at] == ")")
            at += 1
        call, named = text[match.start() : at], _AS.match(text, at)
        at = named.end() if named else at
        yield call, (named[1] if named else call).strip("\"'")


def _called(call: str) -> list[str]:
    """Return the fields in the brackets of an aggregate."""
    inner = re.fullmatch(r"\w+\((.*)\)", call, re.DOTALL)
    if inner is None:
        return []
    text = inner[1].strip()
    nested = re.fullmatch(r"eval\((.*)\)", text, re.DOTALL)
    return names_in(nested[1]) if nested else [text.strip("\"'")] if text else []


def _computed(walk: Walk, shape: Shape, calls: list[tuple[str, str]]) -> Shape:
    for call, name in calls:
        fields = _called(call)
        made = f"{call.split('(')[0]}({','.join(shape.expression(each) for each in fields)})"
        filled = call.startswith(("count", "dc", "c(")) or (bool(fields) and set(fields) <= shape.filled)
        shape = shape.put(name, made, None, filled=filled)
        walk.notes.made.add(name)
    return shape


def _used(walk: Walk, command: Command) -> tuple[list[tuple[str, str]], list[str]]:
    calls, groups = _aggregates(command.arguments)
    walk.use([name for call, _ in calls for name in _called(call)], command.name)
    walk.use(groups, command.name)
    return calls, groups


def _stats(walk: Walk, command: Command) -> None:
    calls, groups = _used(walk, command)
    before = merged(walk.shapes) if walk.shapes else Shape(open=True)
    for call, _ in calls:
        walk.notes.never += sense.unheard(walk.shapes, call)
        walk.notes.turned += sense.in_expression(walk.shapes, call)
    kept = replace(
        before.only(groups),
        filled=(before.filled & set(groups)) | set(groups),
        open=False,
        below=sense.below_in(before, calls),
    )
    after = _computed(walk, replace(before, gone=frozenset()), calls)
    made = {name: after.expression(name) for name in [*groups, *(name for _, name in calls)]}
    names = {name for _, name in calls}
    filled = kept.filled | (after.filled & names)
    values = {name: texts for name, texts in kept.values.items() if name not in names}
    walk.shapes = [replace(kept, fields=kept.fields | set(groups) | names, made=made, filled=filled, values=values)]


def _eventstats(walk: Walk, command: Command) -> None:
    calls, _ = _used(walk, command)
    walk.change(lambda shape: _computed(walk, shape, calls))


def _streamstats(walk: Walk, command: Command) -> None:
    calls, _ = _used(walk, command)
    walk.change(lambda shape: _computed(walk, shape, calls))
    if options_of(command.arguments).get("current", "t") in ("f", "false", "0"):
        walk.before |= {name: fields[0] for call, name in calls if len(fields := _called(call)) == 1}


def _timechart(walk: Walk, command: Command) -> None:
    calls, groups = _used(walk, command)
    names = frozenset(name for _, name in calls) | {"_time"}
    walk.shapes = [Shape(fields=names, open=bool(groups), source="timechart")]
    walk.notes.made.update(names)


def _chart(walk: Walk, command: Command) -> None:
    _used(walk, command)
    walk.shapes = [Shape(open=True, source="chart")]


def _bin(walk: Walk, command: Command) -> None:
    words = list(words_of(command.arguments))
    walk.use(words[:1], "bin")
    if "AS" in map(str.upper, words):
        walk.put(words[-1], words[0])


def _tstats(walk: Walk, command: Command) -> None:
    text = re.split(r"\bwhere\b|\bfrom\b", command.arguments, maxsplit=1, flags=re.IGNORECASE)[0]
    calls, _ = _aggregates(text)
    tail = re.split(r"\bby\b", command.arguments, flags=re.IGNORECASE)[1:]
    groups = [word.strip("\"',") for part in tail for word in re.split(r"[\s,]+", part) if word and "=" not in word]
    spanned = {"_time"} if re.search(r"\bspan\s*=", command.arguments) else set()
    names = {name for _, name in calls} | {group for group in groups if group} | spanned
    shape = Shape(fields=frozenset(names), filled=frozenset(names), source=command.name)
    asked = re.search(r"\bwhere\b(.*?)(?:\bby\b|$)", command.arguments, re.IGNORECASE | re.DOTALL)
    if asked and (command.name == "mstats" or of_index(command.arguments)):
        aggregation = Aggregation(
            tuple(calls), tuple(filter(None, groups)), options_of(command.arguments).get("span", "")
        )
        read_index(walk, asked[1].strip(), command.name, aggregation)
        walk.use([name for call, _ in calls for name in _called(call)], command.name)
        walk.use([group for group in groups if group], command.name)
        values = merged(walk.shapes).values
        shape = replace(shape, values={name: texts for name, texts in values.items() if name in names})
    walk.shapes = [shape]


def of_index(arguments: str) -> bool:
    """Return whether ``tstats`` with these arguments reads an index, and no data model."""
    return re.search(r"\bfrom\s+datamodel", arguments, re.IGNORECASE) is None


def _collect(walk: Walk, command: Command) -> None:
    options = options_of(command.arguments)
    shapes = walk.shapes
    for name in sorted({name for shape in shapes for name in shape.nulls & shape.fields & walk.listed}):
        walk.notes.turned.append(f"{command.name} writes {name}, which is null in every row")
    if command.name == "mcollect":
        walk.use([word for word in words_of(command.arguments) if not word.startswith("`")], "mcollect")
    walk.notes.writes.append(Write(command.name, options.get("index", ""), tuple(shapes), options))


def _fit(walk: Walk, command: Command) -> None:
    options = options_of(command.arguments)
    words = [word.strip("\"'") for word in words_of(command.arguments)]
    model = words[words.index("into") + 1] if "into" in words[:-1] else ""
    words = words[: words.index("into")] if "into" in words else words
    algorithm = options.get("algo") or (words[0] if words else "")
    groups = words[words.index("by") + 1 :] if "by" in words else []
    words = words[: words.index("by")] if "by" in words else words
    # Without `from` there is no target, as for clusters.
    at = words.index("from") if "from" in words else 0
    targets = [word for word in words[1:at] if word.lower() != "as"]
    fit = Fit(
        model.rpartition(":")[2],
        targets[0] if targets else "",
        tuple(words[at + 1 :]),
        options,
        algorithm,
        merged(walk.shapes) if walk.shapes else Shape(open=True),
    )
    walk.use([*([fit.target] if fit.target else []), *fit.features, *groups], "fit")
    walk.notes.fits.append(fit)
    if fit.target:
        walk.put(f"predicted({fit.target})", f"predicted({fit.target})")
    if "algo" not in options:  # an algorithm of the toolkit adds columns of its own
        walk.change(lambda shape: replace(shape, open=True, gone=frozenset()))


def _apply(walk: Walk, command: Command) -> None:
    words = words_of(command.arguments)
    model = words[0].rpartition(":")[2] if words else ""
    native = model in walk.outputs and VERSION not in walk.outputs[model]
    walk.notes.applies.append(Apply(model, merged(walk.shapes) if walk.shapes else Shape(open=True), native))
    for name in walk.outputs.get(model, ()):
        made = (name,) if name == VERSION else (f"predicted_{name}", f"predicted({name})")
        for column in made:
            walk.put(column, column)
    if "as" in map(str.lower, words[:-1]):
        walk.put(words[-1], words[-1])
    if model == STATUS:
        columns = frozenset(("predicted_kind", *STATUS_COLUMNS))
        walk.shapes = [Shape(fields=columns, source=STATUS)]
        return
    known = VERSION in walk.outputs.get(model, ())
    walk.change(lambda shape: replace(shape, modelled=shape.modelled or known, open=True))


def _rex(walk: Walk, command: Command) -> None:
    if name := options_of(command.arguments).get("field"):
        walk.use([name], "rex")
    for name in re.findall(r"\(\?P?<(\w+)>", command.arguments):
        walk.put(name, "rex")


def _metadata(walk: Walk, command: Command) -> None:
    walk.shapes = [Shape(open=True, fields=frozenset(INTERNAL), source=command.name)]


ACTIONS: Mapping[str, Callable[[Walk, Command], None]] = {
    "stats": _stats,
    "eventstats": _eventstats,
    "streamstats": _streamstats,
    "timechart": _timechart,
    "chart": _chart,
    "bin": _bin,
    "bucket": _bin,
    "tstats": _tstats,
    "mstats": _tstats,
    **LOOKUPS,
    "collect": _collect,
    "mcollect": _collect,
    "fit": _fit,
    "apply": _apply,
    "rex": _rex,
    "datamodel": _metadata,
    "from": _metadata,
    "rest": _metadata,
}
