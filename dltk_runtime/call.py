"""Calls to workers as the rest of the server sees them: answers of the right kind, or a `DltkError`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dltk_runtime.apply.read_ahead import Rows

Pieces = list[bytes | memoryview]


@dataclass(eq=False)
class Call:
    """One request on its way: what is known of it, for the log and for whoever may drop it."""

    id: str
    route: str
    rows: Rows | None = None  # of an apply, which may be read while they arrive
    waiting: bool = True  # until a worker has it: a client that hangs up before is forgotten
    facts: dict[str, Any] = field(default_factory=dict)

    def spent(self, phases: Mapping[str, float]) -> None:
        """Add the seconds of phases that are over, in the order in which they were."""
        known: dict[str, float] = self.facts.setdefault("phases", {})
        for name, seconds in phases.items():
            known[name] = known.get(name, 0.0) + seconds
