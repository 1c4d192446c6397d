"""Run a search: parse all of it, then pass the rows from command to command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from dltk_runtime.emulator.errors import CommandUnknown, SearchInvalid
from dltk_runtime.emulator.mltk.results import Result, SearchMessage, once
from dltk_runtime.emulator.spl.commands import COMMANDS
from dltk_runtime.emulator.spl.context import Command, Context, Step
from dltk_runtime.emulator.spl.macros import expand
from dltk_runtime.emulator.spl.refused import LEFT_OUT, REFUSED, CommandRefused
from dltk_runtime.emulator.spl.rows import frame_of, rows_of
from dltk_runtime.emulator.spl.split import CommandCall, split

APPENDPIPE = "appendpipe"
MAX_SEARCH_CHARACTERS = 100_000  # as typed; parsing takes about ten microseconds for each


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
    stages = split(expand(search, context.macros))
    _check_names(stages, commands)
    _check_order(stages, commands)
    return [_prepared(stage, context, commands) for stage in stages]


def _run_steps(steps: Iterable[Step], frame: pd.DataFrame) -> Result:
    messages: list[SearchMessage] = []
    for step in steps:
        result = step(frame)
        frame = result.frame
        messages += result.messages
    return Result(frame, tuple(messages))


def _check_names(stages: list[CommandCall], commands: Mapping[str, Command]) -> None:
    for stage in stages:
        if stage.name in commands or stage.name == APPENDPIPE:
            continue
        if reason := REFUSED.get(stage.name) or LEFT_OUT.get(stage.name):
            raise CommandRefused(stage.name, reason)
        raise CommandUnknown(stage.name, (*commands, APPENDPIPE))


def _check_order(stages: list[CommandCall], commands: Mapping[str, Command]) -> None:
    generating = ", ".join(sorted(name for name, command in commands.items() if command.generates))
    for number, stage in enumerate(stages):
        command = commands.get(stage.name)
        generates = command is not None and command.generates
        if command and generates and number > 0 and not command.follows(stage.arguments):
            raise SearchInvalid("this command must be the first of a search", stage.name)
        if not generates and number == 0:
            raise SearchInvalid(f"no input rows: start the search with one of {generating}", stage.name)


def _prepared(stage: CommandCall, context: Context, commands: Mapping[str, Command]) -> Step:
    try:
        if stage.name == APPENDPIPE:
            return _appendpipe(stage.arguments, context, commands)
        return commands[stage.name].prepare(stage.arguments, context)
    except SearchInvalid as error:
        raise error if error.command else SearchInvalid(error.problem, stage.name) from error


def _appendpipe(arguments: str, context: Context, commands: Mapping[str, Command]) -> Step:
    """Append the rows that the pipeline in brackets makes of the given rows."""
    text = arguments.strip()
    if not (text.startswith("[") and text.endswith("]")):
        raise SearchInvalid("expected a pipeline in brackets: appendpipe [ stats count AS rows ]")
    stages = split("| " + text[1:-1].strip().removeprefix("|"))
    _check_names(stages, commands)
    steps = [_prepared(stage, context, commands) for stage in stages]

    def step(frame: pd.DataFrame) -> Result:
        result = _run_steps(steps, frame)
        return Result(frame_of(rows_of(frame) + rows_of(result.frame), frame.columns), result.messages)

    return step
