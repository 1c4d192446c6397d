"""Versions in an object store that all fronts share; files of an old volume stay on this machine's."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from dltk_runtime.errors import NameInvalid, StoreError
from dltk_runtime.files import atomic
from dltk_runtime.files.records import decoded
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.store import drawn, layout
from dltk_runtime.store.deeds import Deed
from dltk_runtime.store.errors import StoreReplaced
from dltk_runtime.store.history import Known, Promotion
from dltk_runtime.store.later import Notice, Score
from dltk_runtime.store.layout import HISTORY, LATER, NOTICES, PICTURES
from dltk_runtime.store.objects import keys, removal
from dltk_runtime.store.objects.bucket import Bucket
from dltk_runtime.store.objects.fetched import Fetched
from dltk_runtime.store.objects.identity import Identity
from dltk_runtime.store.objects.pointer import Pointer
from dltk_runtime.store.objects.promoting import Promoting
from dltk_runtime.store.objects.reservation import RUNNING, ObjectReservation, clear, reserve, withdraw
from dltk_runtime.store.objects.versions import TRUST_SECONDS, Manifests, ObjectVersion

IDENTITY_CHARACTERS = 16  # of the store's identity, in the paths of copies


class ObjectStore:
    """Implements `interface.Store` over a bucket; copies of files are below the home of `paths`."""

    remote = True

    def __init__(
        self,
        bucket: Bucket,
        paths: Paths,
        trust_seconds: float = TRUST_SECONDS,
        prove: Callable[[], None] = lambda: None,
    ) -> None:
        self.prove = prove
        self.bucket = bucket
        self._models = paths.models
        self._graphics = paths.graphics
        self._identity = Identity(bucket)
        self._manifests = Manifests(bucket, trust_seconds)
        self._fetched = Fetched(paths.models, paths.copies, lambda: self._identity.get()[:IDENTITY_CHARACTERS])
        self._attached = ""
        self._known = Known()
        self._named: set[ModelName] = set()
        self._mirrored: dict[ModelName, str] = {}

    def attach(self) -> None:
        with suppress(StoreError):
            self._attached = self._identity.get()

    def present(self) -> bool:
        with suppress(StoreError):
            found = self.bucket.get(keys.STORE)
            return not self._attached or (found is not None and found.data == self._attached.encode())
        return False

    def missing(self) -> StoreReplaced:
        return StoreReplaced(self.bucket.where)

    def where(self, name: ModelName) -> str:
        return f"{self.bucket.where}/{keys.model(name)}"

    # ------------------------------------------------------------ read

    def names(self, model: str | None = None) -> list[ModelName]:
        prefix = keys.NAMES if model is None else f"{keys.NAMES}/{model}"
        found = []
        for each in self.bucket.below(prefix):
            *_, of_model, folder = each.key.split("/")
            with suppress(NameInvalid):  # objects that are not ours
                found.append(ModelName.of_folder(folder, of_model))
        return sorted(found)

    def committed(self, name: ModelName) -> list[int]:
        listed = self.bucket.below(keys.model(name, "manifests"))
        return [number for each in listed if each.size and (number := keys.number_in(each.key))]

    def candidates(self, name: ModelName) -> list[int]:
        return self.committed(name)

    def newest(self, name: ModelName) -> int | None:
        return max(self.committed(name), default=None)

    def version(self, version_id: VersionId) -> ObjectVersion:
        return ObjectVersion(version_id, self.bucket, self._manifests, self._fetched)

    def current(self, name: ModelName) -> int | None:
        state = self._pointer(name).whole()
        self._mirror(name, state.code)
        return state.current

    def promotions(self, name: ModelName) -> list[Promotion]:
        return [each.promotion for each in self._pointer(name).entries()]

    def was_promoted(self, version_id: VersionId) -> bool:
        return self._known.contains(version_id, self.promotions)

    def damaged_lines(self, name: ModelName) -> int:
        return self._pointer(name).damaged()

    def problems(self, name: ModelName) -> list[str]:
        bad = self.damaged_lines(name)
        found = [f"{self.where(name)}/promoted has {bad} objects that are no promotions."] if bad else []
        return [*found, *filter(None, map(self._changed, self._fetched.copied(name)))]

    def drop_changed_copy(self, version_id: VersionId) -> str:
        with suppress(StoreError):  # the version is gone, or cannot be asked for
            return self._fetched.drop_changed(version_id, self._manifests.get(version_id))
        return ""

    def copy_replaced(self, version_id: VersionId, since: float) -> bool:
        return self._fetched.replaced(version_id, since)

    def forget_copies(self, name: ModelName) -> None:
        """Remove this machine's copies of a model's versions. Never raises."""
        self._fetched.discard_all(name)

    def copies_of(self, name: ModelName) -> Path:
        """Return the folder of these copies."""
        return self._fetched.model(name)

    def _changed(self, version_id: VersionId) -> str:
        """Return which file of a copy here has changed; empty for none, and without a whole copy."""
        with suppress(StoreError):  # the version is gone, or cannot be asked for
            return self._fetched.changed(version_id, self._manifests.get(version_id))
        return ""

    def deeds(self, name: ModelName, since: datetime | None = None) -> list[Deed]:
        after = int(since.timestamp() * 1e9) if since else 0
        found = (deed for deed in self._deeds(name, after) if deed is not None)
        return [each for each in found if since is None or each.time > since]

    def damaged_deeds(self, name: ModelName) -> int:
        return sum(1 for deed in self._deeds(name) if deed is None)

    def legacy_time(self, name: ModelName) -> float | None:
        return layout.legacy_time(self._models, name)

    # ------------------------------------------------------------ write

    def record(self, name: ModelName, deed: Deed) -> None:
        key = keys.model(name, f"{HISTORY}/{time.time_ns():020}-{secrets.token_hex(4)}")
        self.bucket.put(key, msgspec.json.encode(deed))

    def reserve(self, name: ModelName) -> ObjectReservation:
        self.prove()
        if self._attached and not self.present():
            raise self.missing()
        if name not in self._named:
            self.bucket.put(keys.of_name(name), b"-")
            self._named.add(name)
        version = self.version(VersionId(name, reserve(self.bucket, name)))
        self.bucket.put(keys.version(version.id, RUNNING), b"-")
        try:
            return ObjectReservation(version)
        except OSError as error:
            raise atomic.not_stored(f"A new version of {name}", self._models, error) from error

    def withdraw(self, version_id: VersionId) -> bool:
        self.prove()
        if not withdraw(self.bucket, version_id):
            return False
        clear(self.bucket, version_id)
        return True

    def promote(self, version_id: VersionId) -> None:
        self.prove()
        self._promoting(version_id.name).promote(version_id.number)
        version = self.version(version_id)
        version.decide()
        self._show_pictures(version)

    def keep_back(self, version_id: VersionId, fallback: int) -> None:
        self.prove()
        if self._promoting(version_id.name).promote_first(fallback):
            self._show_pictures(self.version(VersionId(version_id.name, fallback)))
        self.version(version_id).decide()

    def note(self, version_id: VersionId, notice: str) -> None:
        self.version(version_id).add(NOTICES, Notice(notice))

    def add_score(self, version_id: VersionId, score: Score) -> None:
        self.version(version_id).add(LATER, score)

    def use(self, version_id: VersionId) -> None:
        self.version(version_id).use()

    def used_within(self, version_id: VersionId, seconds: float) -> bool:
        return self.version(version_id).used_within(seconds)

    def remove(self, version_id: VersionId) -> bool:
        with suppress(StoreError):  # the next call, or a sweep, goes on
            self.prove()
            version = self.version(version_id)
            if version.is_undecided() or not removal.remove(self._pointer(version_id.name), version_id.number):
                return False
            self._gone(version_id)
            return True
        return False

    def delete(self, name: ModelName) -> None:
        self.prove()
        numbers = self.committed(name)
        self._known.forget(name)
        removal.remove_all(self._pointer(name), numbers)
        for number in numbers:
            self._gone(VersionId(name, number))

    def sweep(self, older_than: float) -> list[str]:
        self.prove()
        return [text for name in self.names() for text in self._sweep(name, older_than)]

    def _sweep(self, name: ModelName, older_than: float) -> Iterator[str]:
        with suppress(StoreError):  # what cannot be read is not left over
            for version_id in removal.sweep(self._pointer(name), older_than):
                yield self.version(version_id).where
            yield from self._fetched.sweep(name, self.committed(name), older_than)

    # ------------------------------------------------------------ code

    def code_choice(self, name: ModelName) -> str:
        state = self._pointer(name).read().state
        self._mirror(name, state.code)
        return state.code

    def choose_code(self, name: ModelName, choice: str) -> None:
        self.prove()
        pointer = self._pointer(name)
        pointer.change(lambda found: msgspec.structs.replace(found.state, code=choice))
        self._mirror(name, choice)

    def choice_file(self, name: ModelName) -> Path:
        return self._fetched.choice_file(name)

    def _mirror(self, name: ModelName, choice: str) -> None:
        """Keep the choice in a local file too: its change is seen by workers' owners without a request."""
        if self._mirrored.get(name, "") == choice:
            return
        path = self.choice_file(name)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(path, choice.encode(), durable=False)
            self._mirrored[name] = choice

    # ------------------------------------------------------------ helpers

    def _pointer(self, name: ModelName) -> Pointer:
        return Pointer(self.bucket, name)

    def _promoting(self, name: ModelName) -> Promoting:
        def verify(number: int) -> None:
            if number:
                self._manifests.drop(VersionId(name, number))
                self.version(VersionId(name, number)).verify()

        return Promoting(self._pointer(name), verify, lambda: self.legacy_time(name) is not None)

    def _deeds(self, name: ModelName, after: int = 0) -> Iterator[Deed | None]:
        """Yield each that was written after that time (ns, epoch); None for one that cannot be read."""
        listed = self.bucket.below(keys.model(name, HISTORY))
        for each in listed if not after else (one for one in listed if keys.end(one.key) > f"{after:020}"):
            found = self.bucket.get(each.key)
            try:
                yield decoded(found.data if found else b"", Deed)
            except msgspec.DecodeError:
                yield None

    def _gone(self, version_id: VersionId) -> None:
        self._manifests.drop(version_id)
        self._fetched.discard(version_id)

    def _show_pictures(self, version: ObjectVersion) -> None:
        """Write what the version's fit drew to where ``GET /graphics/`` of this machine finds it."""
        prefix = keys.version(version.id, PICTURES)
        with suppress(OSError, StoreError):  # a picture that cannot be shown must not cost the promotion
            for each in self.bucket.below(prefix) if version.number else ():
                path = self._graphics / keys.unquoted(each.key.partition(f"{prefix}/")[2])
                found = self.bucket.get(each.key) if drawn.is_name(path.name) else None
                if found is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    atomic.write(path, found.data, durable=False)
