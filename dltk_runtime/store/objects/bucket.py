"""Objects by key. A write whose answer was lost is looked up, so that it is never taken for undone.

Each conditional write has a content of its own (`unique`): an object that holds it is ours, whoever
has answered.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from dltk_runtime.errors import NotStored
from dltk_runtime.store.errors import StoreUnreachable
from dltk_runtime.units import MIB

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion
    from obstore.store import ObjectStore

Tag = Mapping[str, str]  # `e_tag` and `version` of an object, those of them that the store has
PIECE_BYTES = 8 * MIB  # of one request for a part of a large object
MAX_TRIES = 4  # of a write that is neither done nor refused, each with the client's own retries
PAUSE_SECONDS = 0.2  # before the second try; as much more before each further one
MAX_REASON_CHARACTERS = 300
_QUERY = re.compile(r"\?[^\s\"')]*")  # of an address: a signature may be in it
_FAILURES = (BaseError, OSError)  # what obstore raises, time-outs and unreachable hosts among them


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in a listing; `size` in bytes, `time` by the store's clock."""

    key: str
    size: int
    time: datetime
    tag: Tag


@dataclass(frozen=True, slots=True)
class Object:
    """A small object as it was read; `tag` identifies this state of it."""

    data: bytes
    tag: Tag


class Bucket:
    """The objects below one address; `where` is that address as text for people."""

    def __init__(self, client: ObjectStore, where: str) -> None:
        self._client = client
        self.where = where

    # ------------------------------------------------------------ read

    def get(self, key: str) -> Object | None:
        """Return an object; None when there is none.

        Raises:
            StoreUnreachable: the store does not answer, or refuses.
        """
        try:
            found = obstore.get(self._client, key)
            return Object(bytes(found.bytes()), tag_of(found.meta))
        except FileNotFoundError:
            return None
        except _FAILURES as error:
            raise self._unreachable(key, error) from error

    def head(self, key: str) -> Entry | None:
        """Return what a listing says of an object; None when there is none. Raises as `get`."""
        try:
            found = obstore.head(self._client, key)
            return Entry(key, found["size"], found["last_modified"], tag_of(found))
        except FileNotFoundError:
            return None
        except _FAILURES as error:
            raise self._unreachable(key, error) from error

    def pieces(self, key: str, size: int) -> Iterator[bytes]:
        """Yield the first `size` bytes of an object in pieces; nothing when it does not exist. Raises as `get`."""
        try:
            for start in range(0, size, PIECE_BYTES):
                yield bytes(obstore.get_range(self._client, key, start=start, length=min(PIECE_BYTES, size - start)))
        except FileNotFoundError:
            return
        except _FAILURES as error:
            raise self._unreachable(key, error) from error

    def below(self, prefix: str) -> list[Entry]:
        """Return all objects whose key begins with the folder `prefix`, sorted by key. Raises as `get`."""
        try:
            listed = [each for chunk in obstore.list(self._client, prefix) for each in chunk]
        except _FAILURES as error:
            raise self._unreachable(prefix, error) from error
        found = [Entry(each["path"], each["size"], each["last_modified"], tag_of(each)) for each in listed]
        return sorted(found, key=lambda one: one.key)

    # ------------------------------------------------------------ write

    def put(self, key: str, data: bytes | IO[bytes]) -> None:
        """Write an object, whatever is there.

        Raises:
            NotStored: the store does not answer, or refuses.
        """
        try:
            obstore.put(self._client, key, data)
        except _FAILURES as error:
            raise self._not_stored(key, error) from error

    def create(self, key: str, data: bytes) -> bool:
        """Write an object unless the key exists; return whether it holds `data` now. Raises as `put`."""
        return self._decided(key, data, None)

    def replace(self, key: str, data: bytes, tag: Tag) -> bool:
        """Write over the object that was read with `tag`; return whether the object holds `data` now.

        False also when `data` was written and another write has replaced it since. Raises as `put`.
        """
        return self._decided(key, data, tag)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, those that exist. Raises as `put`."""
        for key in keys:
            try:
                obstore.delete(self._client, key)
            except FileNotFoundError:
                continue
            except _FAILURES as error:
                raise self._not_stored(key, error) from error

    def _decided(self, key: str, data: bytes, tag: Tag | None) -> bool:
        """Write on a condition: an absent object without `tag`, else an unchanged one."""
        error: Exception | None = None
        for tried in range(MAX_TRIES):
            time.sleep(PAUSE_SECONDS * tried)
            refused, error = self._tried(key, data, tag)
            if error is None:
                return True
            with suppress(StoreUnreachable):  # what became of it is not known: it is tried again
                found = self.get(key)
                if found is not None and found.data == data:
                    return True
                unchanged = found is None if tag is None else found is not None and found.tag == tag
                if not unchanged or (refused and tag is not None):
                    return False
        raise self._not_stored(key, error or TimeoutError()) from error

    def _tried(self, key: str, data: bytes, tag: Tag | None) -> tuple[bool, Exception | None]:
        """Return whether the store has refused the condition, and the error; without an error it is done."""
        mode: PutMode = "create" if tag is None else _update(tag)
        try:
            obstore.put(self._client, key, data, mode=mode)
        except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
            return True, error
        except _FAILURES as error:
            return False, error
        return False, None

    # ------------------------------------------------------------ errors

    def _unreachable(self, key: str, error: Exception) -> StoreUnreachable:
        return StoreUnreachable(f"{self.where}/{key}", reason(error))

    def _not_stored(self, key: str, error: Exception) -> NotStored:
        return NotStored(
            f"{self.where}/{key} could not be written: {reason(error)}. Check that the object store is reachable, and "
            "that the credentials of this server may read, write, list and delete below DLTK_STORE."
        )


def unique(data: bytes = b"") -> bytes:
    """Return `data` with random text, so that no other write has the same content."""
    return data + secrets.token_hex(16).encode()


def tag_of(meta: Mapping[str, object]) -> Tag:
    """Return what identifies the state of an object."""
    return {name: str(meta[name]) for name in ("e_tag", "version") if meta.get(name) is not None}


def reason(error: Exception) -> str:
    """Return the first line of a client's error, without what may be a signature."""
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    return _QUERY.sub("?…", line[:MAX_REASON_CHARACTERS]).rstrip(".")


def _update(tag: Tag) -> UpdateVersion:
    update: UpdateVersion = {}
    if "e_tag" in tag:
        update["e_tag"] = tag["e_tag"]
    if "version" in tag:
        update["version"] = tag["version"]
    return update
