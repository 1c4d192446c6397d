"""Read the progress of a fit from the text that it prints."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_LINE_CHARACTERS = 4096  # of an unfinished printed line that are searched


@dataclass(frozen=True, slots=True)
class PrintedStep:
    """Progress read from printed text: `step` of `total`, and the metrics of that step."""

    step: float
    total: float
    metrics: dict[str, float] = field(default_factory=dict)


class PrintedProgress:
    """Read ``Epoch 3/50``, Keras' metrics and tqdm's bars from printed text."""

    _COLOR = re.compile(r"\x1b\[[0-9;]*m")
    _EPOCH = re.compile(r"\bepoch:?\s*\[?(\d{1,7})\s*/\s*(\d{1,7})", re.IGNORECASE)
    _TQDM = re.compile(r"\d{1,3}%\|[^|]*+\|\s*+(\d{1,9})/(\d{1,9})\b")
    _METRIC = re.compile(r"\b([A-Za-z_]\w{0,40}):\s*+(-?\d[\d.]*+(?:e[-+]?\d++)?+)(?=\s|$|,)")

    def __init__(self) -> None:
        self._rest = ""
        self._epoch: tuple[float, float] | None = None

    def feed(self, text: bytes) -> list[PrintedStep]:
        """Take a piece of output; return the newest progress in it, if any.

        Only the end of a large piece is searched, so that a million lines cost the server little.
        """
        tail = (self._rest + text[-MAX_LINE_CHARACTERS:].decode("utf-8", "replace"))[-MAX_LINE_CHARACTERS:]
        *lines, self._rest = re.split(r"[\r\n\b]+", self._COLOR.sub("", tail))
        found: PrintedStep | None = None
        for line in (*lines, self._rest):
            found = self._read(line) or found
        return [found] if found else []

    def _read(self, line: str) -> PrintedStep | None:
        if epoch := self._EPOCH.search(line):
            self._epoch = (float(epoch[1]), float(epoch[2]))
            # Keras prints an epoch before it runs it; a line with metrics is of one that is done.
            metrics = self._metrics(line[epoch.end() :])
            done = self._epoch[0] if metrics else self._epoch[0] - 1
            return PrintedStep(done, self._epoch[1], metrics)
        if bar := self._TQDM.search(line):
            return PrintedStep(float(bar[1]), float(bar[2]), self._metrics(line[bar.end() :]))
        metrics = self._metrics(line)
        if self._epoch and metrics and "━" in line and line.lstrip()[:1].isdigit():
            return PrintedStep(*self._epoch, metrics)
        return None

    def _metrics(self, line: str) -> dict[str, float]:
        found = {}
        for name, value in self._METRIC.findall(line):
            try:
                found[name] = float(value)
            except ValueError:
                continue
        return found
