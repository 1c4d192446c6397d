"""Drift as ``/v1`` returns it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dltk_runtime.apply.drift import DRIFT_INDEX, Judgement, Level
from dltk_runtime.names import VersionId
from dltk_runtime.store.card import CardDrift, DriftedField


class DriftView(msgspec.Struct, frozen=True):
    """The last judgement of one version: its features, the highest index first, over the last `rows` rows."""

    algorithm: str
    model: str
    version: int
    rows: int
    levels: list[Level]


class DriftList(msgspec.Struct, frozen=True):
    """Judgements in the order of the models' names; `limit` is the index from which a feature drifts."""

    limit: float
    judgements: list[DriftView]


def for_card(judgements: Iterable[tuple[VersionId, Judgement]], version: VersionId) -> CardDrift | None:
    """Return the judgement of a version as its model card shows it; None without one."""
    found = next((each for key, each in judgements if key == version), None)
    if found is None:
        return None
    fields = [DriftedField(each.feature, each.index, each.unseen) for each in found.levels]
    return CardDrift(found.rows, DRIFT_INDEX, fields)
