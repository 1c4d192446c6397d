"""Remove all of a model from an object store but its reserved numbers and the history of what was done to it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.layout import PICTURES
from dltk_runtime.store.objects import keys
from dltk_runtime.store.objects.bucket import Entry
from dltk_runtime.store.objects.object_store import ObjectStore
from dltk_runtime.store.objects.pointer import Pointer, Read, State


def listed(place: ObjectStore, name: ModelName) -> list[Entry]:
    """Return the objects of a model that go: versions, whole or not, pointer and promotions.

    Raises:
        StoreUnreachable: the store does not answer.
    """
    found = Pointer(place.bucket, name).read()
    keeps_pointer = not found.damage and (found.tag is None or _emptied(found) == found.state)
    parts = [] if keeps_pointer else ["current"]
    going = [each for part in ("promoted", "versions") for each in place.bucket.below(keys.model(name, part))]
    going += [each for each in place.bucket.below(keys.model(name, "manifests")) if each.size]
    return [*going, *filter(None, (place.bucket.head(keys.model(name, part)) for part in parts))]


def forget(place: ObjectStore, name: ModelName) -> None:
    """Remove these, and the copies on this machine; other servers' copies go when they sweep.

    The pointer's object stays, and is empty: a put that was on its way could make it again.

    Raises:
        NotStored, StoreUnreachable: the store does not answer.
    """
    bucket, pointer = place.bucket, Pointer(place.bucket, name)
    place.delete(name)
    pointer.change(lambda found: state if (state := _emptied(found)) != found.state else None)
    for number in {_number_of(each, name) for each in bucket.below(keys.model(name, "versions"))}:
        if not place.withdraw(VersionId(name, number)):  # so a fit that runs commits nothing
            place.delete(name)  # it has, since
    place.forget_copies(name)


def pictures(place: ObjectStore, graphics: Path, name: ModelName) -> dict[Path, set[str]]:
    """Return each picture under `graphics` with the name of one of the model's, and the hashes of the model's own."""
    hashes: dict[Path, set[str]] = {}
    for each in place.bucket.below(keys.model(name, "versions")):
        _, is_one, path = each.key.partition(f"/{PICTURES}/")
        shown = graphics / keys.unquoted(path)
        if is_one and shown.is_relative_to(graphics) and ".." not in shown.parts and shown.is_file():
            found = place.bucket.get(each.key)
            hashes.setdefault(shown, set()).add(hashlib.sha256(found.data if found else b"").hexdigest())
    return hashes


def _emptied(found: Read) -> State:
    return msgspec.structs.replace(found.state, current=None, last=None, code="")


def _number_of(listed: Entry, name: ModelName) -> int:
    return keys.number_in(listed.key.removeprefix(keys.model(name, "versions") + "/").partition("/")[0])
