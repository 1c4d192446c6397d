"""Two versions of a model side by side, as text for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from dltk_runtime.store import figures
from dltk_runtime.store.later import Score
from dltk_runtime.store.view import VersionDetail

SEEN_ROWS = (
    "train: of the rows that the version has seen. holdout: of rows that it has not, each version its own. Neither "
    "tells which of the two is better."
)
MEASURE = "Measure both on rows that neither has seen: --data FILE, a CSV of labelled rows."


def rows(old: VersionDetail, new: VersionDetail) -> Iterator[tuple[str, str, str]]:
    """Yield a title and the text of each version; figures by their origin."""
    for title, text in _FACTS.items():
        yield title, text(old), text(new)
    for origin in ("train", "holdout"):
        found = [figures.origins(each.manifest).get(origin, "") for each in (old, new)]
        if any(found):
            yield origin, found[0], found[1]
    for first, second in on_the_same_rows(old, new):
        title = f"later, {first.rows:,} rows that neither has seen: {first.source}, {first.time:%Y-%m-%d %H:%M} UTC"
        yield title, figures.listed(first.metrics), figures.listed(second.metrics)


def on_the_same_rows(old: VersionDetail, new: VersionDetail) -> list[tuple[Score, Score]]:
    """Return the scores that both have of the same rows, oldest first."""
    others: Mapping[tuple[str, int], Score] = {(each.source, each.rows): each for each in new.view.later}
    pairs = ((each, others.get((each.source, each.rows))) for each in old.view.later)
    return [(each, other) for each, other in pairs if other is not None]


def advice(old: VersionDetail, new: VersionDetail) -> str:
    """Return what the figures tell, and what to do where they do not."""
    if on_the_same_rows(old, new):
        return "The later figures are of the same rows, which neither version has seen: compare those."
    return f"{SEEN_ROWS}\n{MEASURE}"


def _fields(detail: VersionDetail) -> list[str]:
    manifest = detail.manifest
    return [each.name for each in manifest.features if each.name not in manifest.targets]


def _parameters(detail: VersionDetail) -> str:
    return " ".join(f"{name}={value}" for name, value in detail.manifest.parameters.items())


_FACTS: dict[str, Callable[[VersionDetail], str]] = {
    "fitted (UTC)": lambda each: f"{each.manifest.time:%Y-%m-%d %H:%M:%S}",
    "rows": lambda each: f"{each.manifest.rows:,}",
    "fields": lambda each: ", ".join(_fields(each)),
    "target": lambda each: ", ".join(each.manifest.targets),
    "parameters": _parameters,
}
