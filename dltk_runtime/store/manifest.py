"""What a version says about itself: ``version.json``, written last and therefore the proof that it is whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.tables.feature import Feature

MANIFEST = "version.json"
FORMAT = 1  # raised when an older runtime could not read what is written
# Ends of keys whose values never reach the disk (promise 9), written without their underscores and dashes.
_SECRET = ("sessionkey", "authorization", "token", "password", "passwd", "secret", "apikey")


class SourceHash(msgspec.Struct, frozen=True):
    """One notebook or helper the fit's code came from; `path` is its display name, such as ``umap.ipynb``."""

    name: str
    path: str
    sha256: str


class StoredFile(msgspec.Struct, frozen=True):
    """One file of the version; `path` is relative to the version's folder, `size` in bytes."""

    path: str
    size: int
    sha256: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What only the fit knows about a version. Numbers that are not finite are kept as null."""

    sources: list[SourceHash] = []
    parameters: dict[str, str] = {}
    targets: list[str] = []
    features: list[Feature] = []
    rows: int = 0
    info: Any = None  # what `fit` returned, as JSON has it
    metrics: dict[str, float | None] = {}
    libraries: dict[str, str] = {}
    job: str = ""
    kept_by_runtime: bool = False  # `save` stored nothing, so the runtime keeps the model
    notices: list[str] = []


class Manifest(Facts, frozen=True, kw_only=True):
    """The facts, and what the store knows. `time` (UTC) is that of the commit."""

    format: int
    algorithm: str
    model: str
    number: int
    time: datetime
    files: list[StoredFile]


def without_secrets(parameters: Mapping[str, str]) -> dict[str, str]:
    """`parameters` without those whose key says that the value is a secret: session keys, tokens, passwords."""
    return {key: value for key, value in parameters.items() if not _names_secret(key)}


def _names_secret(key: str) -> bool:
    return key.lower().replace("_", "").replace("-", "").endswith(_SECRET)


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a version's folder; parsed again only when the file has changed.

    Raises:
        FileNotFoundError: the folder holds no whole version.
        StoreDamaged: the file is there and is no manifest.
    """
    path = _path_in(folder)
    try:
        found = os.stat(path)  # noqa: PTH116 - see `_path_in`
        return _parsed(path, found.st_mtime_ns, found.st_ino, found.st_size)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(path) from error
    except OSError as error:
        raise StoreDamaged(f"{path} cannot be read: {error.strerror}. Check the volume and its rights.") from error


@lru_cache(maxsize=1024)  # every apply asks, and pathlib takes longer to join than the system to look
def _path_in(folder: Path) -> str:
    return str(folder / MANIFEST)


@lru_cache(maxsize=256)
def _parsed(path: str, mtime_ns: int, inode: int, size: int) -> Manifest:  # noqa: ARG001 - they are the cache's key
    try:
        manifest = msgspec.json.decode(Path(path).read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise StoreDamaged(
            f"{path} is damaged: {error}. Make another version current with 'dltk models promote', or fit again."
        ) from error
    if manifest.format > FORMAT:
        raise StoreDamaged(
            f"{path} has format {manifest.format}, and this runtime reads up to {FORMAT}. Use a newer one."
        )
    return manifest
