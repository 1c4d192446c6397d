"""The manifest of a version, ``version.json``: written last, so it marks a complete version."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self

import msgspec

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files.records import Count, Moment, decoded
from dltk_runtime.names import VersionId
from dltk_runtime.secret_names import parameters_without_secrets
from dltk_runtime.tables.feature import Feature
from dltk_runtime.tables.result_column import ResultColumn

MANIFEST_FORMAT = 1  # raised when an older runtime could not read what is written


class SourceHash(msgspec.Struct, frozen=True):
    """One notebook or helper of the fit's code; `path` is its display name: ``umap.ipynb``."""

    name: str
    path: str
    sha256: str


class StoredFile(msgspec.Struct, frozen=True, gc=False):
    """One file of the version; `path` is relative to the version's folder, `size` in bytes."""

    path: str
    size: Count
    sha256: str


class HeldOut(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Figures on the rows that the fit did not see: `share` of all, as the search asked."""

    share: float
    rows: Count
    metrics: dict[str, float | None] = {}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the fit states about a version. Numbers that are not finite are stored as null.

    Figures are kept by where they come from: `train` are of the rows that the fit has seen,
    `holdout` of those that it has not. What is measured later is beside the manifest.
    """

    sources: list[SourceHash] = []
    parameters: dict[str, str] = {}
    targets: list[str] = []
    features: list[Feature] = []  # every column of the fit
    outputs: list[ResultColumn] = []  # of the fit's own apply; empty where it failed, and in 0.1.0
    fields: list[str] = []  # `feature_variables` of the request; empty in batch runs and in 0.1.0
    args: list[str] = []  # `options.args` of the request: the words of the search, globs unexpanded
    rows: Count = 0
    info: Any = None  # what `fit` returned, as JSON values
    train: dict[str, float | None] = {}
    holdout: HeldOut | None = None
    libraries: dict[str, str] = {}
    job: str = ""
    owner: str = ""  # name of the token of the fit; empty in batch runs and in 0.1.0
    kept_by_runtime: bool = False  # `save` stored nothing, so the runtime keeps the model
    row_wise: bool = False  # the notebook says, and the fit has seen, that each result depends on its row alone
    notices: list[str] = []


class Manifest(Facts, frozen=True, kw_only=True):
    """The fit's facts and what the store adds. `time` (UTC) is the time of the commit.

    `metrics` are what runtime 0.1.0 stored: those that the fit returned, so `train`.
    """

    metrics: dict[str, float | None] | msgspec.UnsetType = msgspec.UNSET
    format: int
    algorithm: str
    model: str
    number: Count
    time: Moment
    files: list[StoredFile]


class Brief(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What lists and checks of sizes need of a manifest: small enough to be kept for thousands of versions.

    As no cycle can go through it, the garbage collector need not walk it (`gc`).
    """

    time: datetime
    rows: int
    train: dict[str, float | None]
    holdout: HeldOut | None
    job: str
    notices: list[str]
    files: list[StoredFile]

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Return the brief of a manifest."""
        return cls(**{name: getattr(manifest, name) for name in cls.__struct_fields__})


def complete(version_id: VersionId, facts: Facts, files: list[StoredFile]) -> Manifest:
    """Return the manifest of a version that is committed now; drops secret parameters."""
    return Manifest(
        **msgspec.structs.asdict(facts) | {"parameters": parameters_without_secrets(facts.parameters)},
        format=MANIFEST_FORMAT,
        algorithm=version_id.algorithm,
        model=version_id.model,
        number=version_id.number,
        time=datetime.now(UTC),
        files=files,
    )


def parse(text: bytes, where: str) -> Manifest:
    """Return the manifest in `text`; `where` names its place in errors.

    Raises:
        StoreDamaged: it is not a manifest, one of a newer runtime, or it names files of others.
    """
    try:
        manifest = decoded(text, Manifest)
    except ValueError as error:
        raise StoreDamaged(
            f"{where} is damaged: {error}. Make another version current with 'dltk models promote', or fit again."
        ) from error
    if manifest.format > MANIFEST_FORMAT:
        raise StoreDamaged(
            f"{where} has format {manifest.format}, and this runtime reads up to {MANIFEST_FORMAT}. Use a newer one."
        )
    for stored in manifest.files:
        if not _is_inside(stored.path):
            raise StoreDamaged(
                f"{where} is damaged: it names the file {stored.path!r}, which is outside the version's folder. "
                "Make another version current with 'dltk models promote', or fit again."
            )
    if manifest.metrics:
        manifest = msgspec.structs.replace(manifest, train=manifest.metrics, metrics=msgspec.UNSET)
    return manifest


def _is_inside(path: str) -> bool:
    """Return whether a stored path is relative, and leads to no folder above."""
    parts = path.split("/")
    return "\0" not in path and not {"", ".", ".."}.intersection(parts)
