"""Compare what the app says of champion and challenger with what the rehearsal knows of its sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.flows.kinds import Predicts
from dltk_runtime.flows.rehearsal.knowledge import Knowledge
from dltk_runtime.flows.rehearsal.world import World

REPORT = "_compared"


@dataclass(slots=True)
class Counts:
    """Rows later than what both models have learned from, and how many of them each got right."""

    rows: int = 0
    champion: int = 0
    challenger: int = 0

    def __str__(self) -> str:
        return f"{self.champion:,} and {self.challenger:,} of {self.rows:,} rows right"


def compared(world: World, knowledge: Knowledge) -> dict[str, Counts]:
    """Count by version of the challenger, by the sample; rows count once their truth is in the index."""
    target = knowledge.predicted.removeprefix("predicted_")
    other = f"challenger_{target}"
    records = [row for index in world.storage.indexes for row in index.rows()]
    known = {row.get("event_key") for row in records if row.get("kind") in ("truth", "row") and row.get(target)}
    found: dict[str, Counts] = {}
    judged = [row for row in world.predictions() if row.get("event_key") in known and row.get(other)]
    for row in {row["event_key"]: row for row in judged}.values():
        later = row.get("fitted_to") and float(row["_time"]) >= float(row["fitted_to"])
        champion, challenger = (
            knowledge.right({**row, knowledge.predicted: row.get(each, "")}) for each in (knowledge.predicted, other)
        )
        if later and champion is not None and challenger is not None:
            counts = found.setdefault(row.get("challenger_version", "?"), Counts())
            counts.rows += 1
            counts.champion += champion
            counts.challenger += challenger
    return found


def miscounted(world: World, knowledge: Knowledge, now: float) -> Iterator[str]:
    """Yield where the app's report on champion and challenger says otherwise than the sample."""
    report = next((each for each in world.app.searches if not each.view and each.name.endswith(REPORT)), None)
    if report is None or knowledge.predicts is Predicts.NUMBER:
        return
    try:
        rows = world.run(report, now).frame.to_dict("records")
    except SearchError:
        return  # named among what is not run
    columns = ("rows", "champion_right", "challenger_right")
    said = {str(row["challenger_version"]): Counts(*(int(float(row[name])) for name in columns)) for row in rows}
    mine = compared(world, knowledge)
    for version in sorted(said.keys() | mine.keys()):
        theirs, ours = said.get(version, Counts()), mine.get(version, Counts())
        if theirs != ours:
            yield f"{report.name}: says {theirs} (challenger of version {version}); by the sample it is {ours}"
