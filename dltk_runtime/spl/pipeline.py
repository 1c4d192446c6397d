"""Run a search: check all of it, then hand the rows from command to command."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from dltk_runtime.errors import CommandUnknown, SearchInvalid
from dltk_runtime.mltk.results import Message, Result, once
from dltk_runtime.spl.commands import COMMANDS
from dltk_runtime.spl.context import Command, Context, Step
from dltk_runtime.spl.split import Stage, split


def run(search: str, context: Context, commands: Mapping[str, Command] = COMMANDS) -> Result:
    """The rows and messages of `search`.

    A call to the container that fails is a message of level ERROR beside unchanged rows, as in Splunk.

    Raises:
        SearchInvalid: the text is wrong somewhere; nothing has run.
        CommandUnknown: a command that is not in `commands`; nothing has run.
        SearchError: a lookup file is missing or cannot be read or written.
    """
    steps = prepare(search, context, commands)
    frame = pd.DataFrame()
    messages: list[Message] = []
    for step in steps:
        result = step(frame)
        frame = result.frame
        messages += result.messages
    return Result(frame, once(messages))


def prepare(search: str, context: Context, commands: Mapping[str, Command] = COMMANDS) -> list[Step]:
    """The steps of `search`, all of them checked; raises as `run` does."""
    stages = split(search)
    for stage in stages:
        if stage.name not in commands:
            raise CommandUnknown(stage.name, commands)
    _check_order(stages, commands)
    return [_prepared(stage, commands[stage.name], context) for stage in stages]


def _check_order(stages: list[Stage], commands: Mapping[str, Command]) -> None:
    generating = ", ".join(sorted(name for name, command in commands.items() if command.generates))
    for number, stage in enumerate(stages):
        if commands[stage.name].generates and number > 0:
            raise SearchInvalid("this command must be the first of a search", stage.name)
        if not commands[stage.name].generates and number == 0:
            raise SearchInvalid(f"there are no rows to work on. Begin the search with one of {generating}", stage.name)


def _prepared(stage: Stage, command: Command, context: Context) -> Step:
    try:
        return command.prepare(stage.arguments, context)
    except SearchInvalid as error:
        raise SearchInvalid(error.problem, stage.name) from error
