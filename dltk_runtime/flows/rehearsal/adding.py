"""Simulate the person who adds points and extra features, by the searches of the view, and see what reads them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.standin import Window
from dltk_runtime.flows.app import AppSearch
from dltk_runtime.flows.rehearsal.knowledge import Knowledge
from dltk_runtime.flows.rehearsal.world import World
from dltk_runtime.flows.spl import has_command, makes_status, stages
from dltk_runtime.units import DAY_SECONDS

POINT_ID, EXTRA_ID = "point_search", "extra_search"
# How often training is to count each point. Of these entities the sample of 2% may draw one.
WEIGHTS: Mapping[str, int] = {"point-one.example": 1, "point-two.example": 2, "point-three.example": 3}
EXTRA_VALUE = "7"
_TOKEN = re.compile(r"\$([\w:]+)(?:\|s)?\$")


@dataclass(slots=True)
class Adder:
    """A person who adds points, and sets the extra features of `entity` where the app has any."""

    point: AppSearch
    extra: AppSearch | None
    positive: str
    name: str = "operator"
    entity: str = ""  # whose extra features were set

    def add(self, world: World, now: float) -> None:
        """Add each point once, and set extra features of the entity that was scored most often."""
        for entity, weight in WEIGHTS.items():
            given = {"entity": entity, "point_label": self.positive, "weight": str(weight), "origin": "synthetic"}
            self._write(world, now, self.point, given)
        seen = Counter(row["entity"] for row in world.predictions() if row.get("entity"))
        if self.extra and seen and not self.entity:
            self.entity = seen.most_common(1)[0][0]
            given = {f"extra_{name}": EXTRA_VALUE for name in self.extras()}
            self._write(world, now, self.extra, given | {"entity": self.entity, "extra_sure": "yes"})

    def extras(self) -> list[str]:
        """Return the names of the extra features, by the tokens of their search."""
        named = dict.fromkeys(_TOKEN.findall(self.extra.text) if self.extra else [])
        return [name.removeprefix("extra_") for name in named if name.startswith("extra_") and name != "extra_sure"]

    def _write(self, world: World, now: float, search: AppSearch, given: dict[str, str]) -> None:
        known = {"note": "-", "tick": "0", "env:user": self.name} | given
        tokens = {name: known.get(name, "1") for name in _TOKEN.findall(search.text)}
        world.run(search, now, tokens=tokens)


def adder(world: World, knowledge: Knowledge) -> Adder | None:
    """Return the person for the app's view of additions; None when it has none."""
    found = {search.name: search for search in world.app.searches if search.view}
    return Adder(found[POINT_ID], found.get(EXTRA_ID), knowledge.positive) if POINT_ID in found else None


def unread(world: World, person: Adder, now: float) -> Iterator[str]:
    """Yield that training reads no point, or another number than its weight, and extras that scoring does not read."""
    for search in (each for each in world.app.searches if each.scheduled):
        text = world.app.readable(search)
        if has_command(text, "fit") and not makes_status(text):
            yield from _points(search, _rows(world, search, "fit", now, None))
        elif person.entity and has_command(text, "apply") and has_command(text, "collect") and not makes_status(text):
            rows = _rows(world, search, "apply", now, Window(now - 7 * DAY_SECONDS, now))
            yield from _extras(search, person, rows)


def _points(search: AppSearch, rows: pd.DataFrame) -> Iterator[str]:
    if rows.empty:
        return  # too few labels
    read = Counter(rows["entity"]) if "entity" in rows else Counter()
    there = {entity: read[entity] for entity in WEIGHTS if read[entity]}
    if not there:
        yield f"{search.name}: people added {len(WEIGHTS)} points, and training reads none of them"
    for entity, count in there.items():
        if count != WEIGHTS[entity]:
            yield f"{search.name}: reads the point {entity} {count} times; its weight is {WEIGHTS[entity]}"


def _extras(search: AppSearch, person: Adder, rows: pd.DataFrame) -> Iterator[str]:
    """Compare what the rows of the entity hold; an identifier may have a prefix on its way to the model."""
    mine = [row for row in rows.to_dict("records") if str(row.get("entity", "")).removeprefix("e:") == person.entity]
    for name in person.extras() if mine else ():
        values = {str(row.get(name)).removesuffix(".0") for row in mine}
        if values != {EXTRA_VALUE}:
            said = ", ".join(sorted(values))
            yield f"{search.name}: a person set {name} of {person.entity} to {EXTRA_VALUE}, and scoring reads {said}"


def _rows(world: World, search: AppSearch, before: str, now: float, window: Window | None) -> pd.DataFrame:
    """Return the rows in front of a command; none when that cannot run."""
    cut = next((stage.begin for stage in stages(search.text) if stage.name == before), len(search.text))
    try:
        return world.run(replace(search, text=search.text[:cut]), now, window).frame
    except SearchError:
        return pd.DataFrame()  # named among what is not run
