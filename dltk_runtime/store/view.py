"""Models and versions as ``/v1`` returns them."""

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
    """A model and its versions, oldest first; `current` is 0 for files of an old volume."""

    algorithm: str
    model: str
    current: int
    versions: list[VersionView]


class ModelList(msgspec.Struct, frozen=True):
    """Models in the order of their names."""

    models: list[ModelView]
