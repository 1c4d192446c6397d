"""Where the files of models lie below ``versions``: ``<algorithm>/<model>/<number>/``, and ``current`` beside them.

Every apply asks for these paths, and pathlib takes longer to join them than the system to open what they name; so they
are kept.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dltk_runtime.errors import NameInvalid, StoreDamaged
from dltk_runtime.files import atomic
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.version import Version

CURRENT = "current"


@functools.lru_cache(maxsize=1024)
def folder_of(versions: Path, name: ModelName) -> Path:
    """The folder of a model."""
    return versions / name.algorithm / name.model


@functools.lru_cache(maxsize=1024)
def version_of(versions: Path, name: ModelName, number: int) -> Version:
    """A version, whether it exists or not."""
    return Version(VersionId(name, number), folder_of(versions, name) / str(number))


@functools.lru_cache(maxsize=1024)
def current_of(versions: Path, name: ModelName) -> Path:
    """The file that names the version which apply uses."""
    return folder_of(versions, name) / CURRENT


def named(versions: Path, name: ModelName) -> int | None:
    """The number in the file `current`; None without a usable one.

    Raises:
        StoreDamaged: the file is there and cannot be read.
    """
    path = current_of(versions, name)
    try:
        text = atomic.read_short(path).strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreDamaged(f"{path} cannot be read: {error.strerror}. Check the volume and its rights.") from error
    return int(text) if text.isdigit() and len(text) < 19 else None


def names(versions: Path, model: str | None = None) -> Iterator[ModelName]:
    """The models that have a folder; only those called `model`, when given."""
    for algorithm in _folders(versions):
        for folder in _folders(algorithm) if model is None else [algorithm / model]:
            with suppress(NameInvalid):  # lost+found and other folders that are not ours
                if folder.is_dir():
                    yield ModelName(algorithm.name, folder.name)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
