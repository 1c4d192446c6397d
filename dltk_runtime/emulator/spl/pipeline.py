"""Run a search: parse all of it, then pass the rows from command to command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import zip_longest
from typing import Any

import pandas as pd

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.results import Result, SearchMessage, once, warn
from dltk_runtime.emulator.spl import options, scheduled
from dltk_runtime.emulator.spl.commands import COMMANDS
from dltk_runtime.emulator.spl.context import Command, Context, Step
from dltk_runtime.emulator.spl.macros import expand
from dltk_runtime.emulator.spl.options import Reader, flag, whole
from dltk_runtime.emulator.spl.refused import CommandRefused, missing
from dltk_runtime.emulator.spl.rows import Row, frame_of, rows_of
from dltk_runtime.emulator.spl.split import CommandCall, split
from dltk_runtime.errors import shown

MAX_SEARCH_CHARACTERS = 100_000  # as typed; parsing takes about ten microseconds for each
MAX_SUBSEARCH_ROWS = 50_000


def run(search: str, context: Context, commands: Mapping[str, Command] = COMMANDS) -> Result:
    """Run `search` and return its rows and messages.

    A failed call of the container yields a message of level ERROR and unchanged rows, as in Splunk.

    Raises:
        SearchInvalid: the text is wrong; no command has run.
        CommandUnknown: a command is not in `commands`; no command has run.
        SearchError: a lookup file is missing, or cannot be read or written.
    """
    result = _run_steps(prepare(search, context, commands), pd.DataFrame())
    return Result(result.frame, once(result.messages))


def prepare(search: str, context: Context, commands: Mapping[str, Command] = COMMANDS) -> list[Step]:
    """Parse `search` into steps; raises as `run` does."""
    if len(search) > MAX_SEARCH_CHARACTERS:
        raise SearchInvalid(f"the search has more than {MAX_SEARCH_CHARACTERS:,} characters")
    return _prepared(split(expand(search, context.macros)), context, commands)


def _prepared(stages: list[CommandCall], context: Context, commands: Mapping[str, Command]) -> list[Step]:
    _check_names(stages, context, commands)
    _check_order(stages, commands)
    return [_step(stage, context, commands) for stage in stages]


def _run_steps(steps: Iterable[Step], frame: pd.DataFrame) -> Result:
    messages: list[SearchMessage] = []
    for step in steps:
        result = step(frame)
        frame = result.frame
        messages += result.messages
    return Result(frame, tuple(messages))


def _check_names(stages: list[CommandCall], context: Context, commands: Mapping[str, Command]) -> None:
    for stage in stages:
        if context.repeatable and stage.name in scheduled.REFUSED:
            raise CommandRefused(stage.name, scheduled.REFUSED[stage.name])
        if stage.name not in commands and stage.name not in _NESTED:
            raise missing(stage.name, (*commands, *_NESTED))


def _check_order(stages: list[CommandCall], commands: Mapping[str, Command]) -> None:
    generating = ", ".join(sorted(name for name, command in commands.items() if command.generates))
    for number, stage in enumerate(stages):
        command = commands.get(stage.name)
        generates = command is not None and command.generates
        if command and generates and number > 0 and not command.follows(stage.arguments):
            raise SearchInvalid("this command must be the first of a search", stage.name)
        if not generates and number == 0:
            raise SearchInvalid(f"no input rows: start the search with one of {generating}", stage.name)


def _step(stage: CommandCall, context: Context, commands: Mapping[str, Command]) -> Step:
    try:
        if context.repeatable:
            scheduled.check(stage.name, stage.arguments)
        if stage.name in _NESTED:
            return _NESTED[stage.name](stage.arguments, context, commands)
        return commands[stage.name].prepare(stage.arguments, context)
    except SearchInvalid as error:
        raise error if error.command else SearchInvalid(error.problem, stage.name) from error


def _appendpipe(arguments: str, context: Context, commands: Mapping[str, Command]) -> Step:
    """Append the rows that the pipeline in brackets makes of the given rows."""
    _, text = _brackets(arguments, {}, "appendpipe [ stats count AS rows ]")
    stages = split("| " + text.removeprefix("|"))
    _check_names(stages, context, commands)
    steps = [_step(stage, context, commands) for stage in stages]

    def step(frame: pd.DataFrame) -> Result:
        result = _run_steps(steps, frame)
        return Result(frame_of(rows_of(frame) + rows_of(result.frame), frame.columns), result.messages)

    return step


def _append(arguments: str, context: Context, commands: Mapping[str, Command]) -> Step:
    """Append the rows of another search."""
    given, text = _brackets(arguments, {"maxout": whole, "maxtime": whole}, "append [| inputlookup a.csv]")
    steps = _prepared(split(text), context, commands)
    most = given.get("maxout", MAX_SUBSEARCH_ROWS)

    def step(frame: pd.DataFrame) -> Result:
        result = _cut(_run_steps(steps, pd.DataFrame()), most)
        return Result(frame_of(rows_of(frame) + rows_of(result.frame), frame.columns), result.messages)

    return step


def _appendcols(arguments: str, context: Context, commands: Mapping[str, Command]) -> Step:
    """Add the fields of another search's rows, the first to the first; internal fields are left out."""
    readers = {"maxout": whole, "maxtime": whole, "override": flag}
    given, text = _brackets(arguments, readers, "appendcols [| inputlookup a.csv]")
    steps = _prepared(split(text), context, commands)
    most, override = given.get("maxout", MAX_SUBSEARCH_ROWS), given.get("override", False)

    def step(frame: pd.DataFrame) -> Result:
        result = _cut(_run_steps(steps, pd.DataFrame()), most)
        added = [{name: row[name] for name in row if name[:1] != "_"} for row in rows_of(result.frame)]
        pairs: Iterable[tuple[Row, Row]] = zip_longest(rows_of(frame), added, fillvalue={})
        rows = [
            left | right if override else right | {name: value for name, value in left.items() if value is not None}
            for left, right in pairs
        ]
        return Result(frame_of(rows, frame.columns), result.messages)

    return step


def _brackets(arguments: str, readers: Mapping[str, Reader], example: str) -> tuple[dict[str, Any], str]:
    """Return the options before the pipeline in brackets, and its text."""
    before, bracket, rest = arguments.strip().partition("[")
    if not bracket or not rest.endswith("]"):
        raise SearchInvalid(f"expected a pipeline in brackets: {example}")
    given, words = options.split(before, readers)
    if words:
        raise SearchInvalid(f"expected a pipeline in brackets: {example}, got {shown(words[0])} before it")
    return given, rest[:-1].strip()


def _cut(result: Result, most: int) -> Result:
    """Keep the rows that Splunk keeps of a subsearch."""
    lost = len(result.frame) - most
    if lost <= 0:
        return result
    text = f"a subsearch returns at most {most:,} rows: {lost:,} are lost"
    return Result(result.frame.head(most), (*result.messages, warn(text)))


_NESTED: Mapping[str, Callable[[str, Context, Mapping[str, Command]], Step]] = {
    "append": _append,
    "appendcols": _appendcols,
    "appendpipe": _appendpipe,
}
NESTED_FORMS: Mapping[str, tuple[str, ...]] = {
    "append": ("append [maxout=<n>] [maxtime=<n>] [<a search>]",),
    "appendcols": ("appendcols [override=<bool>] [maxout=<n>] [maxtime=<n>] [<a search>]",),
    "appendpipe": ("appendpipe [<commands>]",),
}
