"""Chapter 5: summary indexes whose fields are indexed (``collect output_format=hec``), and ``tstats`` over them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dltk_runtime.flows.app import App
from dltk_runtime.flows.dataflow import Dataflow, dataflow
from dltk_runtime.flows.dataflow.computing import of_index
from dltk_runtime.flows.dataflow.notes import Constraints, Write
from dltk_runtime.flows.dataflow.pipe import options_of
from dltk_runtime.flows.rules.rule import Found, Rule, texts

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


def _twice(app: App, _: Sequence[App]) -> Iterator[Found]:
    """Aggregates of ``tstats`` over rows that a second run of a window writes again."""
    for text in texts(app):
        for arguments in text.of("tstats"):
            asked = re.search(r'\bkind\s*=\s*"?features\b', arguments) is not None
            once = re.search(r"\bBY\b.*\bwritten_at\b", arguments) is not None and text.has("dedup")
            if asked and of_index(arguments) and not once:
                yield Found(text.where, f"tstats {arguments.strip()[:60]}")


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
