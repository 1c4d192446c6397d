"""Compare two versions of a model, on rows that neither has seen.

::

    rows with their target ── not in rows.bloom of the one ── nor of the other ──> both apply
                                                              none left: no figure decides
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from msgspec.structs import replace

from dltk_runtime.apply.apply import Applying
from dltk_runtime.call import Request
from dltk_runtime.errors import DltkError, StoreError
from dltk_runtime.fit.options import FitOptions
from dltk_runtime.jobs.record import Comparison
from dltk_runtime.store.asking import ask
from dltk_runtime.store.fields import fields_of, listed
from dltk_runtime.store.store import ModelStore, Version

ONCE = "fit once with promote=auto and holdout=0.2: the same rows are then held out each time"


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of two versions on the same `rows` rows, or the `problem` why there are none."""

    rows: int = 0
    new: dict[str, float] = field(default_factory=dict)
    old: dict[str, float] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Comparing:
    """Compares versions; what it measures is kept beside their manifests."""

    store: ModelStore
    applying: Applying

    async def compare(
        self, version: Version, before: Version, options: FitOptions, request: Request | None
    ) -> Comparison:
        """Compare `version`, fitted to the rows of `request`, with the one that is current.

        Where no rows are left that neither has seen, the result has a `problem` and no figures.
        """
        wanted = options.promotion
        made = Comparison(metric=wanted.metric, new=None, old=None, old_version=before.number, gain=wanted.gain)
        if request is not None and not request.targets:
            problem = "a search without a target has nothing to measure predictions by; promote it by hand"
            return replace(made, problem=problem)
        if request is None or not options.holdout:
            seen = f"version {version.number} has seen every row that was sent"
            return replace(made, problem=f"{seen}; add holdout=0.2 to keep rows from the fit")
        if problem := await ask(self.store, _other_fields, version, before):
            return replace(made, problem=problem)
        measured = await self.measure(version, before, request, f"rows of the fit of version {version.number}")
        if measured.problem:
            return replace(made, problem=measured.problem)
        new, old = (each.get(wanted.metric) for each in (measured.new, measured.old))
        return replace(made, new=new, old=old, held_out=True, rows=measured.rows)

    async def measure(self, new: Version, old: Version, request: Request, source: str) -> Measured:
        """Measure two versions on those rows of `request` that neither has seen.

        The figures are added to both as later scores, with their `source`.
        """
        try:
            if problem := await ask(self.store, _unknown_rows, new, old):
                return Measured(problem=problem)
            first, second = [await self.applying.score(each, request, (new, old)) for each in (new, old)]
        except DltkError as error:
            return Measured(problem=f"one of them cannot be measured: {error.place.rstrip('.')}")
        if not first.rows:
            seen = f"every row that was sent was seen by version {old.number} or by version {new.number}"
            return Measured(problem=f"{seen}; send rows that are new to both, or {ONCE}")
        for each, scored in ((new, first), (old, second)):
            with contextlib.suppress(StoreError):  # the figures matter more than their record
                await ask(self.store, self.store.add_score, each, source, scored.rows, scored.metrics)
        return Measured(first.rows, first.metrics, second.metrics)


def _other_fields(new: Version, old: Version) -> str:
    """Return why the rows of the new version's fit cannot be scored by the old one; empty if they can."""
    try:
        sent = {each.name for each in new.manifest().features}
        lacking = [name for name in fields_of(old.manifest()) if name not in sent]
    except StoreError as error:
        return f"one of them cannot be measured: {error.sentence.rstrip('.')}"
    if not lacking:
        return ""
    fitted = f"version {old.number} was fitted on {listed(lacking)}, too, which this fit was not sent"
    return f"{fitted}; fit with these fields as well, or use another model name"


def _unknown_rows(new: Version, old: Version) -> str:
    """Return why it cannot be told which rows the two have seen; empty if it can."""
    for each in (new, old):
        if not each.location().seen:
            return f"it is not known which rows version {each.number} has seen; {ONCE}"
    return ""
