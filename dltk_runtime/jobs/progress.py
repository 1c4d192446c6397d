"""How far a fit is: what a notebook reports, and what can be read out of what it prints.

In a notebook::

    from dltk_runtime import progress

    for epoch in range(epochs):
        ...
        progress(epoch + 1, epochs, loss=loss)

    model.fit(X, y, epochs=epochs, callbacks=[progress.keras()])
    for batch in progress.over(batches): ...

In a worker the report goes to the job's record; in JupyterLab and papermill it draws a bar.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass, field
from typing import Any, TypeVar

Item = TypeVar("Item")
Report = Callable[[float, float, dict[str, float]], None]

MOST_PER_SECOND = 20  # reports that are passed on; the last step always is
LONGEST_LINE = 4096  # characters of an unfinished printed line that are looked at


class Reporter:
    """What `progress` is: call it with the step just done, the number of steps, and metrics of that step."""

    def __init__(self) -> None:
        self._send: Report | None = None
        self._last = 0.0

    def __call__(self, step: float, total: float = 0, **metrics: float) -> None:
        """Report that `step` of `total` steps are done (`total` 0: unknown), with metrics such as ``loss=0.1``."""
        now = time.monotonic()
        if now - self._last < 1 / MOST_PER_SECOND and step != total:
            return
        self._last = now
        numbers = {name: float(value) for name, value in metrics.items()}
        (self._send or _draw)(float(step), float(total), numbers)

    def send_to(self, send: Report | None) -> None:
        """Where reports go; None draws a bar. Workers call this, notebooks never need to."""
        self._send = send

    def over(self, items: Iterable[Item], total: int = 0) -> Iterator[Item]:
        """Go through `items` and report each; their number is asked of them unless given."""
        number = total or (len(items) if isinstance(items, Sized) else 0)
        for step, item in enumerate(items, 1):
            yield item
            self(step, number)

    def keras(self) -> Any:
        """A Keras callback that reports each epoch with its metrics."""
        import keras

        report = self

        class Epochs(keras.callbacks.Callback):  # type: ignore[misc,unused-ignore]
            def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
                report(epoch + 1, self.params.get("epochs") or 0, **(logs or {}))

        return Epochs()


progress = Reporter()


def _draw(step: float, total: float, metrics: dict[str, float]) -> None:
    """Draw a bar on one line of the output of a terminal or notebook."""
    share = min(step / total, 1.0) if total else 0.0
    bar = "█" * round(share * 30)
    figures = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    end = "\n" if total and step >= total else ""
    sys.stdout.write(f"\r{step:g}/{total:g} [{bar:<30}] {figures}{end}")
    sys.stdout.flush()


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
