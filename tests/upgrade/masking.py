"""What differs between two recordings of the same code, and nothing else, becomes a placeholder.

Times, durations, ids, process ids, addresses, the server's port and folders, and those frames of a crash that are the
runtime's own (they name its modules and lines, which may move). Each masked part of an answer is a *span*; every byte
outside of all spans is compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_JOB = r"20\d{6}T\d{6}\.\d{6}Z-[0-9a-f]{8}"
_TIME = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"
_END = r"(?:\\+n|\n)"  # of a line, as it is or in JSON
_QUOTE = r'\\*"'

# Placeholder and pattern; where a pattern has a group, the group alone is masked. Earlier rules go first.
RULES = (
    (
        "<frames of the runtime>",
        rf"(?:  File {_QUOTE}(?:[^\"\\]*/dltk_runtime/|<frozen )[^\"\\]*{_QUOTE}, line \d+ in [\w<>.]+{_END})+",
    ),
    ("<modules>", rf"Extension modules: ([^\n\\]*? \(total: \d+\)){_END}"),
    ("<seconds>", rf",{_JOB},{_TIME},(\d+\.\d),"),  # of a job's row in dltk_status
    ("<time>", _TIME),
    ("<time>", r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d GMT"),
    ("<bytes>", r'"bytes":(\d+)'),  # of a version: the code in it names its folder
    ("<pid>", r"pid (\d+)\b"),
    ("<folder of the worker>", r"/[^\s\"'\\]*/dltk-[a-z0-9_]{8}/\d+/"),
    ("<address>", r"\b0x[0-9a-f]{8,16}\b"),
    ("<id>", r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])"),
)
_RULES = tuple((placeholder, re.compile(pattern)) for placeholder, pattern in RULES)
_JOBS = re.compile(_JOB)
_PHASES = re.compile(r'"phases":\{([^{}]*)\}')
_NUMBER = re.compile(r":(\d[\d.e+-]*)")
_SAMPLE = re.compile(r"^[a-z_]+(?:\{.*\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with its placeholders, and where these came from: ``(start, end)`` in the text as it was."""

    text: str
    spans: tuple[tuple[int, int], ...]


class Mask:
    """Masks the answers of one recording. Jobs are counted as they come, so that one is not taken for another.

    `places` are texts that stand for themselves, such as the home's path, each with its placeholder.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        ordered = sorted(places, key=len, reverse=True)
        self._places = {text: places[text] for text in ordered}
        self._place = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._jobs: dict[str, str] = {}

    def __call__(self, text: str, *, samples: bool = False) -> Masked:
        """`text` masked; with `samples` the values of Prometheus' samples too."""
        parts, spans, done = [], [], 0
        for start, end, placeholder in sorted(self._free_of_overlap(text, samples)):
            parts += [text[done:start], placeholder]
            spans.append((start, end))
            done = end
        return Masked("".join([*parts, text[done:]]), tuple(spans))

    def _free_of_overlap(self, text: str, samples: bool) -> list[tuple[int, int, str]]:
        taken, covered = [], bytearray(len(text))
        for start, end, placeholder in self._found(text, samples):
            if not any(covered[start:end]):
                taken.append((start, end, placeholder))
                covered[start:end] = b"x" * (end - start)
        return taken

    def _found(self, text: str, samples: bool) -> Iterator[tuple[int, int, str]]:
        if samples:
            yield from ((*found.span(1), "<value>") for found in _SAMPLE.finditer(text))
        for phases in _PHASES.finditer(text):
            yield from ((*found.span(1), "<seconds>") for found in _NUMBER.finditer(text, *phases.span(1)))
        for placeholder, pattern in _RULES:
            group = min(pattern.groups, 1)
            yield from ((*found.span(group), placeholder) for found in pattern.finditer(text))
        for found in _JOBS.finditer(text):
            yield *found.span(), self._jobs.setdefault(found[0], f"<job {len(self._jobs) + 1}>")
        if self._place:
            yield from ((*found.span(), self._places[found[0]]) for found in self._place.finditer(text))
