"""Splunk's JSON results, line by line: one document a line, rows and messages mixed.

splunk-sdk's `JSONResultsReader` reads the whole answer before it gives its first row; this reads as it comes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dltk_runtime.splunk.errors import AnswerUnreadable, SearchFailed

Row = dict[str, Any]  # Splunk's values: text, or a list of texts where a field has several
FAILURES = {"FATAL", "ERROR"}


class SplunkWarning(UserWarning):
    """What Splunk warns of: the search went on, perhaps with fewer rows than there are."""


class Message(msgspec.Struct, frozen=True):
    """One message of a search: ``type`` is DEBUG, INFO, WARN, ERROR or FATAL."""

    type: str = "ERROR"
    text: str | None = ""


class _Line(msgspec.Struct):
    preview: bool = False
    lastrow: bool = False
    result: Row | None = None
    results: list[Row] = []
    messages: list[Message] = []


_decode = msgspec.json.Decoder(_Line).decode_lines


@dataclass(slots=True)
class Rows:
    """The rows in `lines`, each of which may be several lines with their newlines.

    What was said beside the rows gathers in `messages`, and `ended` turns true at the last row.
    """

    lines: Iterable[bytes]
    search: str
    address: str
    messages: list[Message] = field(default_factory=list)
    ended: bool = False

    def __iter__(self) -> Iterator[list[Row]]:
        """The rows of the final results, some at a time; previews are left out.

        Raises:
            SearchFailed: a message of type ERROR or FATAL: what comes with it is not what was searched for.
            AnswerUnreadable: a line is no JSON.
        """
        for some in self.lines:
            rows: list[Row] = []
            for line in self._parsed(some):
                if line.messages:
                    self.take(line.messages)
                self.ended = line.lastrow
                if line.preview:
                    continue
                if line.result is not None:
                    rows.append(line.result)
                rows += line.results
            yield rows

    def take(self, messages: Iterable[Message]) -> None:
        """Keep messages, each once; warnings of Splunk become Python's.

        Raises:
            SearchFailed: as `__iter__`.
        """
        new = [each for each in messages if each not in self.messages]
        self.messages += new
        if failures := [each.text or "" for each in new if each.type in FAILURES]:
            raise SearchFailed(self.search, failures)
        for each in new:
            if each.type == "WARN":
                warnings.warn(f"Splunk: {each.text}", SplunkWarning, stacklevel=2)

    def _parsed(self, lines: bytes) -> list[_Line]:
        try:
            return _decode(lines)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise AnswerUnreadable(self.address, lines[:100].decode(errors="replace")) from error
