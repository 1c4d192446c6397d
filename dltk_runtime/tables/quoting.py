r"""Quote the cells of results, so that ``pandas.read_csv`` reads the rows that were written.

Python's csv module quotes a cell for a comma, a quote or ``\n``, and writes the rest as it is. Four
kinds of text are lost that way, and are quoted or replaced here:

| text | what Splunk's side would read |
|---|---|
| a carriage return without a line feed | one row more, and the rest of the row is gone |
| blanks that are a whole line | one row less, or the first row as the header |
| U+FEFF as the first character of all | a column of another name |
| half a surrogate pair | nothing: the whole result is refused. It becomes U+FFFD |
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd

BYTE_ORDER_MARK = "\ufeff"
_SPECIAL = re.compile(r'[",\r\n]')
_BLANK = re.compile(r"[ \t]+")
_BLANK_LINE = re.compile(r"(?<=\n)[ \t]+(?=\n)")


def cell(text: str) -> str:
    """Return the text of one cell of a line of several."""
    return _quoted(text) if _SPECIAL.search(text) else text


def line(text: str) -> str:
    """Return the text of the only cell of a line, which is not empty."""
    return _quoted(text) if _BLANK.fullmatch(text) else cell(text)


def header(names: list[str]) -> str:
    """Return the first line of a file, without its end."""
    quoted = [cell(name) for name in names] if len(names) > 1 else [line(names[0]) or '""']
    if names[0].startswith(BYTE_ORDER_MARK):
        quoted[0] = _quoted(names[0])
    return ",".join(quoted)


def by_pandas(frame: pd.DataFrame) -> str:
    r"""Return the text of ``to_csv(index=False)``, quoted as this module does.

    csv quotes a cell that holds a character of the line's end; so with ``\r\n`` all that need it are
    quoted, and the line ends are those outside of quotes.
    """
    text = frame.to_csv(index=False)
    if "\r" in text:
        text = _outside_quotes(
            frame.to_csv(index=False, lineterminator="\r\n"), lambda part: part.replace("\r\n", "\n")
        )
    if frame.shape[1] == 1:
        text = _outside_quotes("\n" + text, lambda part: _BLANK_LINE.sub(r'"\g<0>"', part))[1:]
    if text.startswith(BYTE_ORDER_MARK):
        name, end, rest = re.split("([,\n])", text, maxsplit=1)
        text = _quoted(name) + end + rest
    return text


def without_surrogates(text: str) -> str:
    """Return the text with each half of a surrogate pair replaced by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _outside_quotes(text: str, change: Callable[[str], str]) -> str:
    return '"'.join([part if number % 2 else change(part) for number, part in enumerate(text.split('"'))])
