"""``tstats``: statistics over indexed fields, without the text of events.

Of an event of an index that are its time, host, source and source type, and the fields of what
``collect output_format=hec`` wrote. Data models are in Splunk only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from dltk_runtime.emulator.arguments import split_options
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.lexer import Kind, lex
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.spl import options
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.filters import parse_filter
from dltk_runtime.emulator.spl.indexing import require_index
from dltk_runtime.emulator.spl.options import Reader, flag, whole
from dltk_runtime.emulator.spl.rows import frame_of
from dltk_runtime.emulator.spl.statistics import buckets, stats
from dltk_runtime.texts import unquote

_CLAUSES = {"FROM": "FROM", "WHERE": "WHERE", "BY": "BY", "GROUPBY": "BY"}
# All but the first choose among summaries, buckets and servers of a real Splunk, and change no result here.
_READERS: Mapping[str, Reader] = {
    "fillnull_value": str,
    "allow_old_summaries": flag,
    "chunk_size": whole,
    "include_reduced_buckets": flag,
    "local": flag,
    "summariesonly": flag,
}
# The functions in the manual's table of tstats; percentages follow a name.
_NAMES = """avg count dc distinct_count estdc exactperc max median min mode perc range stdev stdevp sum sumsq upperperc
var varp first last values earliest earliest_time latest latest_time rate"""
_FUNCTIONS = frozenset(_NAMES.split())
_CALL = re.compile(r"([A-Za-z_]+)\d*(?:\.\d+)?\s*\(")


@dataclass(frozen=True, slots=True)
class _Parsed:
    functions: str
    where: str
    groups: tuple[str, ...]
    span: str
    filled: str | None


def tstats(arguments: str, context: Context) -> Step:
    """Compute statistics over the indexed fields of an index, one row per group."""
    parsed = _parse(arguments)
    wanted = parse_filter(parsed.where, fold=True)
    index = wanted.fixed.get("index")
    if index is None:
        raise SearchInvalid("WHERE index=<name> is wanted: the default indexes of a role are in Splunk only")
    require_index(index, context)
    by = f" BY {' '.join(parsed.groups)}" if parsed.groups else ""
    computed = stats.stats(f"{parsed.functions}{by}", context)
    binned = buckets.bin_(f"_time span={parsed.span}", context) if parsed.span else None

    def step(_: pd.DataFrame) -> Result:
        events = context.storage.indexes[index].events(context.window)
        rows = [row for event in events if wanted.keeps(row := event.indexed_row(index))]
        if parsed.filled is not None:
            empty = dict.fromkeys(map(unquote, parsed.groups), parsed.filled)
            rows = [empty | row for row in rows]
        frame = frame_of(rows)
        return computed(binned(frame).frame if binned and rows else frame)

    return step


def _parse(arguments: str) -> _Parsed:
    clauses = _clauses(arguments)
    if "FROM" in clauses:
        raise SearchInvalid("FROM runs in Splunk only: there is no data model here")
    if "WHERE" not in clauses:
        raise SearchInvalid("WHERE index=<name> is wanted: the default indexes of a role are in Splunk only")
    given, functions = split_options(clauses[""], tuple(_READERS))
    for key, value in given.items():
        _READERS[key](value)
    if re.search(r"\bPREFIX\s*\(", arguments, re.IGNORECASE):
        raise SearchInvalid("PREFIX() runs in Splunk only: how it cuts the text of events is not emulated")
    for name in _CALL.findall(functions):
        if name.lower() not in _FUNCTIONS:
            raise SearchInvalid(f"the function {name}() is none of tstats")
    if "*" in functions:
        raise SearchInvalid("tstats takes no wildcards for names of fields")
    spans, groups = options.split(clauses.get("BY", ""), {"span": str})
    if "BY" in clauses and not groups:
        raise SearchInvalid("expected names of fields after BY")
    if ("_time" in groups) != ("span" in spans):
        raise SearchInvalid("write BY _time span=<n>(s|m|h|d|mon): Splunk chooses a span otherwise")
    return _Parsed(functions, clauses["WHERE"], tuple(groups), spans.get("span", ""), given.get("fillnull_value"))


def _clauses(arguments: str) -> Mapping[str, str]:
    """Return the text of each clause; of "" what is before the first."""
    found: dict[str, str] = {}
    name, begin, depth = "", 0, 0
    for token in lex(arguments):
        depth += (token.kind is Kind.OPENING) - (token.kind is Kind.CLOSING)
        if token.kind is Kind.WORD and not depth and token.text.upper() in _CLAUSES:
            found[name] = arguments[begin : token.start].strip()
            name, begin = _CLAUSES[token.text.upper()], token.start + len(token.text)
            if name in found:
                raise SearchInvalid(f"{name} is given twice")
    found[name] = arguments[begin:].strip()
    return found
