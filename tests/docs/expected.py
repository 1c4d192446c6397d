"""Compare what a block printed with what the page says it prints."""

from __future__ import annotations

import re

ANSI = re.compile(r"\x1b\[[0-9;]*m")
RULE = re.compile(r"[─━═╇╈┳┻┃│┏┓┗┛┡┩└┘├┤┴┬]+")


def matches(stated: str, printed: str) -> bool:
    """Tell whether `printed` is `stated`, where ``…`` stands for any text, and a line ``…`` for any lines.

    The widths of tables depend on their cells, so runs of blanks and of box drawing count as one blank.
    Lines without other content are left out.
    """
    pattern = ""
    for line in _lines(stated):
        if line == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += re.escape(line).replace("…", r"[^\n]*?") + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _lines(printed))) is not None


def _lines(text: str) -> list[str]:
    plain = RULE.sub(" ", ANSI.sub("", text))
    lines = [" ".join(line.split()) for line in plain.splitlines()]
    return [line for line in lines if line]
