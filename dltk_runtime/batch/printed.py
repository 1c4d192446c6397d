"""What cells print: whole lines for the log, and one output a stream for the notebook.

All of it takes time linear in the text, whatever is printed, however it is cut.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from nbformat import NotebookNode

from dltk_runtime.scrub import ScrubbedStream, Scrubber
from dltk_runtime.units import MIB

MAX_LINE_CHARACTERS = MIB  # of an unfinished line that wait for its end
MAX_KEPT_CHARACTERS = 4 * MIB  # of a stream in the outputs of a cell


class WholeLines:
    """Passes printed text on without its secrets, in whole lines, so that none is cut in two."""

    def __init__(self, write: Callable[[str], None], scrubber: Scrubber) -> None:
        self._write = write
        self._stream = ScrubbedStream(scrubber)
        self._rest: list[str] = []  # pieces of the unfinished line
        self._characters = 0  # in them

    def feed(self, text: str) -> None:
        """Take a piece of text; its whole lines are passed on."""
        self._take(self._stream.feed(text))
        if self._characters > MAX_LINE_CHARACTERS:
            self._pass_on()

    def end(self) -> None:
        """Pass on what is left, as a whole line."""
        self._take(self._stream.end())
        if self._rest:
            self._pass_on("\n")

    def _take(self, text: str) -> None:
        whole, newline, rest = text.rpartition("\n")
        if newline:
            self._pass_on(whole, newline)
        if rest:
            self._rest.append(rest)
            self._characters += len(rest)

    def _pass_on(self, *more: str) -> None:
        self._write("".join([*self._rest, *more]))
        self._rest, self._characters = [], 0


class Kept:
    """Bounds what a cell's outputs keep of each stream: a cell may print for a day.

    Twice `MAX_KEPT_CHARACTERS` stay while the cell runs, and as many as that once the secrets in
    them are removed: so none is cut in two.
    """

    def __init__(self) -> None:
        self._printed: dict[str, int] = {}  # characters by stream

    def clear(self) -> None:
        """Begin a cell."""
        self._printed.clear()

    def take(self, output: NotebookNode) -> None:
        """Take a piece of a stream; what is beyond the bound is removed from it."""
        before = self._printed.get(output.name, 0)
        self._printed[output.name] = before + len(output.text)
        output.text = output.text[: max(0, 2 * MAX_KEPT_CHARACTERS - before)]

    def shortened(self, outputs: list[NotebookNode]) -> list[NotebookNode]:
        """Cut each stream to its bound, and say so in it."""
        for output in outputs:
            if output.output_type == "stream" and len(output.text) > MAX_KEPT_CHARACTERS:
                left_out = self._printed.get(output.name, len(output.text)) - MAX_KEPT_CHARACTERS
                output.text = output.text[:MAX_KEPT_CHARACTERS] + f"\n[… {left_out:,} characters left out …]\n"
        return outputs


def coalesced(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Return a cell's outputs with one for each stream, without text that was overwritten.

    The result is that of nbclient's ``coalesce_streams``, whose pattern takes quadratic time on a
    line without a carriage return.
    """
    texts: dict[str, list[str]] = {}
    merged: list[NotebookNode] = []
    for output in outputs:
        if output.output_type != "stream":
            merged.append(output)
        elif output.name in texts:
            texts[output.name].append(output.text)
        else:
            texts[output.name] = [output.text]
            merged.append(output)
    for output in merged:
        if output.output_type == "stream":
            output.text = without_overwritten("".join(texts[output.name]))
    return _stdout_first(merged)


def without_overwritten(text: str) -> str:
    """Remove from each line what a later carriage return on it goes back over."""
    # A carriage return at the end of a line, or of the text, overwrites nothing.
    return "\n".join(line[line.rfind("\r", 0, max(0, len(line) - 1)) + 1 :] for line in text.split("\n"))


def _stdout_first(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Put a stderr that is directly before a stdout behind it: their order is by chance."""
    streams = [output.get("name") if output.output_type == "stream" else "" for output in outputs]
    for index, pair in enumerate(itertools.pairwise(streams)):
        if pair == ("stderr", "stdout"):
            outputs[index], outputs[index + 1] = outputs[index + 1], outputs[index]
            break  # each stream is there once
    return outputs
