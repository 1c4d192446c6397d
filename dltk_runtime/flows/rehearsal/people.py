"""Simulate reviewers: they label the queue with the searches of the review dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dltk_runtime.flows.app import AppSearch
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.rehearsal.judge import TOKENS
from dltk_runtime.flows.rehearsal.world import World

QUEUE_ID, LABEL_ID = "queue_search", "label_search"


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A reviewer who knows the label of each `entity` in `truth`, and skips all others."""

    queue: AppSearch
    label: AppSearch
    truth: Mapping[str, str]
    name: str = "reviewer"

    def judge(self, world: World, now: float, most: int) -> int:
        """Label up to `most` rows of the queue at `now` (epoch seconds); return their number."""
        done = 0
        while done < most:
            rows = world.run(self.queue, now + done, tokens={**TOKENS, "tick": str(done)}).frame.head(most - done)
            if rows.empty:
                break
            for number, (key, entity) in enumerate(zip(rows["key"], rows["entity"], strict=True)):
                self.write(world, now + done + number, str(key), self.truth.get(str(entity), "skip"))
            done += len(rows)
        return done

    def write(self, world: World, now: float, key: str, verdict: str, note: str = "-") -> None:
        """Write one label."""
        tokens = {"key": key, "verdict": verdict, "note": note, "env:user": self.name}
        world.run(self.label, now, tokens=tokens)


def reviewer(world: World, truth: Mapping[str, str], name: str = "reviewer") -> Reviewer | None:
    """Return a reviewer for the app's review dashboard; None when the app has none.

    Raises:
        FlowInvalid: the dashboard has only one of the two searches.
    """
    found = {
        search.name: search for search in world.app.searches if search.view and search.name in (QUEUE_ID, LABEL_ID)
    }
    if not found:
        return None
    if len(found) < 2:
        raise FlowInvalid(f"the review dashboard needs searches with the ids {QUEUE_ID} and {LABEL_ID}")
    return Reviewer(found[QUEUE_ID], found[LABEL_ID], truth, name)
