"""Read Splunk's ``.conf`` files: stanzas with their settings and line numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dltk_runtime import booleans

_STANZA = re.compile(r"\[(.*)\]\s*")
_SETTING = re.compile(r"([^=]+?)\s*=\s?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Stanza:
    """One ``[name]`` with its settings in order; `line` is its line number, from 1."""

    name: str
    line: int
    settings: dict[str, str] = field(default_factory=dict)

    def get(self, key: str, default: str = "") -> str:
        """Return the setting without surrounding blanks."""
        return self.settings.get(key, default).strip()

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Read a boolean setting in one of Splunk's spellings."""
        return booleans.parse_conf(self.get(key), default=default)


def parse(text: str) -> list[Stanza]:
    """Return the stanzas of a file; settings before the first one belong to ``[default]``.

    The last of several settings with the same name wins.
    """
    stanzas: list[Stanza] = []
    for number, line in _joined(text):
        if match := _STANZA.fullmatch(line):
            stanzas.append(Stanza(match[1], number))
        elif match := _SETTING.fullmatch(line):
            if not stanzas:
                stanzas.append(Stanza("default", number))
            stanzas[-1].settings[match[1]] = match[2]
    return stanzas


def read(path: Path) -> list[Stanza]:
    """Return the stanzas of a file; none when it is missing."""
    return parse(path.read_text(encoding="utf-8")) if path.is_file() else []


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Yield numbers and texts of lines, joined at trailing backslashes, without comments."""
    pending: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not pending:
            start = number
            if not line.strip() or line.lstrip().startswith("#"):
                continue
        if line.endswith("\\"):
            pending.append(line[:-1])
            continue
        yield start, "\n".join([*pending, line]).strip()
        pending = []
    if pending:
        yield start, "\n".join(pending).strip()
