"""The phase that a worker is in, and how long each phase of its last call took."""

from __future__ import annotations

import time
from collections.abc import Mapping


class PhaseClock:
    """Measures phases. A new worker is in the phase ``start``, one without a call in ``idle``."""

    def __init__(self) -> None:
        self.name = "start"
        self.place = ""  # coordinates of the function that the phase calls
        self.seconds: dict[str, float] = {}
        self._since = time.monotonic()

    def restart(self, name: str) -> None:
        """Begin a call with its first phase."""
        self.name, self.place, self.seconds, self._since = name, "", {}, time.monotonic()

    def enter(self, name: str, place: str = "") -> None:
        """End the current phase and begin the next one."""
        now = time.monotonic()
        self.seconds[self.name] = self.seconds.get(self.name, 0.0) + now - self._since
        self.name, self.place, self._since = name, place, now

    def take(self, measured: Mapping[str, float]) -> None:
        """Replace the current phase's time by the worker's figures; the rest is transport."""
        now = time.monotonic()
        transport = max(now - self._since - sum(measured.values()), 0)  # it may have begun before this clock knew
        self.seconds = {**self.seconds, self.name: transport, **measured}
        self._since = now
