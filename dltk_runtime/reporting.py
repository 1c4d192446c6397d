"""`progress`: report the progress of a fit from its notebook.

In a notebook::

    from dltk_runtime import progress

    for epoch in range(epochs):
        ...
        progress(epoch + 1, epochs, loss=loss)

    model.fit(X, y, epochs=epochs, callbacks=[progress.keras()])
    for batch in progress.over(batches): ...

In a worker reports go to the job's record; in JupyterLab and papermill they draw a bar.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, TypeVar

Item = TypeVar("Item")
Report = Callable[[float, float, dict[str, float]], None]

MAX_REPORTS_PER_SECOND = 20  # that are passed on; the last step always is


class Reporter:
    """The class of `progress`: call it after each step of a fit."""

    def __init__(self) -> None:
        self._send: Report | None = None
        self._last = 0.0

    def __call__(self, step: float, total: float = 0, **metrics: float) -> None:
        """Report that `step` of `total` steps are done, with metrics such as ``loss=0.1``.

        `total` 0 means an unknown number of steps.
        """
        now = time.monotonic()
        if now - self._last < 1 / MAX_REPORTS_PER_SECOND and step != total:
            return
        self._last = now
        numbers = {name: float(value) for name, value in metrics.items()}
        (self._send or _draw)(float(step), float(total), numbers)

    def send_to(self, send: Report | None) -> None:
        """Set the receiver of reports; None draws a bar. For workers: no notebook needs it."""
        self._send = send

    def over(self, items: Iterable[Item], total: int = 0) -> Iterator[Item]:
        """Iterate over `items` and report each; `total` defaults to ``len(items)``."""
        number = total or (len(items) if isinstance(items, Sized) else 0)
        for step, item in enumerate(items, 1):
            yield item
            self(step, number)

    def keras(self) -> Any:
        """Return a Keras callback that reports each epoch with its metrics."""
        import keras

        report = self

        class Epochs(keras.callbacks.Callback):  # type: ignore[misc,unused-ignore]
            def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
                report(epoch + 1, self.params.get("epochs") or 0, **(logs or {}))

        return Epochs()


progress = Reporter()


def _draw(step: float, total: float, metrics: dict[str, float]) -> None:
    """Draw a bar on one line of a terminal or of a notebook's output."""
    share = min(step / total, 1.0) if total else 0.0
    bar = "█" * round(share * 30)
    figures = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    end = "\n" if total and step >= total else ""
    sys.stdout.write(f"\r{step:g}/{total:g} [{bar:<30}] {figures}{end}")
    sys.stdout.flush()
