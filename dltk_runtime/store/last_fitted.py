"""Which algorithm was fitted last under the name of a model."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from dltk_runtime.errors import NameInvalid, StoreDamaged
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.errors import VersionUnknown
from dltk_runtime.store.interface import Store


def algorithm_of(store: Store, model: str, algorithms: Iterable[str]) -> str | None:
    """Return the algorithm of the newest version; without any, of the newest file of an old volume.

    These files are named ``<algorithm>_<model>…``, with one of `algorithms`. None if there is neither.
    """
    fitted = [(time, name.algorithm) for name in store.names(model) if (time := _fitted_at(store, name))]
    if fitted:
        return max(fitted)[1]
    saved = [(at, each) for each in algorithms if (at := _legacy_time(store, each, model)) is not None]
    return max(saved)[1] if saved else None


def _fitted_at(store: Store, name: ModelName) -> datetime | None:
    """Return the time of the newest version; if that is damaged, of the last promotion."""
    try:
        numbers = store.committed(name)
        return store.version(VersionId(name, numbers[-1])).brief().time if numbers else None
    except VersionUnknown:  # removed since it was listed
        return None
    except StoreDamaged:
        return _promoted_at(store, name)


def _promoted_at(store: Store, name: ModelName) -> datetime:
    with suppress(StoreDamaged):
        if promotions := store.promotions(name):
            return promotions[-1].time
    return datetime.fromtimestamp(0, UTC)


def _legacy_time(store: Store, algorithm: str, model: str) -> float | None:
    with suppress(NameInvalid):  # an algorithm whose name no model can have
        return store.legacy_time(ModelName(algorithm, model))
    return None
