"""The nodes that this front has seen, and does not see any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dltk_runtime.cluster.messages import Nodes, Seen
from dltk_runtime.cluster.view import AWAY, DEAD, GoneView

KEPT = timedelta(hours=1)  # that a dead node is listed: in Kubernetes the next one has another name
MAX_DEAD = 50


class Departed:
    """Remembers the nodes of one front from each look of its helper."""

    def __init__(self) -> None:
        self._there: dict[str, Seen] = {}
        self._dead: dict[str, tuple[datetime, Seen]] = {}
        self._away: datetime | None = None

    def note(self, nodes: Nodes) -> None:
        """Take a look; while the head does not answer nobody knows of any node."""
        now = datetime.now(UTC)
        if nodes.problem:
            self._away = self._away or now
            return
        self._away, seen = None, {each.name: each for each in nodes.nodes}
        ended = {name: (now, each) for name, each in self._there.items() if name not in seen}
        dead = {name: each for name, each in (self._dead | ended).items() if name not in seen}
        newest = sorted(dead.items(), key=lambda pair: pair[1][0], reverse=True)[:MAX_DEAD]
        self._there, self._dead = seen, dict(newest)

    def views(self) -> list[GoneView]:
        """Return what is gone: dead nodes, and all others while the head does not answer."""
        now = datetime.now(UTC)
        away = [(self._away, AWAY, each) for each in self._there.values()] if self._away else []
        dead = [(since, DEAD, each) for since, each in self._dead.values() if now - since < KEPT]
        return [GoneView(each.name, each.address, state, since) for since, state, each in (*away, *dead)]
