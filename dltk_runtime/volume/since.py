"""Searches by what versions know of their fits: to fit again in another container, or to make Splunk's entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dltk_runtime.names import ModelName
from dltk_runtime.store.local_models import Models
from dltk_runtime.store.manifest import Manifest

_PLAIN = "_.-:*"  # characters of a word, beside letters and digits, that needs no quotes


@dataclass(frozen=True, slots=True)
class Fitted:
    """One version: `search` is the fit's part of the search, as far as its words are known."""

    name: ModelName
    number: int
    time: datetime
    current: bool
    rows: int
    search: str


def fitted_since(models: Models, moment: datetime) -> Iterator[Fitted]:
    """Yield every version that was committed at `moment` or later, by model and number."""
    for model in models.list():
        name = ModelName(model.algorithm, model.model)
        for each in model.versions:
            if each.time is not None and each.time >= moment:
                manifest = models.version(name, each.number).manifest
                yield Fitted(
                    name, each.number, each.time, each.number == model.current, each.rows, fit_words(name, manifest)
                )


def register_search(name: ModelName, manifest: Manifest, client: str) -> str:
    """Return a search that makes Splunk's entry for a version and trains nothing; `client` is its class."""
    evals = ", ".join(f"{word(each)}=1" for each in (*manifest.targets, *_features(manifest)))
    return f"| makeresults\n| eval {evals}\n| {fit_words(name, manifest, f'fit {client}', mode='register')}"


def fit_words(name: ModelName, manifest: Manifest, command: str = "fit MLTKContainer", **more: str) -> str:
    """Return the ``fit`` that made a version: its parameters and `more`, fields and model."""
    features = _features(manifest)
    ours = {key: value for key, value in manifest.parameters.items() if key not in ("algo", "mode")}
    given = {"algo": name.algorithm} | ours | more
    words = [f"{key}={word(value)}" for key, value in given.items()]
    fields = [*map(word, manifest.targets), "from", *map(word, features)] if manifest.targets else map(word, features)
    return " ".join([command, *words, *fields, f"into app:{name.model}"])


def _features(manifest: Manifest) -> list[str]:
    return manifest.fields or [each.name for each in manifest.features if each.name not in manifest.targets]


def word(text: str) -> str:
    """Return a text as one word of a search, with quotes where it needs them."""
    if text and all(each.isalnum() or each in _PLAIN for each in text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
