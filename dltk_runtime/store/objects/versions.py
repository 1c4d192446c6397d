"""A version whose files are objects."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from dltk_runtime.errors import DltkError, StoreDamaged
from dltk_runtime.files.records import decoded
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.errors import StoreUnreachable, VersionRemoved
from dltk_runtime.store.handles import Location
from dltk_runtime.store.later import Notice, Score
from dltk_runtime.store.layout import CARD, CODE, DESCRIPTION, LATER, NOTICES, SEEN, UNDECIDED, USED, load_name
from dltk_runtime.store.manifest import Brief, Manifest, StoredFile, parse
from dltk_runtime.store.objects import keys
from dltk_runtime.store.objects.bucket import Bucket, Tag, unique
from dltk_runtime.store.objects.fetched import Fetched
from dltk_runtime.store.version import ABANDONED_SECONDS, USED_STEP_SECONDS

Record = TypeVar("Record", bound=msgspec.Struct)
TRUST_SECONDS = 2.0  # that a manifest, which never changes, is not looked at again
MAX_MANIFESTS = 512  # that are kept parsed


class Manifests:
    """Parsed manifests; that a version still exists is asked again after `trust_seconds`."""

    def __init__(self, bucket: Bucket, trust_seconds: float) -> None:
        self._bucket = bucket
        self._trust = trust_seconds
        self._known: OrderedDict[VersionId, tuple[float, Tag, Manifest]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, version_id: VersionId) -> Manifest:
        """Return a version's manifest.

        Raises:
            VersionUnknown: it was removed, was never committed, or is version 0.
            StoreDamaged: its manifest cannot be read.
            StoreUnreachable: the store does not answer.
        """
        known = self._known.get(version_id)
        if known is not None and time.monotonic() - known[0] < self._trust:
            return known[2]
        key, where = keys.manifest(version_id), f"{self._bucket.where}/{keys.manifest(version_id)}"
        entry = self._bucket.head(key) if known is not None else None
        if known is not None and entry is not None and entry.tag == known[1]:
            manifest, tag = known[2], known[1]
        else:
            found = self._bucket.get(key) if version_id.number else None
            if found is None or not found.data:
                self.drop(version_id)
                raise VersionRemoved(version_id, where)
            manifest, tag = parse(found.data, where), found.tag
        with self._lock:
            self._known[version_id] = (time.monotonic(), tag, manifest)
            self._known.move_to_end(version_id)
            while len(self._known) > MAX_MANIFESTS:
                self._known.popitem(last=False)
        return manifest

    def drop(self, version_id: VersionId) -> None:
        """Ask anew for this version."""
        with self._lock:
            self._known.pop(version_id, None)


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """A version in `bucket`; number 0 stands for files of an old volume on this machine."""

    id: VersionId
    bucket: Bucket
    manifests: Manifests
    fetched: Fetched

    def __str__(self) -> str:
        return str(self.id)

    @property
    def name(self) -> ModelName:
        return self.id.name

    @property
    def number(self) -> int:
        return self.id.number

    @property
    def where(self) -> str:
        return f"{self.bucket.where}/{keys.version(self.id)}" if self.number else str(self.fetched.models)

    def manifest(self) -> Manifest:
        return self.manifests.get(self.id)

    def brief(self) -> Brief:
        return Brief.of(self.manifest())

    def notices(self) -> list[str]:
        return [*self.manifest().notices, *self.added()]

    def added(self) -> list[str]:
        return [each.text for each in self._added(NOTICES, Notice)]

    def scores(self) -> list[Score]:
        return self._added(LATER, Score)

    def code(self) -> bytes:
        return self._file(CODE)

    def description(self) -> bytes:
        return self._file(DESCRIPTION)

    def card(self) -> bytes:
        has_one = any(stored.path == CARD for stored in self.manifest().files)
        return self._file(CARD) if has_one else b""

    def location(self) -> Location:
        if self.number == 0:
            return Location(load_name(self.id))
        manifest, place = self.manifest(), self.fetched.location(self.id)
        self.fetched.fetch(self.id, manifest, self.bucket)
        knows_rows = any(stored.path == SEEN for stored in manifest.files)
        kept = place.kept_model if manifest.kept_by_runtime else ""
        return replace(place, kept_model=kept, seen=place.seen if knows_rows else "")

    def verify(self, *, hashes: bool = False) -> None:
        manifest, prefix = self.manifest(), keys.version(self.id, "files")
        sizes = {keys.unquoted(each.key.partition(f"{prefix}/")[2]): each.size for each in self.bucket.below(prefix)}
        for stored in manifest.files:
            size = sizes.get(stored.path)
            if size != stored.size:
                what = (
                    "is missing" if size is None else f"has {size:,} bytes, and had {stored.size:,} when it was stored"
                )
                raise self._damaged(stored.path, what)
            if hashes and self._has_changed(stored):
                raise self._damaged(stored.path, "has changed since it was stored")

    # ------------------------------------------------------------ notes beside the manifest

    def use(self) -> None:
        """Set the time of its last use, at most once in `USED_STEP_SECONDS`."""
        with suppress(DltkError):
            if not self.used_within(USED_STEP_SECONDS):
                self.bucket.put(keys.version(self.id, USED), b"-")

    def used_within(self, seconds: float) -> bool:
        """Return whether it was used within this time; an unknown answer counts as a use."""
        try:
            return self._age_seconds(USED) < seconds
        except StoreUnreachable:
            return True

    def is_undecided(self) -> bool:
        """Return whether its fit has neither promoted it nor kept it back, for less than a day."""
        return self._age_seconds(UNDECIDED) < ABANDONED_SECONDS

    def decide(self) -> None:
        """Record that its fit has promoted it or kept it back."""
        with suppress(DltkError):  # the mark loses its meaning after a day
            self.bucket.delete([keys.version(self.id, UNDECIDED)])

    def add(self, kind: str, record: Notice | Score) -> None:
        """Add a record beside the manifest.

        Raises:
            VersionUnknown, StoreDamaged, StoreUnreachable: as `manifest`.
            NotStored: it cannot be written.
        """
        self.manifest()
        part = f"{kind}/{time.time_ns():020}-{unique().decode()[:8]}"
        self.bucket.put(keys.version(self.id, part), msgspec.json.encode(record))

    def _added(self, kind: str, what: type[Record]) -> list[Record]:
        found = (self.bucket.get(each.key) for each in self.bucket.below(keys.version(self.id, kind)))
        try:
            return [decoded(each.data, what) for each in found if each is not None]
        except msgspec.DecodeError as error:
            raise StoreDamaged(f"{self.where}/{kind} is damaged: {error}.") from error

    def _age_seconds(self, part: str) -> float:
        found = self.bucket.head(keys.version(self.id, part))
        return (datetime.now(UTC) - found.time).total_seconds() if found else float("inf")

    # ------------------------------------------------------------ files

    def _has_changed(self, stored: StoredFile) -> bool:
        digest = hashlib.sha256()
        for piece in self.bucket.pieces(keys.file(self.id, stored.path), stored.size):
            digest.update(piece)
        return digest.hexdigest() != stored.sha256

    def _file(self, path: str) -> bytes:
        found = self.bucket.get(keys.file(self.id, path))
        if found is None:
            raise self._damaged(path, "is missing")
        return found.data

    def _damaged(self, path: str, what: str) -> StoreDamaged:
        return StoreDamaged(
            f"{self} is damaged: {path} in {self.where} {what}. "
            "Make another version current with 'dltk models promote', or fit again."
        )
