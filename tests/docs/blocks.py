"""The fenced code blocks of a Markdown text, and what the comment before each of them asks for.

A block is run unless an HTML comment right before it says otherwise:

- ``<!-- not run: REASON -->``: shown only. Its syntax is checked all the same.
- ``<!-- fails -->``: it runs, and ends with another exit code than 0.
- ``<!-- background -->``: a server; it runs until the page ends.
- ``<!-- notebook: NAME -->``: the cells of a notebook, each after a line ``# cell "name"``.
- ``<!-- file: NAME -->``: the content of a file that later blocks read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A fence may be indented, as inside a list; its content is then indented by as much.
_FENCE = re.compile(
    r"(?:^[ ]*<!-- (?P<word>not run|fails|background|notebook|file)(?:: (?P<detail>[^\n]*?))? -->\n)?"
    r"^(?P<indent>[ ]*)```(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `line` is that of its first content line, from 1."""

    line: int
    language: str
    text: str
    mark: str = ""  # "not run", "fails", "background", "notebook" or "file"
    detail: str = ""  # the mark's reason or name


def blocks_of(markdown: str) -> Iterator[Block]:
    """Yield the fenced blocks of a text, first to last."""
    for found in _FENCE.finditer(markdown):
        indent = found["indent"]
        lines = found["text"].splitlines()
        yield Block(
            line=markdown.count("\n", 0, found.start("text")) + 1,
            language=found["language"].strip(),
            text="".join(line.removeprefix(indent) + "\n" for line in lines),
            mark=found["word"] or "",
            detail=found["detail"] or "",
        )
