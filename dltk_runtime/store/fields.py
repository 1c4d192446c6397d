"""The fields of versions: what each was fitted on, and how they differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dltk_runtime.errors import StoreError
from dltk_runtime.names import ModelName
from dltk_runtime.store.handles import Version
from dltk_runtime.store.manifest import Facts
from dltk_runtime.store.reader import ModelReader

MAX_NAMED = 8  # fields in a message


def fields_of(facts: Facts) -> list[str]:
    """Return the names of a version's features, without targets and other columns of the fit."""
    names = facts.fields or [each.name for each in facts.features]
    return [name for name in names if name not in facts.targets]


def listed(names: Sequence[str], beside: Sequence[str] = ()) -> str:
    """Return names as a text, at most `MAX_NAMED` of them.

    Of more than that, those that the names `beside` lack come first: they are the difference.
    """
    if len(names) > MAX_NAMED:
        names = sorted(names, key=set(beside).__contains__)
    shown = ", ".join(f"'{name}'" for name in names[:MAX_NAMED])
    return f"{shown} and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else shown


def last_fitted(store: ModelReader, model: str, algorithms: Iterable[str] = ()) -> Version | None:
    """Return the current version of the algorithm that was fitted last under a model's name.

    None when nothing was committed, or nothing of it can be read.
    """
    try:
        algorithm = store.algorithm_of(model, algorithms)
        version = store.current(ModelName(algorithm, model)) if algorithm else None
        if version is not None:
            version.manifest()
        return version
    except StoreError:
        return None


def change(before: Version | None, version: Version, *, current: bool) -> str:
    """Return a warning when a fit's fields or algorithm are not those of the version before; else "".

    `current` says whether the fit was promoted.
    """
    if before is None:
        return ""
    old, new = fields_of(before.manifest()), fields_of(version.manifest())
    model, other = version.name.model, before.name.algorithm != version.name.algorithm
    if not other and set(old) == set(new):
        return ""
    kind = f"the algorithm '{version.name.algorithm}' and the fields " if other else "the fields "
    was = f"'{before.name.algorithm}' and " if other else ""
    then = "this version answers them" if current else "they are refused until a version with these is promoted"
    return (
        f"this fit has {kind}{listed(new, old)}; version {before.number} of model '{model}', current before it, has "
        f"{was}{listed(old, new)}. Splunk's searches ask for those of the last fit from now on, and {then}: fit "
        f"again as before, or use another model name for other {'algorithms' if other else 'fields'}"
    )


def stub_notice(store: ModelReader, version: Version) -> str:
    """Return what a person who made `version` current must know of Splunk's stub; "" if nothing.

    The stub has the fields of the last fit, which stored the newest version.
    """
    try:
        newest = store.versions(version.name)[-1] if version.number else None
        if newest is None or newest.number == version.number:
            return ""
        old, new = fields_of(version.manifest()), fields_of(newest.manifest())
    except StoreError:
        return ""
    if not old or set(old) == set(new):
        return ""
    return (
        f"Searches with the fields {listed(old)} are answered by version {version.number}. Splunk sends the fields of "
        f"the last fit, version {newest.number}: {listed(new)}. These are answered by the version promoted last that "
        "has them, else refused. Fit again with the fields of this version to change what Splunk sends."
    )
