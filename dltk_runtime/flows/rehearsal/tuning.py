"""Simulate the person who lowers the sensitivity where harmless rows were marked, by the search of the view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dltk_runtime.flows.app import AppSearch
from dltk_runtime.flows.flow import SENSITIVITY
from dltk_runtime.flows.rehearsal.knowledge import Knowledge
from dltk_runtime.flows.rehearsal.world import World

SEARCH_ID = "sensitivity_search"
LOWERED = 0.001


@dataclass(frozen=True, slots=True)
class Tuned:
    """One change by a person, at a time in epoch seconds."""

    at: float
    entity: str
    sensitivity: float

    def __str__(self) -> str:
        return f"{self.entity} to {self.sensitivity:g}"


@dataclass(frozen=True, slots=True)
class Tuner:
    """A person who knows the anomalies of the sample."""

    search: AppSearch
    knowledge: Knowledge
    name: str = "operator"

    def tune(self, world: World, now: float, before: Sequence[Tuned]) -> Tuned | None:
        """Lower the sensitivity of the entity with the most harmless findings; None when none has any."""
        done = {each.entity for each in before}
        harmless = Counter(
            row["entity"]
            for row in world.predictions()
            if self.knowledge.found(row) and not self.knowledge.bad(row) and row["entity"] not in done
        )
        if not harmless:
            return None
        change = Tuned(now, harmless.most_common(1)[0][0], LOWERED)
        tokens = {"tick": "0", "entity": change.entity, "share": f"{LOWERED}", "env:user": self.name}
        world.run(self.search, now, tokens=tokens)
        return change


def tuner(world: World, knowledge: Knowledge) -> Tuner | None:
    """Return the person for the app's view of sensitivities; None when it has none."""
    found = [search for search in world.app.searches if search.view and search.name == SEARCH_ID]
    return Tuner(found[0], knowledge) if found else None


def untuned(world: World, changes: Sequence[Tuned]) -> Iterator[str]:
    """Yield the changes that did not reach the container: no later prediction was made with them."""
    for change in changes:
        later = [
            row.get(SENSITIVITY)
            for row in world.predictions()
            if row.get("entity") == change.entity and float(row["_time"]) > change.at
        ]
        if later and str(change.sensitivity) not in later:
            yield f"{change}: a person set the {SENSITIVITY}, and no later row was scored with it"
