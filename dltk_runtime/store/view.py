"""Models and versions as ``/v1`` returns them."""

from __future__ import annotations

from datetime import datetime

import msgspec


class VersionView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One committed version; `time` is that of the commit, UTC. `damage` says what is wrong with it."""

    number: int
    time: datetime | None
    rows: int
    metrics: dict[str, float | None]
    job: str
    notices: list[str]
    damage: str = ""


class ModelView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model and its versions, oldest first; `current` is 0 for files of an old volume.

    `damage` says why another version than the one promoted last serves; `current` is null where none can.
    """

    algorithm: str
    model: str
    current: int | None
    versions: list[VersionView]
    damage: str = ""


class ModelList(msgspec.Struct, frozen=True):
    """Models in the order of their names."""

    models: list[ModelView]
