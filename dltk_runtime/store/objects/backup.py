"""Copy an object store into a backup, in the layout of a volume (`layout`), so either kind is restored from it.

As in `store.backup`, versions come first and the pointers last, each after the version that it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

import msgspec

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files import lines
from dltk_runtime.files.copying import Copied, Copier
from dltk_runtime.files.records import decoded
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.backup import MAX_LOOKS, ModelsCopy
from dltk_runtime.store.later import Notice, Score
from dltk_runtime.store.layout import (
    CODE_CHOICE,
    CURRENT,
    HISTORY,
    IDENTITY,
    LATER,
    MANIFEST,
    NOTICES,
    PICTURES,
    PROMOTED,
    RESERVED_PREFIX,
    UNDECIDED,
    USED,
)
from dltk_runtime.store.manifest import parse
from dltk_runtime.store.objects import keys
from dltk_runtime.store.objects.bucket import Bucket, Entry
from dltk_runtime.store.objects.object_store import ObjectStore
from dltk_runtime.store.objects.pointer import Pointer, State


class ObjectCopy(ModelsCopy):
    """Copies the object store `store`."""

    def __init__(self, store: ObjectStore, copier: Copier, root: str) -> None:
        super().__init__(copier, root)
        self._store = store
        self._bucket: Bucket = store.bucket

    def copy_versions(self) -> None:
        for name in self._store.names():
            self._copy_versions(name)

    def copy_pointers(self) -> None:
        if found := self._bucket.get(keys.STORE):
            self._copier.text(found.data + b"\n", f"{self._root}/{IDENTITY}")
        for name in sorted({*self._store.names(), *self._numbers}):
            self._copy_pointer(name)

    # ------------------------------------------------------------ one version

    def _copy_versions(self, name: ModelName) -> None:
        known = self._numbers.setdefault(name, set())
        new = (number for number in self._store.committed(name) if number not in known)
        known.update(number for number in new if self._copy_version(VersionId(name, number)))

    def _copy_version(self, version_id: VersionId) -> bool:
        """Copy a version, the manifest as the last file; return whether it is still there."""
        to, found = f"{self._place(version_id.name)}/{version_id.number}", self._bucket.get(keys.manifest(version_id))
        copied = {path: self._copy_file(each, f"{to}/{path}") for path, each in self._files(version_id)}
        for kind, what in ((NOTICES, Notice), (LATER, Score)):
            self._copy_records(version_id, kind, what, f"{to}/{kind}")
        left = self._bucket.head(keys.manifest(version_id))
        if found is None or not found.data or left is None or not left.size:  # removed meanwhile
            self._copier.drop(to)
            return False
        self._copier.text(found.data, f"{to}/{MANIFEST}")
        self._check(version_id, found.data, copied)
        return True

    def _files(self, version_id: VersionId) -> Iterator[tuple[str, Entry]]:
        """Yield the path in a version's folder of each object that is a file there."""
        prefix = keys.version(version_id) + "/"
        for each in self._bucket.below(keys.version(version_id)):
            kind, _, rest = each.key.removeprefix(prefix).partition("/")
            path = {"files": keys.unquoted(rest), PICTURES: f"{PICTURES}/{keys.unquoted(rest)}"}.get(kind, kind)
            if (kind in ("files", PICTURES) and path != MANIFEST and _is_inside(path)) or kind in (UNDECIDED, USED):
                yield path, each

    def _copy_file(self, listed: Entry, to: str) -> Copied:
        return self._copier.pieces(self._bucket.pieces(listed.key, listed.size), to)

    def _copy_records(self, version_id: VersionId, kind: str, what: type[msgspec.Struct], to: str) -> None:
        found = (self._bucket.get(each.key) for each in self._bucket.below(keys.version(version_id, kind)))
        try:
            records = [decoded(each.data, what) for each in found if each is not None]
        except msgspec.DecodeError as error:
            self.problems.append(f"{version_id}: its {kind} are damaged: {error}.")
            return
        if records:
            self._copier.text(lines.encoded(records), to)

    def _check(self, version_id: VersionId, manifest: bytes, copied: dict[str, Copied]) -> None:
        where = f"{self._bucket.where}/{keys.version(version_id)}"
        try:
            stored = parse(manifest, f"{self._bucket.where}/{keys.manifest(version_id)}").files
        except StoreDamaged as error:
            self.problems.append(f"{version_id} is damaged: {error}")
            return
        self._compare(version_id, where, stored, copied)

    # ------------------------------------------------------------ one model

    def _copy_pointer(self, name: ModelName) -> None:
        state, to = self._state(name), self._place(name)
        if not self._numbers.get(name):
            self._numbers.pop(name, None)
            self._copier.drop(to)  # deleted, or never fitted
        promotions = Pointer(self._bucket, name).entries(state)
        if promotions:
            self._copier.text(lines.encoded([each.promotion for each in promotions]), f"{to}/{PROMOTED}")
        if bad := self._store.damaged_lines(name):
            self.problems.append(f"{self._store.where(name)}/{PROMOTED} has {bad} objects that are no promotions.")
        if bad := self._store.damaged_deeds(name):
            self.problems.append(f"{self._store.where(name)}/{HISTORY} has {bad} objects that cannot be read.")
        if deeds := self._store.deeds(name):
            self._copier.text(lines.encoded(deeds), f"{to}/{HISTORY}")
        if marks := self._bucket.below(keys.model(name, "reserved")):
            self._copier.text(b"", f"{to}/{RESERVED_PREFIX}{keys.number_in(marks[-1].key)}")
        if state.code:
            self._copier.text(f"{state.code}\n".encode(), f"{to}/{CODE_CHOICE}")
        if state.current is not None:
            self._copier.text(b"%d\n" % state.current, f"{to}/{CURRENT}")

    def _state(self, name: ModelName) -> State:
        """Return the pointer's state, once the version that it names is copied."""
        pointer = Pointer(self._bucket, name)
        found = pointer.read()
        for _ in range(MAX_LOOKS):
            self._copy_versions(name)
            if found.damage:
                self.problems.append(found.damage)
            if not found.state.current or found.state.current in self._numbers[name]:
                return found.state
            before, found = found, pointer.read()
            if found.state == before.state:  # its manifest is gone: that is damage, which stays as it is
                self.problems.append(f"{name} version {found.state.current}, its current one, has no manifest.")
                return found.state
        self.problems.append(f"The current version of {name} changed {MAX_LOOKS} times while it was copied.")
        return found.state


def _is_inside(path: str) -> bool:
    """Return whether a path from a key stays in its folder."""
    return (
        not PurePosixPath(path).is_absolute() and not {"", ".", ".."}.intersection(path.split("/")) and "\0" not in path
    )
