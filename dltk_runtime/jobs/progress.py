"""How far a fit is, read out of what it prints."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LONGEST_LINE = 4096  # characters of an unfinished printed line that are looked at


@dataclass(frozen=True, slots=True)
class Found:
    """Progress that was read out of printed text."""

    step: float
    total: float
    metrics: dict[str, float] = field(default_factory=dict)


class PrintedProgress:
    """Reads ``Epoch 3/50``, Keras' metrics and tqdm's bars out of printed text."""

    _COLOR = re.compile(r"\x1b\[[0-9;]*m")
    _EPOCH = re.compile(r"\bepoch:?\s*\[?(\d{1,7})\s*/\s*(\d{1,7})", re.IGNORECASE)
    _TQDM = re.compile(r"\d{1,3}%\|.*?\|\s*(\d{1,9})/(\d{1,9})\b")
    _METRIC = re.compile(r"\b([A-Za-z_]\w{0,40}):\s*(-?\d[\d.]*(?:e[-+]?\d+)?)(?=\s|$|,)")

    def __init__(self) -> None:
        self._rest = ""
        self._epoch: tuple[float, float] | None = None

    def feed(self, text: bytes) -> list[Found]:
        """Take a piece of output; the newest progress in it, if any.

        Only the end of a large piece is looked at: whoever prints a million lines must not cost the server time.
        """
        tail = (self._rest + text[-LONGEST_LINE:].decode("utf-8", "replace"))[-LONGEST_LINE:]
        *lines, self._rest = re.split(r"[\r\n\b]+", self._COLOR.sub("", tail))
        found: Found | None = None
        for line in (*lines, self._rest):
            found = self._read(line) or found
        return [found] if found else []

    def _read(self, line: str) -> Found | None:
        if epoch := self._EPOCH.search(line):
            self._epoch = (float(epoch[1]), float(epoch[2]))
            # Keras announces an epoch before it runs; a line with metrics tells of one that is done.
            metrics = self._metrics(line[epoch.end() :])
            done = self._epoch[0] if metrics else self._epoch[0] - 1
            return Found(done, self._epoch[1], metrics)
        if bar := self._TQDM.search(line):
            return Found(float(bar[1]), float(bar[2]), self._metrics(line[bar.end() :]))
        metrics = self._metrics(line)
        if self._epoch and metrics and "━" in line and line.lstrip()[:1].isdigit():
            return Found(*self._epoch, metrics)
        return None

    def _metrics(self, line: str) -> dict[str, float]:
        found = {}
        for name, value in self._METRIC.findall(line):
            try:
                found[name] = float(value)
            except ValueError:
                continue
        return found
