"""The last drift judgement of each model on disk, and the indexes of those before.

The files are ``drift/<algorithm>/<model>.json``, a few kilobytes each, and beside it
``<model>.past``, to which every server that shares the disk appends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from dltk_runtime.apply.drift import MAX_VERSIONS, Judgement, Past
from dltk_runtime.errors import DltkError, NameInvalid, StoreDamaged
from dltk_runtime.files import atomic, lines, ring
from dltk_runtime.files.records import decoded
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.store import ModelStore

MAX_PAST = 24  # judgements of a version that are shown
MAX_PAST_BYTES = 128 * 1024  # of those of one model
MAX_READ_BYTES = 64 * MAX_PAST_BYTES  # of such a file before its cut; one that is larger is none of ours


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

    def write_past(self, judged: Sequence[tuple[VersionId, Past]]) -> None:
        """Append what stays of judgements; what cannot be written is lost."""
        for name in dict.fromkeys(key.name for key, _ in judged):
            with suppress(OSError):
                ring.add(self._past(name), [each for key, each in judged if key.name == name], MAX_PAST_BYTES)

    def past(self, version: VersionId) -> list[Past]:
        """Return the judgements of a version that are known, by every server, the oldest first."""
        with suppress(StoreDamaged):
            known = lines.read(self._past(version.name), Past, MAX_READ_BYTES)
            found = [each for each in known if each.version == version.number]
            return sorted(found, key=lambda each: each.time)[-MAX_PAST:]
        return []

    def _past(self, name: ModelName) -> Path:
        return self._folder / name.folder / f"{name.model}.past"

    def _all(self) -> Iterator[tuple[ModelName, Path]]:
        for path in sorted(self._folder.glob("*/*.json")):
            with suppress(NameInvalid):
                yield ModelName.of_folder(path.parent.name, path.stem), path

    def _read(self, name: ModelName, path: Path) -> tuple[VersionId, Judgement] | None:
        with suppress(OSError, ValueError, DltkError):
            judgement = decoded(atomic.read(path), Judgement)
            current = self._store.current(name)
            if current is None:
                path.unlink()
                self._past(name).unlink(missing_ok=True)
            elif current.number == judgement.version:
                return VersionId(name, judgement.version), judgement
        return None
