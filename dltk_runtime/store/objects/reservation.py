"""A number for one fit: its files are written first, and the manifest, by which the version exists, last."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from dltk_runtime.errors import DltkError, NotStored
from dltk_runtime.files import atomic
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.handles import Location
from dltk_runtime.store.layout import CARD, CODE, DESCRIPTION, MAX_NUMBER_DIGITS, PICTURES, UNDECIDED
from dltk_runtime.store.manifest import Facts, StoredFile, complete, parse
from dltk_runtime.store.objects import keys
from dltk_runtime.store.objects.bucket import Bucket, unique
from dltk_runtime.store.objects.versions import ObjectVersion
from dltk_runtime.store.saved import measured, opened
from dltk_runtime.store.version import ABANDONED_SECONDS

RUNNING = "running"
TOUCH_SECONDS = 600.0  # between two marks that a fit still runs; a day without one ends its reservation


def reserve(bucket: Bucket, name: ModelName) -> int:
    """Return a number that no call has returned before, on whatever machines.

    The mark of the highest number is never removed. So only a process that listed the marks before,
    and continues late, can make a lower one again; it then sees a higher mark, and takes the next.

    Raises:
        NotStored: it cannot be written.
        StoreUnreachable: the store does not answer.
    """
    prefix = keys.model(name, "reserved")
    while True:
        taken = bucket.below(prefix)
        number = max((keys.number_in(each.key) for each in taken), default=0) + 1
        if number >= 10**MAX_NUMBER_DIGITS:
            raise NotStored(f"{name} has the highest possible number, {number - 1}, in {bucket.where}/{prefix}.")
        mark = f"{prefix}/{number:0{keys.NUMBER_DIGITS}}"
        if not bucket.create(mark, unique()):
            continue
        marks = bucket.below(prefix)
        if keys.number_in(marks[-1].key) > number:
            continue
        bucket.delete(each.key for each in marks if keys.number_in(each.key) < number)
        return number


class ObjectReservation:
    """A reserved number with an empty folder on this machine. One thread uses it."""

    def __init__(self, version: ObjectVersion) -> None:
        self._version = version
        self._bucket = version.bucket
        self._ended = False
        version.fetched.discard(version.id)
        Path(self.location.folder).mkdir(parents=True)
        self._asked = self._touched = _now()

    @property
    def number(self) -> int:
        return self._version.number

    @property
    def location(self) -> Location:
        return self._version.fetched.location(self._version.id)

    def touch(self) -> None:
        self._version.fetched.touch(self._version.id)
        if _now() - self._asked > TOUCH_SECONDS:
            self._asked = _now()
            threading.Thread(target=self._touch, daemon=True).start()  # whoever calls may not wait for a network

    def _touch(self) -> None:
        with suppress(DltkError):
            self._bucket.put(keys.version(self._version.id, RUNNING), b"-")
            self._touched = _now()

    def commit(self, facts: Facts, code: bytes, description: bytes, card: bytes = b"") -> ObjectVersion:
        version = self._version
        if _now() - self._touched > ABANDONED_SECONDS:
            raise self._withdrawn("nothing was heard of its fit for a day")
        folder = Path(self.location.folder)
        try:
            for path, data in {CODE: code, DESCRIPTION: description, CARD: card}.items():
                if data or path != CARD:
                    atomic.write(folder / path, data, durable=False)
            stored = list(self._upload(folder))
        except OSError as error:
            raise atomic.not_stored(str(version), folder, error) from error
        self._bucket.put(keys.version(version.id, UNDECIDED), b"-")
        manifest = atomic.to_json(complete(version.id, facts, stored))
        version.fetched.keep(version.id, parse(manifest, version.where))  # first: nobody then replaces these files
        self._exist(manifest)
        self._ended = True
        return version

    def _upload(self, folder: Path) -> Iterator[StoredFile]:
        """Write every file to the store; pictures are not of the model, and not in the manifest."""
        for path, file in opened(folder):
            if path.parts[0] == PICTURES:
                part = f"{PICTURES}/{keys.quoted(path.relative_to(PICTURES).as_posix())}"
                self._bucket.put(keys.version(self._version.id, part), file)
                continue
            size, digest = measured(file)
            self._bucket.put(keys.file(self._version.id, str(path)), file)
            yield StoredFile(str(path), size, digest)

    def _exist(self, manifest: bytes) -> None:
        """Write the manifest, unless the number was withdrawn.

        Raises:
            NotStored: it was, or the store does not answer; then the number is withdrawn, if that is possible.
        """
        id_ = self._version.id
        try:
            if self._bucket.create(keys.manifest(id_), manifest):
                return
        except NotStored:
            with suppress(DltkError):
                if not withdraw(self._bucket, id_):
                    return  # it was written after all
            raise
        raise self._withdrawn("the reservation was withdrawn")

    def _withdrawn(self, why: str) -> NotStored:
        return NotStored(f"{self._version} could not be written to {self._version.where}: {why}. Fit again.")

    def abandon(self) -> None:
        if self._ended:
            return
        self._ended = True
        with suppress(DltkError):
            if withdraw(self._bucket, self._version.id):
                clear(self._bucket, self._version.id)
                self._version.fetched.discard(self._version.id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.abandon()


def withdraw(bucket: Bucket, version_id: VersionId) -> bool:
    """Put an empty object in the place of the manifest; return whether the version is not committed.

    Raises:
        NotStored, StoreUnreachable: the store does not answer.
    """
    if bucket.create(keys.manifest(version_id), b""):
        return True
    found = bucket.head(keys.manifest(version_id))
    return found is None or not found.size


def clear(bucket: Bucket, version_id: VersionId) -> None:
    """Remove the objects of a version beside its manifest. Raises as `withdraw`."""
    bucket.delete(each.key for each in bucket.below(keys.version(version_id)))


def _now() -> float:
    """Return seconds that also pass while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
