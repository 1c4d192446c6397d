"""The progress that a notebook reports, on its way to the front, and to curves for TensorBoard."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from dltk_runtime.worker.curves import Curves
from dltk_runtime.worker.messages import Progress


class NotebookReports:
    """Sends what the notebook reports, but not from a forked child, and draws it."""

    def __init__(self, send: Callable[[Progress], None]) -> None:
        self._send = send
        self._worker = os.getpid()
        self._sending = threading.Lock()  # a notebook may train in several threads
        self._curves: Curves | None = None

    def __call__(self, step: float, total: float, metrics: dict[str, float]) -> None:
        """Take one report; the receiver of `progress.send_to`."""
        if os.getpid() == self._worker:
            with self._sending:
                self._send(Progress(step, total, metrics))
                if self._curves is not None:
                    self._curves.add(step, metrics)

    @contextlib.contextmanager
    def drawn(self, folder: str) -> Iterator[None]:
        """Write curves into `folder` for the time of one request; none without a folder."""
        self._curves = Curves(Path(folder)) if folder else None
        try:
            yield
        finally:
            curves, self._curves = self._curves, None
            if curves is not None:
                curves.close()
