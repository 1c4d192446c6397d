"""One badge for each model: the worst of what is known about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dltk_runtime.apply.drift import DRIFT_INDEX
from dltk_runtime.apply.drift_view import DriftView
from dltk_runtime.jobs.view import JobView
from dltk_runtime.store.view import ModelView

OLD = timedelta(days=90)  # after which a version is called old
LEVELS = GOOD, NOTE, WARNING, BAD = "good", "note", "warning", "bad"  # from the best to the worst


@dataclass(frozen=True, slots=True)
class Badge:
    """`level` is one of good, note, warning, bad; `reasons` are sentences without a full stop."""

    level: str
    reasons: tuple[str, ...]


def badge(model: ModelView, jobs: Iterable[JobView], drift: DriftView | None, now: datetime | None = None) -> Badge:
    """Judge a model; `jobs` are its own, the newest first."""
    found = list(_findings(model, list(jobs), drift, now or datetime.now(UTC)))
    level = max((level for level, _ in found), key=LEVELS.index, default=GOOD)
    return Badge(level, tuple(text for _, text in found) or ("nothing is wrong",))


def _findings(
    model: ModelView, jobs: list[JobView], drift: DriftView | None, now: datetime
) -> Iterator[tuple[str, str]]:
    if model.damage:
        yield BAD, model.damage
    ended = next((job for job in jobs if job.ended is not None), None)
    if ended is not None and ended.state in ("failed", "lost"):
        yield BAD, f"the last fit {ended.state}"
    worst = drift.levels[0] if drift and drift.levels else None
    if worst is not None and worst.index >= DRIFT_INDEX:
        yield WARNING, f"{worst.feature} has drifted since the fit, index {worst.index:.3g}"
    newest = model.versions[-1] if model.versions else None
    if newest is not None and model.current is not None and newest.number > model.current:
        yield NOTE, f"version {newest.number} is not current"
    current = next((each for each in model.versions if each.number == model.current), None)
    if current is not None and current.time is not None and now - current.time > OLD:
        yield NOTE, f"fitted {(now - current.time).days} days ago"
