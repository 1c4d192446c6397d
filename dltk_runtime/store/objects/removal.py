"""Take versions out of the store, in one step for readers, and never one that is being promoted.

A number is first condemned in the pointer: from then on no promotion takes it. Then an empty object
takes the place of its manifest: the version is gone. Its files follow. A removal that is cut short is
finished by the next one, by a promotion that meets it, or by a sweep.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from dltk_runtime.errors import StoreError
from dltk_runtime.names import VersionId
from dltk_runtime.store.history import before
from dltk_runtime.store.objects import keys
from dltk_runtime.store.objects.bucket import Bucket
from dltk_runtime.store.objects.bucket import Entry as Listed
from dltk_runtime.store.objects.pointer import Pointer, Read, State
from dltk_runtime.store.objects.reservation import clear, withdraw
from dltk_runtime.store.version import ABANDONED_SECONDS


def remove(pointer: Pointer, number: int) -> bool:
    """Remove a version unless it is current or was current before; return whether this call removed it.

    Raises:
        NotStored, StoreUnreachable: the store does not answer.
    """
    pointer.change(lambda found: _condemning(pointer, found, number))
    found = pointer.read()
    return not found.damage and number in found.state.condemned and bool(finish(pointer, [number]))


def remove_all(pointer: Pointer, numbers: Collection[int]) -> None:
    """Remove the promotions and the pointer's number in one step, then these versions. Raises as `remove`."""

    def emptied(found: Read) -> State:
        state = found.state
        gone = sorted({*state.condemned, *numbers})
        return msgspec.structs.replace(state, current=None, last=None, since=state.revision + 1, condemned=gone)

    pointer.change(emptied)
    finish(pointer, numbers)
    pointer.clear()


def finish(pointer: Pointer, numbers: Collection[int]) -> list[int]:
    """Remove versions that are condemned; return the numbers of those that were still there.

    Raises:
        NotStored, StoreUnreachable: the store does not answer.
    """
    gone = [number for number in numbers if _hide(pointer.bucket, VersionId(pointer.name, number))]
    for number in numbers:
        clear(pointer.bucket, VersionId(pointer.name, number))
    with suppress(StoreError):  # what stays condemned is looked at again, and is gone
        pointer.change(lambda found: _pardoning(found, numbers))
    return gone


def sweep(pointer: Pointer, older_than: float) -> list[VersionId]:
    """Remove what killed processes left of a model; return the versions and numbers removed.

    That is: condemned versions, numbers without a manifest of which nothing has changed for
    `older_than` seconds, and a day later the empty objects in the places of manifests. A promoted
    version without a manifest is damaged, and stays.

    Raises:
        NotStored, StoreUnreachable: the store does not answer.
    """
    bucket, name, found = pointer.bucket, pointer.name, pointer.read()
    if found.damage:
        return []
    removed = finish(pointer, found.state.condemned) if found.state.condemned else []
    kept = {each.version for each in pointer.entries()} | {found.state.current or 0}
    manifests = {keys.number_in(each.key): each for each in bucket.below(keys.model(name, "manifests"))}
    for number, age in _ages(bucket.below(keys.model(name, "versions"))).items():
        exists = number in manifests and manifests[number].size
        if not exists and number not in kept and age > older_than and withdraw(bucket, VersionId(name, number)):
            clear(bucket, VersionId(name, number))
            removed.append(number)
    old = (each for each in manifests.values() if not each.size and age_seconds(each) > older_than + ABANDONED_SECONDS)
    bucket.delete(each.key for each in old)
    return [VersionId(name, number) for number in removed]


def age_seconds(listed: Listed) -> float:
    """Return the seconds since an object was written; the clocks of this machine and of the store may differ."""
    return (datetime.now(UTC) - listed.time).total_seconds()


def _ages(listed: Sequence[Listed]) -> dict[int, float]:
    """Return the seconds since the last change of anything of a version, by number."""
    ages: dict[int, float] = {}
    for each in listed:
        number = keys.number_in(each.key.partition("/versions/")[2].partition("/")[0])
        ages[number] = min(ages.get(number, float("inf")), age_seconds(each))
    return ages


def _condemning(pointer: Pointer, found: Read, number: int) -> State | None:
    """Return the state in which a number cannot be promoted any more; None to leave it."""
    state = found.state
    if found.damage or number in state.condemned:
        return None
    earlier = before([each.promotion for each in pointer.entries(state)], state.current)
    if number in {state.current, *earlier[:1]}:
        return None
    return msgspec.structs.replace(state, condemned=sorted({*state.condemned, number}))


def _hide(bucket: Bucket, version_id: VersionId) -> bool:
    """Put an empty object in the place of the manifest; return whether a manifest was there."""
    key = keys.manifest(version_id)
    while (found := bucket.head(key)) is not None and found.size:
        if bucket.replace(key, b"", found.tag):
            return True
    return False


def _pardoning(found: Read, numbers: Collection[int]) -> State | None:
    left = [number for number in found.state.condemned if number not in numbers]
    if found.damage or left == found.state.condemned:
        return None
    return msgspec.structs.replace(found.state, condemned=left)
