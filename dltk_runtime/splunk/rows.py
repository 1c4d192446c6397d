"""Parse Splunk's JSON results while they arrive: one document per line, rows and messages mixed.

splunk-sdk's `JSONResultsReader` reads the whole answer before it returns the first row.
"""

from __future__ import annotations

import contextlib
import json
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dltk_runtime.files.records import converted
from dltk_runtime.splunk.errors import AnswerUnreadable, SearchFailed

Row = dict[str, Any]  # values are text, or a list of texts for a multivalue field
FAILURES = {"FATAL", "ERROR"}


class SplunkWarning(UserWarning):
    """A warning of Splunk: the search continued, possibly with fewer rows."""


class SplunkMessage(msgspec.Struct, frozen=True):
    """A message of a search; ``type`` is DEBUG, INFO, WARN, ERROR or FATAL."""

    type: str = "ERROR"
    text: str | None = ""


class _Line(msgspec.Struct):
    preview: bool = False
    lastrow: bool = False
    result: Row | None = None
    results: list[Row] = []
    messages: list[SplunkMessage] = []


_decode = msgspec.json.Decoder(_Line).decode_lines


def _lenient(line: bytes) -> _Line:
    """Return a line whose texts may have half a surrogate pair, which becomes U+FFFD.

    Splunk cuts long values without regard to pairs, and writes the half as ``\\ud83d``.

    Raises:
        ValueError, msgspec.DecodeError: it is not such a line.
    """
    return converted(_without_halves(json.loads(line)), _Line)


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub(r"[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, dict):
        return {_without_halves(key): _without_halves(each) for key, each in value.items()}
    return [_without_halves(each) for each in value] if isinstance(value, list) else value


@dataclass(slots=True)
class ResultReader:
    """Iterate over the rows in `lines`, whose items are one or more lines with their newlines.

    Args:
        lines: JSON lines.
        search: text of the search, for messages.
        address: address of the Splunk, for messages.
        messages: collects Splunk's messages, each once.
        ended: becomes true at the row that Splunk marks as the last.
    """

    lines: Iterable[bytes]
    search: str
    address: str
    messages: list[SplunkMessage] = field(default_factory=list)
    ended: bool = False

    def __iter__(self) -> Iterator[list[Row]]:
        """Yield lists of rows of the final results, without previews.

        Raises:
            SearchFailed: Splunk sent a message of type ERROR or FATAL, so that the rows are
                incomplete.
            AnswerUnreadable: a line is not JSON.
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

    def take(self, messages: Iterable[SplunkMessage]) -> None:
        """Collect messages, each once, and issue Splunk's warnings as Python's.

        Raises:
            SearchFailed: a message is of type ERROR or FATAL.
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
            with contextlib.suppress(ValueError, msgspec.DecodeError):
                return [_lenient(line) for line in lines.splitlines() if line]
            raise AnswerUnreadable(self.address, lines[:100].decode(errors="replace")) from error
