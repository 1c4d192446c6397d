"""The last drift judgement of each model on disk.

The files are ``drift/<algorithm>/<model>.json``, a few kilobytes each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from dltk_runtime.apply.drift import MAX_VERSIONS, Judgement
from dltk_runtime.errors import DltkError, NameInvalid
from dltk_runtime.files import atomic
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.store import ModelStore


class DriftFiles:
    """The judgements below `folder`, one for each model of `store`: of the version judged last."""

    def __init__(self, folder: Path, store: ModelStore) -> None:
        self._folder = folder
        self._store = store

    def read(self) -> list[tuple[VersionId, Judgement]]:
        """Return the judgements of current versions; remove those of deleted models."""
        found = [pair for name, path in self._all() if (pair := self._read(name, path))]
        return found[:MAX_VERSIONS]

    def write(self, judgements: Iterable[tuple[VersionId, Judgement]]) -> None:
        """Write judgements; one that cannot be written is lost at the next restart."""
        for key, judgement in judgements:
            path = self._folder / key.name.folder / f"{key.model}.json"
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic.write(path, msgspec.json.encode(judgement), durable=False)

    def _all(self) -> Iterator[tuple[ModelName, Path]]:
        for path in sorted(self._folder.glob("*/*.json")):
            with suppress(NameInvalid):
                yield ModelName.of_folder(path.parent.name, path.stem), path

    def _read(self, name: ModelName, path: Path) -> tuple[VersionId, Judgement] | None:
        with suppress(OSError, ValueError, DltkError):
            judgement = msgspec.json.decode(path.read_bytes(), type=Judgement)
            current = self._store.current(name)
            if current is None:
                path.unlink()
            elif current.number == judgement.version:
                return VersionId(name, judgement.version), judgement
        return None
