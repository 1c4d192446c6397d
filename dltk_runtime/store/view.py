"""dltk_runtime.store.view."""

from __future__ import annotations

from datetime import datetime

import msgspec


class VersionView(msgspec.Struct, frozen=True):
    """One committed version; `time` is that of the commit, UTC."""

    number: int
    time: datetime
    rows: int
    metrics: dict[str, float | None]
    job: str
    notices: list[str]


class ModelView(msgspec.Struct, frozen=True):
    """A model, its current version (0: files of an old volume) and all that are stored, the oldest first."""

    algorithm: str
    model: str
    current: int
    versions: list[VersionView]


class ModelList(msgspec.Struct, frozen=True):
    """Models in the order of their names."""

    models: list[ModelView]
