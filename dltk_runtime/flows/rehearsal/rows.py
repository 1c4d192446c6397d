"""Compare what came from the source with what was scored, window by window and key by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.emulator.standin import Window
from dltk_runtime.flows.app import AppSearch
from dltk_runtime.flows.kinds import Predicts
from dltk_runtime.flows.rehearsal.knowledge import Knowledge
from dltk_runtime.flows.rehearsal.play import RehearsalResult
from dltk_runtime.flows.rehearsal.world import World
from dltk_runtime.flows.spl import has_command, stages

MAX_WINDOWS = 48  # that are counted again, the newest ones
_BASE = "_base`"
_ENDS = ("apply", "appendpipe", "collect", "mcollect")  # behind which rows are not the source's any more


def late(world: World, now: float) -> Iterator[str]:
    """Yield windows of which more rows are there at `now` than when they were read: the lag is too short."""
    reading = [each for each in world.app.searches if each.scheduled and _BASE in each.text and _writes(each)]
    if len(reading) != 1 or reading[0].stanza.get("dispatch.index_earliest"):
        return
    records = [row for index in world.storage.indexes for row in index.rows() if row.get("kind") == "run"]
    known = {row["win_start"]: row for row in reversed(records) if row.get("win_end") and row.get("rows")}
    for row in sorted(known.values(), key=lambda row: float(row["win_start"]))[-MAX_WINDOWS:]:
        there = _count(world, reading[0], Window(float(row["win_start"]), float(row["win_end"])), now)
        if there > int(row["rows"]):
            yield (
                f"{reading[0].name}: read {row['rows']} rows of a window of which {there} are there later: "
                "its window ends before all events have arrived"
            )
            return


def _writes(search: AppSearch) -> bool:
    return has_command(search.text, "collect", "mcollect")


def _count(world: World, search: AppSearch, window: Window, now: float) -> int:
    """Return the rows of the search in front of what it adds or writes; 0 when that cannot run."""
    cut = next((stage.begin for stage in stages(search.text) if stage.name in _ENDS), len(search.text))
    try:
        return len(world.run(replace(search, text=search.text[:cut]), now, window).frame)
    except SearchError:
        return 0


def repeated(world: World) -> Iterator[str]:
    """Yield that rows of one run share a key: whoever reads them takes one of them.

    Keys of entities come back in each run, and a row that was scored again keeps its key.
    """
    rows = world.predictions()
    keys = Counter((row.get("event_key"), row["_indextime"]) for row in rows if row.get("event_key"))
    more = sum(count - 1 for count in keys.values())
    if more:
        yield f"{more:,} of {len(rows):,} predictions have the event_key of another one of their run"


def never_fired(world: World, result: RehearsalResult, knowledge: Knowledge) -> Iterator[str]:
    """Yield an alert on what the model found that never fired, though the model called rows positive."""
    if knowledge.predicts is not Predicts.YES_NO or knowledge.anomalies:
        return
    found = sum(bool(knowledge.found(row)) for row in world.predictions())
    for name, tally in result.tallies.items():
        if name.endswith("_found") and found and not tally.fired:
            yield f"{name}: never fired, though the model called {found:,} rows positive"
