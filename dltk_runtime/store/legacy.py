"""What a DSDL container left in the models' folder: files and folders under flat names, ``<algorithm>_<model>…``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dltk_runtime.errors import NameInvalid
from dltk_runtime.files import atomic
from dltk_runtime.names import ModelName


def saved_as(models: Path, name: ModelName) -> list[Path]:
    """What was saved as `name`: ``umap_a``, ``umap_a.json``.

    ``umap_a_b.json`` is none: it belongs to the model ``a_b`` as far as anybody can tell.
    """
    return [models / entry for entry in atomic.names_in(models) if _carries(entry, name.legacy)]


def _carries(entry: str, flat: str) -> bool:
    follows = entry[len(flat) : len(flat) + 1]
    return entry.startswith(flat) and not follows.isalnum() and follows != "_"


def saved_at(models: Path, algorithm: str, model: str) -> float | None:
    """When such files changed last, in seconds since the epoch; None when there are none."""
    with suppress(NameInvalid, FileNotFoundError):
        times = [path.lstat().st_mtime for path in saved_as(models, ModelName(algorithm, model))]
        return max(times, default=None)
    return None
