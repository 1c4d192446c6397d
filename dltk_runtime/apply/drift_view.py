"""Drift as ``/v1`` returns it."""

from __future__ import annotations

import msgspec

from dltk_runtime.apply.drift import Level


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
