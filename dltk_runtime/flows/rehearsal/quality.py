"""Compare what the app's own report of quality says with what the rehearsal knows of its sample."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from dltk_runtime.emulator.errors import SearchError
from dltk_runtime.flows.app import AppSearch
from dltk_runtime.flows.kinds import Predicts
from dltk_runtime.flows.rehearsal.knowledge import Knowledge
from dltk_runtime.flows.rehearsal.play import RehearsalResult
from dltk_runtime.flows.rehearsal.world import World

SAMPLE_REPORT = "_sample_quality"
COUNTS = ("tp", "fp", "fn")
DRAWN_BELOW = 1311  # of 65,536 keys: the 2% that the hash draws
MIN_LABELS = 100  # from which on no guard of ours holds a training back
TOLERANCE = 0.001  # of a figure that the report rounds to three decimals


def disagreements(world: World, knowledge: Knowledge, now: float) -> Iterator[str]:
    """Yield where the report ``…_quality`` says otherwise than the sample."""
    yield from _sample_disagrees(world, knowledge, now)
    report = next((each for each in world.app.searches if not each.view and each.name.endswith("_quality")), None)
    if report is None or knowledge.predicts is Predicts.YES_NO:
        return
    for version, (said, known) in sorted(_figures(world, knowledge, report, now).items()):
        if not math.isclose(said, known, abs_tol=TOLERANCE):
            figure = "rows right" if knowledge.predicts is Predicts.CLASS else "mean error"
            yield f"{report.name}: says {said:g} of version {version} ({figure}); by the sample it is {known:g}"


def _sample_disagrees(world: World, knowledge: Knowledge, now: float) -> Iterator[str]:
    """Compare counts of the unbiased sample, by version, with those of all labels that a hash draws."""
    report = next((each for each in world.app.searches if not each.view and each.name.endswith(SAMPLE_REPORT)), None)
    if report is None:
        return
    try:
        rows = world.run(report, now).frame.to_dict("records")
    except SearchError:
        return  # named among what is not run
    said = {str(row["model_version"]): tuple(int(float(row[key])) for key in COUNTS) for row in rows}
    known = _drawn(world, knowledge)
    for version in sorted(known.keys() | said.keys()):
        mine, theirs = known.get(version, (0, 0, 0)), said.get(version, (0, 0, 0))
        if mine != theirs:
            yield (
                f"{report.name}: says tp, fp, fn {theirs} of version {version}; by the sample and the labels they are "
                f"{mine}"
            )


def _drawn(world: World, knowledge: Knowledge) -> dict[str, tuple[int, int, int]]:
    """Return true and false positives and false negatives by version, of the labelled keys that the hash draws."""
    found: dict[str, Counter[str]] = {}
    score = knowledge.score
    for row in (each for collection in world.storage.kvstore for each in collection.query()):
        if row.get("status") != "labelled" or score not in row or int(row["_key"][1:5], 16) >= DRAWN_BELOW:
            continue
        hit, bad = float(row[score]) >= 0.5, knowledge.truth.get(str(row.get("entity"))) == knowledge.positive
        kind = ("tp" if bad else "fp") if hit else ("fn" if bad else "tn")
        found.setdefault(str(row.get("model_version")), Counter())[kind] += 1
    return {version: (count["tp"], count["fp"], count["fn"]) for version, count in found.items()}


def unlearned(result: RehearsalResult, versions: int) -> Iterator[str]:
    """Yield that labels of people reached no training, though a day with its training has passed since."""
    given = sum(count for day, count in result.labels.items() if day < max(result.labels))
    if given >= MIN_LABELS and versions < 2:
        yield f"people gave {given:,} labels, and no later training took them"


def _figures(world: World, knowledge: Knowledge, report: AppSearch, now: float) -> dict[str, tuple[float, float]]:
    """Return the figure of the report and that of the sample, by version; none where the sample says nothing."""
    known = _known(world, knowledge)
    try:
        frame = world.run(report, now).frame
    except SearchError:
        return {}  # named among what is not run
    if knowledge.predicts is Predicts.CLASS:
        frame = frame[frame["class"] == "all (macro)"] if len(frame) else frame
        said = {str(row["model_version"]): float(row["right"]) for row in frame.to_dict("records")}
        mine = {version: float(sum(values)) for version, values in known.items()}
    else:
        said = {str(row["model_version"]): float(row["mae"]) for row in frame.to_dict("records")}
        mine = {version: sum(values) / len(values) for version, values in known.items()}
    return {version: (said.get(version, math.nan), figure) for version, figure in mine.items()}


def _known(world: World, knowledge: Knowledge) -> dict[str, list[float]]:
    """Return hits or errors by version, of the rows whose target the app has written by now."""
    target = knowledge.predicted.removeprefix("predicted_")
    records = [row for index in world.storage.indexes for row in index.rows()]
    keys = {row.get("event_key") for row in records if row.get("kind") in ("truth", "row") and row.get(target)}
    rows: Mapping[tuple[str, str], Mapping[str, str]] = {
        (row["event_key"], row.get("model_version", "?")): row
        for row in world.predictions()
        if row.get("event_key") in keys
    }
    found: dict[str, list[float]] = {}
    for (_, version), row in rows.items():
        figure = knowledge.right(row) if knowledge.predicts is Predicts.CLASS else knowledge.error(row)
        if figure is not None:
            found.setdefault(version, []).append(float(figure))
    return found
