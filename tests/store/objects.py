"""A second implementation of the store's interface: objects, without folders and locks.

It shows that the protocols ask for nothing that an object store lacks. All it needs of one are a
put that fails when the key exists, and one that fails when the object has changed.
"""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from dltk_runtime.errors import NotStored, StoreDamaged, StoreError
from dltk_runtime.files import atomic
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.deeds import Deed
from dltk_runtime.store.errors import HomeVanished, VersionRemoved
from dltk_runtime.store.history import Promotion, before
from dltk_runtime.store.interface import Location
from dltk_runtime.store.later import Score
from dltk_runtime.store.layout import CARD, CODE, DESCRIPTION, KEPT_MODEL, PICTURES, SEEN, load_name
from dltk_runtime.store.manifest import Brief, Facts, Manifest, StoredFile, complete, parse

IDENTITY = "identity"


class Conflict(Exception):
    """The key exists, or its object has changed."""


class Objects:
    """Objects by key, each with a tag and a time; every operation is atomic."""

    def __init__(self) -> None:
        self._all: dict[str, tuple[int, float, bytes]] = {}
        self._lock = threading.Lock()
        self._tags = itertools.count(1)

    def put(self, key: str, data: bytes, *, over: int | None) -> int:
        """Write an object; return its tag.

        `over` is the tag of the object that it replaces: 0 for none, None for any.
        """
        with self._lock:
            if over is not None and self._all.get(key, (0, 0.0, b""))[0] != over:
                raise Conflict(key)
            tag = next(self._tags)
            self._all[key] = (tag, time.time(), data)
            return tag

    def get(self, key: str) -> tuple[int, bytes]:
        tag, _, data = self._all.get(key, (0, 0.0, b""))
        return tag, data

    def delete(self, key: str) -> bool:
        with self._lock:
            return self._all.pop(key, None) is not None

    def below(self, prefix: str) -> list[str]:
        return sorted(key for key in list(self._all) if key.startswith(prefix))

    def seconds_since(self, key: str) -> float:
        return time.time() - self._all[key][1]


@dataclass(frozen=True)
class ObjectVersion:
    id: VersionId
    objects: Objects
    cache: Path

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
        return f"memory://{self.key('')}"

    @property
    def folder(self) -> Path:
        return (self.cache / load_name(self.id)).parent

    def key(self, name: str) -> str:
        return f"{self.id.algorithm}/{self.id.model}/{self.number}/{name}"

    def file(self, path: str) -> bytes:
        tag, data = self.objects.get(self.key(f"files/{path}"))
        if not tag:
            raise StoreDamaged(f"{self} is damaged: {path} is missing.")
        return data

    def manifest(self) -> Manifest:
        tag, data = self.objects.get(self.key("manifest"))
        if not tag:
            raise VersionRemoved(self.id, self.where)
        return parse(data, self.where)

    def brief(self) -> Brief:
        return Brief.of(self.manifest())

    def added_notices(self) -> list[str]:
        return msgspec.json.decode(self.objects.get(self.key("notices"))[1] or b"[]", type=list[str])

    def notices(self) -> list[str]:
        return [*self.manifest().notices, *self.added_notices()]

    def scores(self) -> list[Score]:
        return msgspec.json.decode(self.objects.get(self.key("later"))[1] or b"[]", type=list[Score])

    def code(self) -> bytes:
        return self.file(CODE)

    def description(self) -> bytes:
        return self.file(DESCRIPTION)

    def card(self) -> bytes:
        has_one = any(stored.path == CARD for stored in self.manifest().files)
        return self.file(CARD) if has_one else b""

    def place(self) -> Location:
        paths = (self.folder, self.folder / CODE, self.folder / KEPT_MODEL, self.folder / SEEN, self.folder / PICTURES)
        return Location(load_name(self.id), *map(str, paths))

    def location(self) -> Location:
        if self.number == 0:
            return Location(load_name(self.id))
        manifest = self.manifest()
        for stored in manifest.files:
            target = self.folder / stored.path
            target.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(target, self.file(stored.path), durable=False)
        place = self.place()
        seen = place.seen if any(stored.path == SEEN for stored in manifest.files) else ""
        return replace(place, kept_model=place.kept_model if manifest.kept_by_runtime else "", seen=seen)

    def verify(self, *, hashes: bool = False) -> None:
        for stored in self.manifest().files:
            data = self.file(stored.path)
            if len(data) != stored.size or (hashes and sha256(data).hexdigest() != stored.sha256):
                raise StoreDamaged(f"{self} is damaged: {stored.path} has changed.")


class ObjectReservation:
    def __init__(self, version: ObjectVersion) -> None:
        self._version = version
        self._committed = False
        version.folder.mkdir(parents=True)

    @property
    def number(self) -> int:
        return self._version.number

    @property
    def location(self) -> Location:
        return self._version.place()

    def touch(self) -> None:
        self._version.objects.put(self._version.key("running"), b"", over=None)

    def commit(self, facts: Facts, code: bytes, description: bytes, card: bytes = b"") -> ObjectVersion:
        folder, put = self._version.folder, self._version.objects.put
        files = {str(path.relative_to(folder)): path.read_bytes() for path in atomic.regular_files(folder)}
        files |= {CODE: code, DESCRIPTION: description} | ({CARD: card} if card else {})
        for path, data in files.items():
            put(self._version.key(f"files/{path}"), data, over=0)
        stored = [StoredFile(path, len(data), sha256(data).hexdigest()) for path, data in sorted(files.items())]
        put(self._version.key("undecided"), b"", over=0)
        try:
            put(self._version.key("closed"), b"committed", over=0)
        except Conflict as error:
            raise NotStored(f"{self._version} was withdrawn") from error
        put(self._version.key("manifest"), atomic.to_json(complete(self._version.id, facts, stored)), over=0)
        self._committed = True
        return self._version

    def abandon(self) -> None:
        if not self._committed:
            shutil.rmtree(self._version.folder, ignore_errors=True)
            for key in self._version.objects.below(self._version.key("")):
                self._version.objects.delete(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.abandon()


class ObjectStore:
    def __init__(self, objects: Objects, cache: Path) -> None:
        self._objects = objects
        self._cache = cache
        self._identity = 0

    def where(self, name: ModelName) -> str:
        return f"memory://{name}"

    def attach(self) -> None:
        with suppress(Conflict):
            self._objects.put(IDENTITY, b"", over=0)
        self._identity, _ = self._objects.get(IDENTITY)

    def present(self) -> bool:
        return not self._identity or self._objects.get(IDENTITY)[0] == self._identity

    def names(self, model: str | None = None) -> Iterable[ModelName]:
        found = {ModelName(*key.split("/")[:2]) for key in self._objects.below("") if key != IDENTITY}
        return sorted(name for name in found if model in (None, name.model))

    def committed(self, name: ModelName) -> list[int]:
        keys = self._objects.below(f"{name}/")
        return sorted(int(key.split("/")[2]) for key in keys if key.endswith("/manifest"))

    def newest(self, name: ModelName) -> int | None:
        return max(self.committed(name), default=None)

    def version(self, version_id: VersionId) -> ObjectVersion:
        return ObjectVersion(version_id, self._objects, self._cache)

    def current(self, name: ModelName) -> int | None:
        tag, number = self._objects.get(f"{name}/current")
        if tag and not number.isdigit():
            raise StoreDamaged(f"The current version of {name} is damaged.")
        return int(number) if tag else None

    def promotions(self, name: ModelName) -> list[Promotion]:
        _, data = self._objects.get(f"{name}/promoted")
        try:
            return msgspec.json.decode(data or b"[]", type=list[Promotion])
        except msgspec.DecodeError as error:
            raise StoreDamaged(f"The promotions of {name} are damaged.") from error

    def was_promoted(self, version_id: VersionId) -> bool:
        numbers = [each.version for each in self.promotions(version_id.name)]
        return not numbers or version_id.number in numbers

    def damaged_lines(self, name: ModelName) -> int:
        return 0

    def problems(self, name: ModelName) -> list[str]:
        return []

    def deeds(self, name: ModelName) -> list[Deed]:
        return msgspec.json.decode(self._objects.get(f"{name}/history")[1] or b"[]", type=list[Deed])

    def damaged_deeds(self, name: ModelName) -> int:
        return 0

    def record(self, name: ModelName, deed: Deed) -> None:
        tag, data = self._objects.get(key := f"{name}/history")
        known = msgspec.json.decode(data or b"[]", type=list[Deed])
        self._objects.put(key, msgspec.json.encode([*known, deed]), over=tag)

    def legacy_time(self, name: ModelName) -> float | None:
        return None

    def reserve(self, name: ModelName) -> ObjectReservation:
        if not self.present():
            raise HomeVanished
        while True:
            taken = [int(key.rpartition("/")[2]) for key in self._objects.below(f"{name}/reserved/")]
            version = self.version(VersionId(name, max(taken, default=0) + 1))
            with suppress(Conflict):
                self._objects.put(f"{name}/reserved/{version.number}", b"", over=0)
                self._objects.put(version.key("running"), b"", over=0)
                return ObjectReservation(version)

    def withdraw(self, version_id: VersionId) -> bool:
        with suppress(Conflict):
            self._objects.put(self.version(version_id).key("closed"), b"withdrawn", over=0)
        return self._objects.get(self.version(version_id).key("closed"))[1] == b"withdrawn"

    def promote(self, version_id: VersionId) -> None:
        version, key = self.version(version_id), f"{version_id.name}/current"
        version.verify()
        tag, number = self._objects.get(key)
        if number.isdigit() and not self.promotions(version_id.name):
            self._record(version_id.name, Promotion(int(number), datetime.now(UTC), found=True))
        self._record(version_id.name, Promotion(version_id.number, datetime.now(UTC)))
        try:
            now = self._objects.put(key, b"%d" % version_id.number, over=tag)
        except Conflict:
            return self.promote(version_id)
        try:
            version.verify()
        except StoreError:
            with suppress(Conflict):  # another promotion came later
                if tag:
                    self._objects.put(key, number, over=now)
                    self._record(version_id.name, Promotion(int(number), datetime.now(UTC)))
            raise
        self._objects.delete(version.key("undecided"))
        return None

    def _record(self, name: ModelName, promotion: Promotion) -> None:
        key = f"{name}/promoted"
        tag, _ = self._objects.get(key)
        try:
            self._objects.put(key, msgspec.json.encode([*self.promotions(name), promotion]), over=tag)
        except Conflict:
            self._record(name, promotion)

    def keep_back(self, version_id: VersionId, fallback: int) -> None:
        with suppress(Conflict):
            if not self.promotions(version_id.name):
                self._objects.put(f"{version_id.name}/current", b"%d" % fallback, over=0)
                self._record(version_id.name, Promotion(fallback, datetime.now(UTC)))
        self._objects.delete(self.version(version_id).key("undecided"))

    def note(self, version_id: VersionId, notice: str) -> None:
        version = self.version(version_id)
        version.manifest()
        self._add(version.key("notices"), notice, version.added_notices())

    def add_score(self, version_id: VersionId, score: Score) -> None:
        version = self.version(version_id)
        version.manifest()
        self._add(version.key("later"), score, version.scores())

    def _add(self, key: str, record: Any, before: list[Any]) -> None:
        self._objects.put(key, msgspec.json.encode([*before, record]), over=None)

    def use(self, version_id: VersionId) -> None:
        self._objects.put(self.version(version_id).key("used"), b"", over=None)

    def used_within(self, version_id: VersionId, seconds: float) -> bool:
        key = self.version(version_id).key("used")
        return bool(self._objects.get(key)[0]) and self._objects.seconds_since(key) < seconds

    def remove(self, version_id: VersionId) -> bool:
        version = self.version(version_id)
        _, manifest = self._objects.get(version.key("manifest"))
        undecided, _ = self._objects.get(version.key("undecided"))
        if undecided or self._is_kept(version_id) or not self._objects.delete(version.key("manifest")):
            return False
        if self._is_kept(version_id):
            self._objects.put(version.key("manifest"), manifest, over=None)
            return False
        for key in self._objects.below(version.key("")):
            self._objects.delete(key)
        return True

    def _is_kept(self, version_id: VersionId) -> bool:
        with suppress(StoreDamaged):
            current = self.current(version_id.name)
            return version_id.number in {current, *before(self.promotions(version_id.name), current)[:1]}
        return True

    def delete(self, name: ModelName) -> None:
        self._objects.delete(f"{name}/promoted")
        self._objects.delete(f"{name}/current")
        for number in self.committed(name):
            for key in self._objects.below(self.version(VersionId(name, number)).key("")):
                self._objects.delete(key)

    def sweep(self, older_than: float) -> list[str]:
        removed = []
        for mark in self._objects.below(""):
            version = mark.removesuffix("/running")
            if version != mark and not self._objects.get(f"{version}/manifest")[0]:
                keys = self._objects.below(f"{version}/")
                if min(map(self._objects.seconds_since, keys)) > older_than:
                    removed += [key for key in keys if self._objects.delete(key)]
        return removed
