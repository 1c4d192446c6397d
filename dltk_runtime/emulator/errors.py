"""Errors of searches. Each takes facts and writes its own sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from dltk_runtime.errors import DltkError, nearest, shown


class SearchError(DltkError):
    """A search that `dltk search` cannot run."""


class SearchInvalid(SearchError):
    """The text of a search is wrong; the pipeline adds `command`, in the form that Splunk shows."""

    def __init__(self, problem: str, command: str = "") -> None:
        super().__init__(f"Error in '{command}' command: {problem}" if command else problem)
        self.problem = problem
        self.command = command


class CommandUnknown(SearchError):
    """A command that runs in Splunk only."""

    def __init__(self, command: str, known: Iterable[str], what: str = "The command") -> None:
        names = sorted(known)
        super().__init__(
            f"{what} {command!r} is none of those that run here ({', '.join(names)}).{nearest(command, names)} "
            "Run this search in Splunk, or save what comes before the command as CSV there and start from inputlookup."
        )


class LookupUnknown(SearchError):
    """A CSV file that is in none of the lookup folders."""

    def __init__(self, name: str, looked_in: Sequence[Path], known: Iterable[str]) -> None:
        folders = ", ".join(str(folder) for folder in looked_in)
        super().__init__(
            f"No lookup file {shown(name)} in {folders}.{nearest(name, known)} "
            "Copy the CSV file into one of them, or give its path relative to the current folder."
        )
