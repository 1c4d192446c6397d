"""Searches with another algorithm than their model was fitted with, or for a model that never was.

Every fit writes Splunk's stub of its model, also a fit that failed or was not promoted. If that fit
had another algorithm, all later applies come with it. Other fields: `choice`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from dltk_runtime.jobs.interface import JobRecords
from dltk_runtime.notebook import algorithm
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelName, ModelStore, Version
from dltk_runtime.worker.messages import ErrorReport

CACHE_SECONDS = 5.0  # for which it is remembered whether another algorithm was fitted into a model


def of_algorithm(name: ModelName, store: ModelStore, algorithms: Iterable[str]) -> str:
    """Return a sentence about another algorithm that was fitted into the model, or ""."""
    other = store.algorithm_of(name.model, algorithms)
    if other is None or other == name.algorithm:
        return ""
    number = store.serving_or_0(ModelName(other, name.model)).number
    which = f"version {number} of it" if number else "what is stored under that name"
    return (
        f"The search asks the model '{name.model}' for the algorithm '{name.algorithm}', and {which} is of "
        f"'{other}': use another model name for other features or another algorithm, "
        f"or apply it with '| apply {name.model} algo={other}'."
    )


def never_fitted(name: ModelName, error: ErrorReport, store: ModelStore, jobs: JobRecords, paths: Paths) -> str:
    """Explain why a model without a committed version cannot be applied, and what to do."""
    for job in reversed(jobs.unfinished()):
        if (job.algorithm, job.model) == (name.algorithm, name.model):
            return (
                f"The model '{name.model}' has no version yet: job {job.id} is training it "
                f"({job.how_far}). Apply it again later."
            )
    if other := of_algorithm(name, store, algorithm.algorithms(paths)):
        return f"{other} load('{name.legacy}') failed: {error}."
    return (
        f"No fit of '{name.algorithm}' into '{name.model}' was committed, "
        f"and load('{name.legacy}') failed: {error}. "
        f"Fit it first: | fit MLTKContainer algo={name.algorithm} … into app:{name.model}"
    )


class LaterFits:
    """Models into which another algorithm was fitted later than that of an apply.

    Fits on every server count.
    """

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._known: dict[ModelName, tuple[float, str]] = {}  # valid until, warning

    async def warning(self, version: Version) -> str:
        """Return the warning, cached for `CACHE_SECONDS`.

        It is empty if the version's algorithm was the last one fitted.
        """
        until, text = self._known.get(version.name, (0.0, ""))
        if version.number and time.monotonic() > until:
            text = await asyncio.to_thread(self._look, version.name)
            self._known[version.name] = (time.monotonic() + CACHE_SECONDS, text)
        return text

    def _look(self, name: ModelName) -> str:
        other = self._store.algorithm_of(name.model, ())
        if other is None or other == name.algorithm:
            return ""
        number = self._store.serving_or_0(ModelName(other, name.model)).number
        return (
            f"the search asks the model '{name.model}' for the algorithm '{name.algorithm}', and version {number} of "
            f"'{other}' was fitted into it later: use another model name for other features or another algorithm"
        )
