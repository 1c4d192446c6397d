"""The KV store: collections of JSON documents, with the limits that Splunk has.

A query answers with at most 50,000 documents and says nothing about the rest; a batch has at most 1,000 documents
and 50 MB; a write replaces the whole document; there is neither partial update nor compare-and-set.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dltk_runtime.emulator.standin.kvquery import matcher
from dltk_runtime.errors import DltkError, nearest

MAX_ROWS = 50_000  # limits.conf [kvstore] max_rows_per_query
MAX_BATCH_DOCUMENTS = 1_000  # max_documents_per_batch_save
MAX_BATCH_BYTES = 50 * 1024**2  # max_size_per_batch_save_mb
TYPES = ("number", "string", "bool", "time", "cidr")


class KvRefused(DltkError):
    """The KV store does not take this; `http_status` is what splunkd answers with."""

    def __init__(self, http_status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.http_status = http_status


@dataclass(slots=True)
class KvCollection:
    """One collection. `types` are those of ``field.<name>``; with `enforce` a value of another type is refused."""

    name: str
    types: dict[str, str] = field(default_factory=dict)
    enforce: bool = False
    max_rows: int = MAX_ROWS
    _documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def query(
        self,
        query: Mapping[str, Any] | None = None,
        *,
        fields: Sequence[str] = (),
        sort: Sequence[tuple[str, int]] = (),
        skip: int = 0,
        limit: int = 0,
    ) -> list[dict[str, Any]]:
        """Copies of the documents that fit, at most `max_rows` of them, without a word about those cut off."""
        match = matcher(query or {})
        with self._lock:
            found = [dict(document) for document in self._documents.values() if match(document)]
        for name, direction in reversed(sort):
            found.sort(key=lambda each: _order(each.get(name)), reverse=direction < 0)
        most = min(limit, self.max_rows) if limit else self.max_rows
        return [_only(document, fields) for document in found[skip : skip + most]]

    def get(self, key: str) -> dict[str, Any]:
        """The document of that key.

        Raises:
            KvRefused: there is none.
        """
        with self._lock:
            if key not in self._documents:
                raise KvRefused(404, "Could not find object.")
            return dict(self._documents[key])

    def insert(self, document: Mapping[str, Any]) -> str:
        """Write a new document; its key.

        Raises:
            KvRefused: a document of that key is there, or a value has the wrong type.
        """
        with self._lock:
            if document.get("_key") in self._documents:
                raise KvRefused(409, "A document with the same key and user already exists.")
            return self._put(document)

    def replace(self, key: str, document: Mapping[str, Any]) -> str:
        """Write `document` in the place of the one of that key, all of it: fields that it lacks are gone.

        Raises:
            KvRefused: there is none of that key.
        """
        self.get(key)
        with self._lock:
            return self._put({**document, "_key": key})

    def batch_save(self, documents: Sequence[Mapping[str, Any]]) -> list[str]:
        """Insert or replace each document by its ``_key``; their keys.

        Raises:
            KvRefused: too many, too large, or one with a value of the wrong type; nothing is written.
        """
        if len(documents) > MAX_BATCH_DOCUMENTS:
            raise KvRefused(400, f"The maximum number of documents for a batch save is {MAX_BATCH_DOCUMENTS}.")
        if len(json.dumps(documents)) > MAX_BATCH_BYTES:
            raise KvRefused(400, "The maximum size of a batch save is 50 MB.")
        with self._lock:
            for document in documents:
                self._check(document)
            return [self._put(document) for document in documents]

    def delete(self, query: Mapping[str, Any] | None = None) -> int:
        """Remove the documents that fit, all of them without a query; how many they were."""
        match = matcher(query or {})
        with self._lock:
            gone = [key for key, document in self._documents.items() if match(document)]
            for key in gone:
                del self._documents[key]
        return len(gone)

    def delete_key(self, key: str) -> None:
        """Remove one document.

        Raises:
            KvRefused: there is none of that key.
        """
        self.get(key)
        with self._lock:
            del self._documents[key]

    def __len__(self) -> int:
        return len(self._documents)

    def _put(self, document: Mapping[str, Any]) -> str:
        self._check(document)
        key = str(document.get("_key") or secrets.token_hex(12))
        self._documents[key] = {**document, "_key": key, "_user": "nobody"}
        return key

    def _check(self, document: Mapping[str, Any]) -> None:
        if not isinstance(document, Mapping):
            raise KvRefused(400, "JSON in the request is invalid. ( JSON parse error: a document must be an object )")
        for name, value in document.items():
            if self.enforce and not _fits(value, self.types.get(name)):
                raise KvRefused(400, f"Invalid type for field {name!r}: a {self.types[name]} is expected.")


class KvStore:
    """The collections of one app by name."""

    def __init__(self) -> None:
        self._collections: dict[str, KvCollection] = {}

    def create(self, name: str, types: Mapping[str, str] | None = None, *, enforce: bool = False) -> KvCollection:
        """Make a collection.

        Raises:
            KvRefused: it is there already, or a type is none of Splunk's.
        """
        if name in self._collections:
            raise KvRefused(409, f"An object with name={name} already exists")
        if wrong := sorted(set((types or {}).values()) - set(TYPES)):
            raise KvRefused(400, f"Invalid field type {wrong[0]!r}: one of {', '.join(TYPES)} is expected.")
        return self._collections.setdefault(name, KvCollection(name, dict(types or {}), enforce))

    def remove(self, name: str) -> None:
        """Remove a collection with its documents."""
        self[name]
        del self._collections[name]

    def __getitem__(self, name: str) -> KvCollection:
        """The collection `name`.

        Raises:
            KvRefused: there is none.
        """
        try:
            return self._collections[name]
        except KeyError:
            raise KvRefused(404, f"Could not find object id={name}.{nearest(name, self._collections)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._collections

    def __iter__(self) -> Iterator[KvCollection]:
        return iter(self._collections.values())


def _only(document: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name in fields} if fields else document


def _order(value: Any) -> tuple[int, Any]:
    """MongoDB's order of kinds: missing, numbers, text, the rest."""
    if value is None:
        return 0, 0
    if isinstance(value, int | float):
        return 1, value
    return 2, value if isinstance(value, str) else json.dumps(value)


def _fits(value: Any, wanted: str | None) -> bool:
    match wanted:
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "string" | "cidr":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool)
    return True


def fill(collection: KvCollection, documents: Iterable[Mapping[str, Any]]) -> None:
    """Write many documents in batches of the size that Splunk takes."""
    waiting = list(documents)
    for begin in range(0, len(waiting), MAX_BATCH_DOCUMENTS):
        collection.batch_save(waiting[begin : begin + MAX_BATCH_DOCUMENTS])
