"""Models and versions as ``/v1`` returns them."""

from __future__ import annotations

from datetime import datetime
from typing import Self

import msgspec

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.names import ModelName
from dltk_runtime.store.errors import VersionUnknown
from dltk_runtime.store.handles import Version
from dltk_runtime.store.later import Score
from dltk_runtime.store.manifest import HeldOut, Manifest
from dltk_runtime.store.reader import ModelReader


class VersionView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One committed version; `time` is that of the commit, UTC. `damage` says what is wrong with it.

    Figures by where they come from: `train` (`metrics` is the same, for clients of 0.1.0) of rows
    that the fit has seen, `holdout` of rows kept from it, `later` measured afterwards.
    """

    number: int
    time: datetime | None
    rows: int
    metrics: dict[str, float | None]
    job: str
    notices: list[str]
    damage: str = ""
    train: dict[str, float | None] = {}
    holdout: HeldOut | None = None
    later: list[Score] = []
    bytes: int = 0  # of all files


class VersionDetail(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one version. `where` is its place as text for people."""

    view: VersionView
    where: str
    manifest: Manifest

    @classmethod
    def of(cls, version: Version) -> Self:
        """Return the detail of a version.

        Raises:
            VersionUnknown, StoreDamaged: it has no readable manifest.
        """
        return cls(view=_whole(version), where=version.where, manifest=version.manifest())


class ModelView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A model and its versions, oldest first; `current` is 0 for files of an old volume.

    `damage` says why another version than the one promoted last serves; `current` is null where none can.
    """

    algorithm: str
    model: str
    current: int | None
    versions: list[VersionView]
    damage: str = ""
    # Which code applies run: "pinned" (the version's), "live" (the notebook's), else as the setting says. Not in lists.
    code: str = ""
    notice: str = ""  # after a change of the current version: who answers Splunk's searches


class ModelList(msgspec.Struct, frozen=True):
    """Models in the order of their names."""

    models: list[ModelView]


def view_of(store: ModelReader, name: ModelName) -> ModelView:
    """Return the view of a model; what is damaged says so.

    Raises:
        VersionUnknown: there is no such model.
    """
    versions: list[VersionView] = []
    try:
        versions = [view for each in store.candidates(name) if (view := _if_any(each))]
        if not versions:
            store.get(name, store.serving_or_0(name).number)  # raises, and names what is there instead
        serving = store.choose(name)
    except StoreDamaged as error:
        return ModelView(name.algorithm, name.model, None, versions, error.sentence)
    return ModelView(name.algorithm, name.model, serving.version.number, versions, serving.problem)


def _if_any(version: Version) -> VersionView | None:
    """Return the view; None when the version was removed meanwhile."""
    try:
        return _whole(version)
    except VersionUnknown:
        return None
    except StoreDamaged as error:
        return VersionView(version.number, None, 0, {}, "", [], error.sentence)


def _whole(version: Version) -> VersionView:
    manifest = version.brief()
    return VersionView(
        version.number,
        manifest.time,
        manifest.rows,
        manifest.train,
        manifest.job,
        [*manifest.notices, *version.added()],
        train=manifest.train,
        holdout=manifest.holdout,
        later=version.scores(),
        bytes=sum(stored.size for stored in manifest.files),
    )
