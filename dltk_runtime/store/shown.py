"""Models and versions as rows of text for people."""

from __future__ import annotations

from collections.abc import Iterator

from dltk_runtime.store import figures
from dltk_runtime.store.deeds import History
from dltk_runtime.store.view import ModelView, VersionDetail, VersionView


def model_cells(view: ModelView) -> tuple[str, ...]:
    """Return algorithm, model, current number, all numbers, time, rows, bytes, damage."""
    names = (view.algorithm, view.model)
    numbers = ", ".join(str(version.number) for version in view.versions)
    if view.current is None:
        return *names, "damaged", numbers, "", "", "", view.damage
    serving = next((each for each in view.versions if each.number == view.current), None)
    cells = _when_and_size(serving) if serving is not None else ("", "", "")
    return *names, str(view.current), numbers, *cells, view.damage


def history(view: ModelView) -> Iterator[tuple[str, ...]]:
    """Yield number, time, rows, bytes, figures and job of each version, oldest first."""
    for each in view.versions:
        if each.damage:
            yield f"{each.number}", "damaged", "", "", each.damage, ""
            continue
        mark = " current" if each.number == view.current else ""
        measured = figures.of(each.train, each.holdout, each.later)
        text = "\n".join(f"{origin} {values}" for origin, values in measured.items())
        yield f"{each.number}{mark}", *_when_and_size(each), text, each.job


def deeds(history: History) -> Iterator[tuple[str, ...]]:
    """Yield time, deed, version, token, person, reason, and the job or the search's id."""
    for each in history.entries:
        version = "" if each.version is None else str(each.version)
        where = each.job or each.sid
        yield f"{each.time:%Y-%m-%d %H:%M:%S}", each.what, version, each.owner, each.person, each.reason, where


def facts(detail: VersionDetail) -> Iterator[tuple[str, str]]:
    """Yield the title and the text of each fact that is known."""
    manifest = detail.manifest
    rows = {
        "folder": [detail.where],
        "sources": [f"{source.path} ({source.sha256[:12]})" for source in manifest.sources],
        "parameters": [f"{key}={value}" for key, value in manifest.parameters.items()],
        "targets": manifest.targets,
        "features": [f"{feature.name}: {feature.kind}" for feature in manifest.features],
        "libraries": [f"{name} {number}" for name, number in manifest.libraries.items()],
        "files": [f"{stored.path} ({stored.size:,} bytes)" for stored in manifest.files],
        "kept by the runtime": ["yes: the notebook's save stored nothing"] if manifest.kept_by_runtime else [],
        "later": [figures.later(each) for each in detail.view.later],
        "notices": detail.view.notices,
    }
    for title, values in rows.items():
        if values:
            yield title, "\n".join(values)


def _when_and_size(view: VersionView) -> tuple[str, str, str]:
    when = f"{view.time:%Y-%m-%d %H:%M:%S}" if view.time else ""
    return when, f"{view.rows:,}", f"{view.bytes:,}"
