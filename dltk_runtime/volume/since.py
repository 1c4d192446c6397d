"""Searches by what versions know of their fits: to fit again in another container, or to make Splunk's entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dltk_runtime.names import ModelName
from dltk_runtime.store.local_models import Models
from dltk_runtime.store.manifest import Manifest
from dltk_runtime.store.search_words import features_of, fit_words, word


@dataclass(frozen=True, slots=True)
class FittedVersion:
    """One version: `search` is the fit's part of the search, as far as its words are known."""

    name: ModelName
    number: int
    time: datetime
    current: bool
    rows: int
    search: str


def fitted_since(models: Models, moment: datetime) -> Iterator[FittedVersion]:
    """Yield every version that was committed at `moment` or later, by model and number."""
    for model in models.list():
        name = ModelName(model.algorithm, model.model)
        for each in model.versions:
            if each.time is not None and each.time >= moment:
                manifest = models.version(name, each.number).manifest
                yield FittedVersion(
                    name, each.number, each.time, each.number == model.current, each.rows, fit_words(name, manifest)
                )


def register_search(name: ModelName, manifest: Manifest, client: str) -> str:
    """Return a search that makes Splunk's entry for a version and trains nothing; `client` is its class."""
    evals = ", ".join(f"{word(each)}=1" for each in (*manifest.targets, *features_of(manifest)))
    return f"| makeresults\n| eval {evals}\n| {fit_words(name, manifest, f'fit {client}', mode='register')}"
