"""`progress`: how a notebook reports how far its fit is.

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

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, TypeVar

Item = TypeVar("Item")
Report = Callable[[float, float, dict[str, float]], None]

MOST_PER_SECOND = 20  # reports that are passed on; the last step always is


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
