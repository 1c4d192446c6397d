"""Edits of the text of ``.conf`` files and views: one place, one change.

`ARGUED` gives, for what a rehearsal cannot show, the reason why the edit is a mistake all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Texts = Mapping[str, str]
SEARCHES = re.compile(r"savedsearches\.conf|macros\.conf|views/\w+\.xml")
SETTINGS = re.compile(r"savedsearches\.conf")
MACROS = re.compile(r"macros\.conf")
TEXT = re.compile(
    r'^(?:search|definition) = (?:[^\n]*\\\n)*[^\n]*$|<query>.*?</query>|"query": "(?:[^"\\]|\\.)*"',
    re.MULTILINE | re.DOTALL,
)
HEADER = re.compile(r"^\[(.*)\]$", re.MULTILINE)
# What a rehearsal cannot show of the other kinds.
ARGUED: dict[str, str] = {
    "token": "a panel that waits for a token which nothing sets never runs",
    "promotion": "the container promotes otherwise, compares other rows, or tells no version",
    "right": "a search of the app uses a command or an object that the right is for",
    "index": "the container of the rehearsal has no indexers: names and data types are Splunk's to check",
    "setting": "the scheduler is Splunk's; the reasons are in REASONS",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One edit: `text` is the whole file with it; `argued` is the reason where no rehearsal is needed."""

    kind: str
    path: str
    line: int
    old: str
    new: str
    text: str
    argued: str = ""

    @property
    def label(self) -> str:
        """Kind, place and edit in one line."""
        return f"{self.kind}: {self.path}:{self.line}: {_short(self.old)!r} -> {_short(self.new)!r}"

    def applied(self, texts: Texts) -> dict[str, str]:
        """Return the app with the mistake."""
        return {**texts, self.path: self.text}


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 70 else f"{flat[:67]}..."


def edit(kind: str, path: str, text: str, span: tuple[int, int], new: str, argued: str = "") -> Mistake:
    line = text[: span[0]].count("\n") + 1
    return Mistake(kind, path, line, text[slice(*span)], new, text[: span[0]] + new + text[span[1] :], argued)


def files_of(texts: Texts, pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    return ((path, text) for path, text in sorted(texts.items()) if pattern.search(path))


def in_searches(texts: Texts, pattern: str) -> Iterator[tuple[str, str, re.Match[str]]]:
    """Yield each match inside the text of a search or a macro: file, its text, match in the whole file."""
    for path, text in files_of(texts, SEARCHES):
        for block in TEXT.finditer(text):
            for match in re.compile(pattern).finditer(text, block.start(), block.end()):
                yield path, text, match


def replaced(kind: str, texts: Texts, pattern: str, *news: str) -> Iterator[Mistake]:
    for path, text, match in in_searches(texts, pattern):
        for new in news:
            changed = match.expand(new)
            if changed != match[0]:
                yield edit(kind, path, text, match.span(), changed)


def misspelt(word: str) -> str:
    """Swap two letters in the middle of a word, or drop one where they are the same."""
    at = max(0, len(word) // 2 - 1)
    swapped = word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
    return swapped if swapped != word else word[:at] + word[at + 1 :]


def writing(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield names and spans of the stanzas that train or write by a schedule."""
    heads = list(HEADER.finditer(text))
    for number, head in enumerate(heads):
        end = heads[number + 1].start() if number + 1 < len(heads) else len(text)
        block = text[head.end() : end]
        if "cron_schedule" in block and re.search(r"\| (?:collect|mcollect|outputlookup|fit)\b", block):
            yield head[1], (head.end(), end)


def joined(texts: Texts, pattern: str) -> str:
    return "\n".join(text for _, text in files_of(texts, re.compile(pattern)))
