"""Chapter 5: summary indexes whose fields are indexed (``collect output_format=hec``), and ``tstats`` over them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

from dltk_runtime.flows.app import App
from dltk_runtime.flows.dataflow import Dataflow, SearchFlow, dataflow
from dltk_runtime.flows.dataflow.notes import Aggregation, Constraints, Write
from dltk_runtime.flows.dataflow.pipe import Command, everything_in, names_in, options_of, words_of
from dltk_runtime.flows.dataflow.shapes import LEAF, Shape
from dltk_runtime.flows.rules.rule import Found, Rule, texts
from dltk_runtime.flows.rules.windows import interval_of, seconds

_ADDING = frozenset(("c", "count", "sum", "sumsq"))
_WHEN = re.compile(r"\b(?:now\(\)|time\(\)|info_search_time|info_sid)")  # differs from one run to the next
# The manual of collect forbids them beside output_format=hec.
_FORBIDDEN = ("addtime", "host", "marker", "source", "sourcetype", "timeformat", "uselb")
_HEC = "hec"


def _other_form(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """Reads by ``tstats`` of records that are written as text, and by a search of those with indexed fields."""
    flow = dataflow(app, apps)
    for search in flow.searches:
        for read in search.notes.reads:
            indexed = read.command == "tstats"
            for asked in read.alternatives if not read.lookup else ():
                formats = {_format(write) for write in _writes(flow, read.target, asked)}
                if indexed and formats - {_HEC}:
                    yield Found(search.where, f"tstats reads {_shown(read.target, asked)}, which is written as text")
                elif not indexed and asked.keys() - {"index"} and _HEC in formats:
                    yield Found(search.where, f"a search reads {_shown(read.target, asked)}, which has indexed fields")


def _writes(flow: Dataflow, index: str, asked: Constraints) -> Iterator[Write]:
    """Yield the writes of ``collect`` that a read may find, by index and kind."""
    kinds = asked.get("kind", frozenset())
    for _, write in flow.writes():
        if write.command == "collect" and write.target == index and kinds:
            found = (shape.values.get("kind", frozenset()) for shape in write.shapes)
            if any(kinds & each for each in found):
                yield write


def _format(write: Write) -> str:
    return write.options.get("output_format", "raw")


def _shown(index: str, asked: Constraints) -> str:
    return f'index={index} kind="{"|".join(sorted(asked.get("kind", ())))}"'


def _forbidden(app: App, _: Sequence[App]) -> Iterator[Found]:
    for text in texts(app):
        for arguments in text.of("collect"):
            given = options_of(arguments)
            if given.get("output_format") == _HEC:
                yield from (Found(text.where, f"{name}=") for name in _FORBIDDEN if name in given)


def _counted(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """Rows that keep the source type of raw events: the licence counts them."""
    for search, write in dataflow(app, apps).writes():
        kept = any(shape.has("sourcetype") for shape in write.shapes)
        if kept and write.command == "collect" and _format(write) == _HEC:
            yield Found(search.where, "sourcetype reaches collect")


def _twice(app: App, apps: Sequence[App]) -> Iterator[Found]:
    """Features by ``tstats`` over records of the app: a second run of a window writes these again."""
    flow = dataflow(app, apps)
    for search in flow.searches:
        learned = _learned(flow, search)
        for read in search.notes.reads if learned else ():
            made = read.aggregation
            if read.command != "tstats" or made is None:
                continue
            calls = [call for call, name in made.calls if name in learned]
            found = [(writer, shape) for writer, _, shape in flow.found_by(read) if writer.search.scheduled]
            if found and _doubled(calls, made, found) and not _newest(search, made, [shape for _, shape in found]):
                yield Found(search.where, f"tstats {' '.join(calls)[:60]} of {read.target}")


def _learned(flow: Dataflow, search: SearchFlow) -> set[str]:
    """Return the fields of its rows that the features of a search's fits and applies are made of."""
    wanted = ((shape, name) for shape, names in flow.learned(search) for name in names)
    return {leaf for shape, name in wanted for leaf in LEAF.findall(shape.expression(name))}


def _doubled(calls: Sequence[str], made: Aggregation, found: Sequence[tuple[SearchFlow, Shape]]) -> bool:
    """Return whether a second writing changes what is computed: sums, and rows of columns from both writings."""
    if any(call.partition("(")[0] in _ADDING for call in calls):
        return True
    span = seconds(made.span)
    return len(calls) > 1 and span is not None and any(interval_of(each.search) == span for each, _ in found)


def _newest(search: SearchFlow, made: Aggregation, shapes: Sequence[Shape]) -> bool:
    """Return whether writings are told apart, and rows of one of them kept before the model sees any."""
    told = {name for name in made.groups if all(_WHEN.search(shape.expression(name)) for shape in shapes)}
    before = takewhile(lambda each: each.name not in ("fit", "apply"), everything_in(search.commands))
    return bool(told) and any(_keeps_one(each, told) for each in before if each.name != "tstats")


def _keeps_one(command: Command, told: set[str]) -> bool:
    if command.name == "dedup":
        return told.isdisjoint(words_of(command.arguments.partition("sortby")[0]))
    computed, by, groups = re.sub(r"\s+[Bb][Yy]\s+", " BY ", command.arguments).partition(" BY ")
    compared = command.name == "stats" or any(name in names_in(computed) for name in told)
    return command.name in ("stats", "eventstats") and bool(by) and compared and told.isdisjoint(words_of(groups))


RULES = (
    Rule(
        530,
        "tstats finds indexed fields alone; whether a search finds them depends on fields.conf of the search head.",
        "Write with output_format=hec what tstats reads, and read that by nothing else.",
        _other_form,
    ),
    Rule(
        531,
        "collect output_format=hec does not take these options.",
        "Leave them out; write values as fields.",
        _forbidden,
    ),
    Rule(
        532,
        "output_format=hec takes over the source type of a row: with another than stash_hec the licence counts it "
        "again.",
        "Name what goes on in front of collect: fields _time kind flow ….",
        _counted,
    ),
    Rule(
        533,
        "A second run of a window writes its rows again, and tstats adds or mixes both.",
        "Group by the writing too, and keep the newest: BY … written_at | sort 0 - written_at | dedup _time entity.",
        _twice,
    ),
)
