"""The KV store: collections of JSON documents, with the limits of Splunk's.

A query returns at most 50,000 documents without an indication of the rest. A batch has at most 1,000
documents and 50 MB. A write replaces the whole document; there is no partial update or compare-and-set.
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
    """The KV store refuses a request; `http_status` is that of splunkd's answer."""

    def __init__(self, http_status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.http_status = http_status


@dataclass(slots=True)
class KvCollection:
    """One collection; `types` are those of ``field.<name>``, which `enforce` makes binding."""

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
        """Return copies of the matching documents; those beyond `max_rows` are omitted silently."""
        match = matcher(query or {})
        with self._lock:
            found = [dict(document) for document in self._documents.values() if match(document)]
        for name, direction in reversed(sort):
            found.sort(key=lambda each: _order(each.get(name)), reverse=direction < 0)
        most = min(limit, self.max_rows) if limit else self.max_rows
        return [_only(document, fields) for document in found[skip : skip + most]]

    def get(self, key: str) -> dict[str, Any]:
        """Return the document with this key.

        Raises:
            KvRefused: it does not exist.
        """
        with self._lock:
            if key not in self._documents:
                raise KvRefused(404, "Could not find object.")
            return dict(self._documents[key])

    def insert(self, document: Mapping[str, Any]) -> str:
        """Write a new document and return its key.

        Raises:
            KvRefused: a document with this key exists, or a value has the wrong type.
        """
        with self._lock:
            if document.get("_key") in self._documents:
                raise KvRefused(409, "A document with the same key and user already exists.")
            return self._put(document)

    def replace(self, key: str, document: Mapping[str, Any]) -> str:
        """Replace the document with this key, including fields that the new one lacks.

        Raises:
            KvRefused: no document has this key.
        """
        self.get(key)
        with self._lock:
            return self._put({**document, "_key": key})

    def batch_save(self, documents: Sequence[Mapping[str, Any]]) -> list[str]:
        """Insert or replace each document by its ``_key``, and return the keys.

        Raises:
            KvRefused: too many documents, too many bytes, or a wrong type; nothing is written.
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
        """Remove the matching documents, all without a query, and return their number."""
        match = matcher(query or {})
        with self._lock:
            gone = [key for key, document in self._documents.items() if match(document)]
            for key in gone:
                del self._documents[key]
        return len(gone)

    def delete_key(self, key: str) -> None:
        """Remove one document.

        Raises:
            KvRefused: no document has this key.
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
        """Create a collection.

        Raises:
            KvRefused: it exists, or a type is not one of Splunk's.
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
        """Return the collection `name`.

        Raises:
            KvRefused: it does not exist.
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
    """Return a sort key with MongoDB's order of types: missing, numbers, text, others."""
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
    """Write many documents in batches within Splunk's limits."""
    waiting = list(documents)
    for begin in range(0, len(waiting), MAX_BATCH_DOCUMENTS):
        collection.batch_save(waiting[begin : begin + MAX_BATCH_DOCUMENTS])
