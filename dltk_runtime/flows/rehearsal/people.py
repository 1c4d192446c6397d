"""People who judge the queue: by the very searches of the review dashboard, its tokens filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dltk_runtime.flows.app import Search
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.rehearsal.world import World

QUEUE, LABEL = "queue_search", "label_search"


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Somebody who knows the truth about `entity`, and calls what is not in it ``skip``."""

    queue: Search
    label: Search
    truth: Mapping[str, str]
    name: str = "reviewer"

    def judge(self, world: World, now: float, most: int) -> int:
        """Judge rows until `most` are judged or the queue is empty; how many that were."""
        done = 0
        while done < most:
            rows = world.run(self.queue, now + done, tokens={"tick": str(done)}).frame.head(most - done)
            if rows.empty:
                break
            for number, (key, entity) in enumerate(zip(rows["key"], rows["entity"], strict=True)):
                self.write(world, now + done + number, str(key), self.truth.get(str(entity), "skip"))
            done += len(rows)
        return done

    def write(self, world: World, now: float, key: str, verdict: str, note: str = "-") -> None:
        """One label."""
        tokens = {"key": key, "verdict": verdict, "note": note, "env:user": self.name}
        world.run(self.label, now, tokens=tokens)


def reviewer(world: World, truth: Mapping[str, str], name: str = "reviewer") -> Reviewer | None:
    """Somebody at the app's review dashboard; nobody when it has none.

    Raises:
        FlowInvalid: a dashboard has one of the two searches alone.
    """
    found = {search.name: search for search in world.app.searches if search.view and search.name in (QUEUE, LABEL)}
    if not found:
        return None
    if len(found) < 2:
        raise FlowInvalid(f"the review dashboard needs searches with the ids {QUEUE} and {LABEL}")
    return Reviewer(found[QUEUE], found[LABEL], truth, name)
