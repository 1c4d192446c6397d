"""The commands that run here, one function each, and their table.

A function parses the arguments and returns a step; it raises `SearchInvalid` before any row is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dltk_runtime.emulator.arguments import Option, parse_arguments, parse_count, plain_words
from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk import grammar, request
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.spl import expressions, indexing, kvlookups, shaping
from dltk_runtime.emulator.spl.context import Command, Context, Step
from dltk_runtime.emulator.spl.rows import rows_of
from dltk_runtime.errors import shown

# Bounds the memory of one search.
MAX_MADE_ROWS = 10_000_000


def fit(arguments: str, context: Context) -> Step:
    """Train a model in the container."""
    parsed = grammar.parse_fit(arguments)
    return lambda frame: context.mltk.fit(frame, parsed)


def apply(arguments: str, context: Context) -> Step:
    """Score the rows with a model of the container."""
    parsed = grammar.parse_apply(arguments)
    stub = context.mltk.stubs.read(parsed.model)
    return lambda frame: context.mltk.apply(frame, parsed, stub)


def summary(arguments: str, context: Context) -> Step:
    """Read the summary of a model."""
    stub = context.mltk.stubs.read(grammar.parse_model(arguments, "summary"))
    return lambda _: context.mltk.summary(stub)


def listmodels(arguments: str, context: Context) -> Step:
    """List the stubs."""
    grammar.parse_nothing(arguments)
    return lambda _: context.mltk.listmodels()


def deletemodel(arguments: str, context: Context) -> Step:
    """Remove a stub."""
    name = grammar.parse_model(arguments, "deletemodel")
    context.mltk.stubs.require(name)
    return lambda _: context.mltk.deletemodel(name)


def head(arguments: str, _: Context) -> Step:
    """Keep the first rows, 10 by default."""
    rows = _count(arguments) if arguments.strip() else 10
    return lambda frame: Result(frame.head(rows))


def makeresults(arguments: str, context: Context) -> Step:
    """Create rows with the field ``_time`` only."""
    given = _parameters(arguments, ("count",))
    rows = _count(given.get("count", "1"))
    if rows > MAX_MADE_ROWS:
        raise SearchInvalid(f"count={rows} exceeds the maximum of {MAX_MADE_ROWS:,} rows")
    return lambda _: Result(pd.DataFrame({"_time": [int(context.clock())] * rows}))


def table(arguments: str, _: Context) -> Step:
    """Select columns in the given order; a missing one is empty."""
    names = _names(arguments)
    return lambda frame: Result(frame.reindex(columns=_present(names, frame, missing=True)))


def fields(arguments: str, _: Context) -> Step:
    """Keep columns and all that start with an underscore, or with ``-`` drop columns."""
    text = arguments.strip()
    sign, rest = (text[0], text[1:]) if text[:1] in {"+", "-"} else ("+", text)
    names = _names(rest)
    if sign == "-":
        return lambda frame: Result(frame.drop(columns=_present(names, frame)))

    def step(frame: pd.DataFrame) -> Result:
        kept = _present(names, frame)
        internal = [column for column in frame.columns if column.startswith("_") and column not in kept]
        return Result(frame[kept + internal])

    return step


def where(arguments: str, context: Context) -> Step:
    """Keep the rows for which the condition is true, not false or null."""
    condition = expressions.parse_condition(arguments, context.eval_functions())

    def step(frame: pd.DataFrame) -> Result:
        kept = [condition.evaluate(row) is True for row in rows_of(frame)]
        return Result(frame[pd.Series(kept, index=frame.index, dtype=bool)])

    return step


def eval_(arguments: str, context: Context) -> Step:
    """Compute fields; each assignment sees those before it."""
    assignments = expressions.parse_assignments(arguments, context.eval_functions())

    def step(frame: pd.DataFrame) -> Result:
        rows = rows_of(frame)
        frame = frame.copy()
        for name, expression in assignments:
            values = [expression.evaluate(row) for row in rows]
            for row, value in zip(rows, values, strict=True):
                row[name] = value
            frame[name] = pd.Series(values, index=frame.index, dtype=object)
        return Result(frame)

    return step


COMMANDS: Mapping[str, Command] = {
    "addinfo": Command(indexing.addinfo),
    "apply": Command(apply),
    "bin": Command(shaping.bin_),
    "collect": Command(indexing.collect),
    "dedup": Command(shaping.dedup),
    "deletemodel": Command(deletemodel, generates=True),
    "eval": Command(eval_),
    "eventstats": Command(shaping.eventstats),
    "fields": Command(fields),
    "fillnull": Command(shaping.fillnull),
    "fit": Command(fit),
    "head": Command(head),
    "inputlookup": Command(kvlookups.inputlookup, generates=True, follows=kvlookups.appends),
    "listmodels": Command(listmodels, generates=True),
    "lookup": Command(kvlookups.lookup),
    "makeresults": Command(makeresults, generates=True),
    "outputlookup": Command(kvlookups.outputlookup),
    "rename": Command(shaping.rename),
    "sample": Command(shaping.sample),
    "search": Command(indexing.search, generates=True, follows=lambda _: True),
    "sort": Command(shaping.sort),
    "stats": Command(shaping.stats),
    "streamstats": Command(shaping.streamstats),
    "summary": Command(summary, generates=True),
    "table": Command(table),
    "where": Command(where),
}


def _present(names: Sequence[str], frame: pd.DataFrame, *, missing: bool = False) -> list[str]:
    """Return the columns that match `names`; with `missing`, also names that match no column."""
    found: list[str] = []
    for name in names:
        pattern = request.glob(name)
        matches = [column for column in frame.columns if pattern.fullmatch(column)]
        found += matches or ([name] if missing and "*" not in name else [])
    return list(dict.fromkeys(found))


def _names(arguments: str) -> list[str]:
    names = plain_words(arguments)
    if not names:
        raise SearchInvalid("expected names of fields separated by blanks or commas")
    return names


def _parameters(arguments: str, known: Sequence[str]) -> dict[str, str]:
    given = {}
    for token in parse_arguments(arguments):
        if not isinstance(token, Option) or token.key not in known:
            raise SearchInvalid(
                f"only {', '.join(f'{key}=' for key in known)} is understood here, got {shown(arguments)}"
            )
        given[token.key] = token.value
    return given


def _count(text: str) -> int:
    count = parse_count(text.strip())
    if count is None:
        raise SearchInvalid(f"expected an integer, got {shown(text.strip())}")
    return count
