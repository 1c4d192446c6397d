"""Put a backup's versions into an object store; what is there is never overwritten.

A manifest and a pointer are put on the condition that there is none. All that is written follows from
the backup alone, so a restoration that was cut short is taken up again: it meets its own objects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from dltk_runtime.errors import NotStored, StoreDamaged
from dltk_runtime.files import atomic, lines
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.store import layout
from dltk_runtime.store.file_store import FileStore
from dltk_runtime.store.later import Notice, Score
from dltk_runtime.store.layout import HISTORY, LATER, MANIFEST, NOTICES, PICTURES, UNDECIDED, USED
from dltk_runtime.store.objects import keys
from dltk_runtime.store.objects.bucket import unique
from dltk_runtime.store.objects.object_store import ObjectStore
from dltk_runtime.store.objects.pointer import Entry, State
from dltk_runtime.store.objects.reservation import RUNNING
from dltk_runtime.store.saved import opened


class ObjectRestoring:
    """Restores the versions in the home of `backup` to `place`."""

    def __init__(self, place: ObjectStore, backup: Paths) -> None:
        self._bucket = place.bucket
        self._prove = place.prove
        self._deeds = place.deeds
        self._files = FileStore(backup)
        self._versions = backup.versions

    def occupied(self) -> list[ModelName]:
        """Return the models of the backup that the store has with other versions, or another current one.

        So it is also where a fit of the same number runs: its files would take the place of the backup's.

        Raises:
            StoreUnreachable: it does not answer.
        """
        return [name for name in self._files.names() if self._is_occupied(name)]

    def prove(self) -> None:
        """Make sure that the store keeps the conditions of `put`.

        Raises:
            StoreUnusable: it does not.
            NotStored, StoreUnreachable: it does not answer.
        """
        self._prove()

    def put(self) -> None:
        """Write all versions, promotions and histories.

        Raises:
            NotStored: it cannot be written, or a server has written to the same models meanwhile.
            OSError: the backup cannot be read.
        """
        for name in self._files.names():
            self._put_model(name)
        with_identity = self._versions / layout.IDENTITY
        if with_identity.exists() and keys.is_identity(identity := atomic.read_short(with_identity).strip()):
            self._bucket.create(keys.STORE, identity)  # else the store makes one

    def differences(self) -> Iterator[str]:
        """Yield a sentence for each manifest and pointer that is not the backup's. Raises as `occupied`."""
        for name in self._files.names():
            for key, data in self._conditional(name):
                found = self._bucket.get(key)
                if found is None or found.data != data:
                    yield f"{self._bucket.where}/{key} is not as it was backed up"

    # ------------------------------------------------------------ one model

    def _is_occupied(self, name: ModelName) -> bool:
        ours = dict(self._conditional(name))
        there = [
            each.key for each in self._bucket.below(keys.model(name, "manifests")) if each.size or each.key in ours
        ]
        for key in {*there, keys.model(name, "current")}:
            found = self._bucket.get(key)
            if found is not None and found.data != ours.get(key):
                return True
        new = (number for number in self._files.committed(name) if keys.manifest(VersionId(name, number)) not in there)
        return any(self._bucket.head(keys.version(VersionId(name, each), RUNNING)) is not None for each in new)

    def _conditional(self, name: ModelName) -> Iterator[tuple[str, bytes]]:
        """Yield the objects whose put is refused when they exist: the manifests, and the pointer as the last one."""
        for number in self._files.committed(name):
            yield keys.manifest(VersionId(name, number)), atomic.read(self._folder(name, number) / MANIFEST)
        if (state := self._state(name)) is not None:
            yield keys.model(name, "current"), msgspec.json.encode(state)

    def _put_model(self, name: ModelName) -> None:
        folder = layout.model_folder(self._versions, name)
        self._bucket.put(keys.of_name(name), b"-")
        if highest := layout.highest(folder):  # first: a fit that begins now takes a higher one
            self._bucket.create(keys.model(name, f"reserved/{highest:0{keys.NUMBER_DIGITS}}"), unique())
        for version_id in (VersionId(name, number) for number in self._files.committed(name)):
            if self._bucket.head(keys.manifest(version_id)) is None:  # else its files are there, and may be whole
                self._put_files(version_id)
        for each in self._entries(name):
            self._bucket.put(keys.model(name, each.key), b"")
        self._put_records(keys.model(name, HISTORY), self._files.deeds(name), known=self._deeds(name))
        for key, data in self._conditional(name):
            found = None if self._bucket.create(key, data) else self._bucket.get(key)
            if found is not None and found.data != data:
                raise NotStored(f"{self._bucket.where}/{key} was written by a server meanwhile. Stop all servers.")

    def _put_files(self, version_id: VersionId) -> None:
        folder = self._folder(version_id.name, version_id.number)
        for path, file in opened(folder):
            text = path.as_posix()
            if path.parts[0] == PICTURES:
                inside = path.relative_to(PICTURES).as_posix()
                self._bucket.put(keys.version(version_id, f"{PICTURES}/{keys.quoted(inside)}"), file)
            elif text in (UNDECIDED, USED):
                self._bucket.put(keys.version(version_id, text), b"-")
            elif text == NOTICES:
                self._put_records(keys.version(version_id, NOTICES), lines.read(folder / text, Notice))
            elif text == LATER:
                self._put_records(keys.version(version_id, LATER), lines.read(folder / text, Score))
            elif text != MANIFEST:
                self._bucket.put(keys.file(version_id, text), file)

    def _put_records(
        self, prefix: str, records: Sequence[msgspec.Struct], known: Collection[msgspec.Struct] = ()
    ) -> None:
        """Write records but those `known`: a model that was never promoted may be there just as in the backup."""
        for place, each in enumerate(records):
            if each not in known:
                self._bucket.put(f"{prefix}/{place:020}-restored", msgspec.json.encode(each))

    # ------------------------------------------------------------ its promotions

    def _entries(self, name: ModelName) -> list[Entry]:
        try:
            promotions = self._files.promotions(name)
        except StoreDamaged:  # which the backup says
            return []
        return [
            Entry(each.version, max(0, int(each.time.timestamp() * 1e6)), place, each.found, id=f"{place:016x}")
            for place, each in enumerate(promotions, start=1)
        ]

    def _state(self, name: ModelName) -> State | None:
        """Return what the pointer is to hold; None without one, and for a damaged one."""
        try:
            current, choice = self._files.current(name), self._files.code_choice(name)
        except StoreDamaged:
            return None
        entries = self._entries(name)
        if current is None and (entries or not choice):
            return None
        nonce = hashlib.sha256(msgspec.json.encode([entries, current])).hexdigest()[:16]
        last = entries[-1] if entries else None
        return State(len(entries) + 1, nonce, current, last, code=choice)

    def _folder(self, name: ModelName, number: int) -> Path:
        return layout.model_folder(self._versions, name) / str(number)
