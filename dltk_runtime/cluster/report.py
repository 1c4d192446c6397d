"""The death of a worker on a node, as it travels."""

from __future__ import annotations

from typing import Self

from dltk_runtime.pool.outcome import Death
from dltk_runtime.worker.messages import Message


class DeathReport(Message, frozen=True):
    """As `outcome.Death`."""

    cause: str
    phase: str
    coordinates: str
    dump: str

    @classmethod
    def of(cls, death: Death) -> Self:
        """Return the report of a death."""
        return cls(death.cause, death.phase, death.coordinates, death.dump)

    def on(self, node: str) -> Death:
        """Return the death as the front tells it."""
        return Death(f"on node '{node}' {self.cause}", self.phase, self.coordinates, self.dump)
