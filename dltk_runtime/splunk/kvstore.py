"""KV store collections: typed records, read page by page and written whole.

The KV store has neither partial updates nor compare-and-set: a write replaces the whole record,
and two clients that read, change and write the same record overwrite each other. So use one writer
per collection, and join collections when reading.
"""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from splunklib import client

from dltk_runtime.errors import shown
from dltk_runtime.files.records import converted
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.errors import AnswerUnreadable, RecordInvalid

__all__ = ["Collection"]

R = TypeVar("R")
KEY = "_key"
PAGE_RECORDS = 10_000  # per query; above 50,000 Splunk truncates silently
MAX_BATCH_RECORDS = 1_000  # of one batch_save
MAX_BATCH_BYTES = 50 * 1024**2
JSON_HEADERS = (("Content-Type", "application/json"),)


@dataclass(frozen=True)
class Collection(Generic[R]):
    """The collection `name` in an app; records are dicts, `msgspec.Struct` or dataclasses.

    >>> class Label(msgspec.Struct):
    ...     entity: str
    ...     label: str = ""
    ...     key: str = msgspec.field(default="", name="_key")
    >>> labels = Collection(Connection.from_env(), "dga", "dltk_dga_labels", Label)

    A record without a key gets one before it is sent, so that a retry does not store it twice.
    """

    connection: Connection
    app: str
    name: str
    record: type[R]

    def query(self, query: Mapping[str, Any] | None = None, fields: Sequence[str] = ()) -> Iterator[R]:
        """Yield every matching record, ordered by key, perhaps with some written meanwhile.

        Each page begins after the last key of the page before, so that no record appears twice.

        Args:
            query: a KV store query; None for all records.
            fields: fields to return besides the key; empty for all.

        Raises:
            RecordInvalid: a record is not of the collection's type.
            SplunkError: as `Connection.call`.
        """
        names = ",".join(dict.fromkeys([*fields, KEY])) if fields else ""
        last = ""
        while page := self._page(query, names, last):
            for record in page:
                yield self._typed(record)
            last = str(page[-1][KEY])

    def get(self, key: str) -> R | None:
        """Return the record with that key, or None."""
        found = self._query({KEY: key}, limit=1)
        return self._typed(found[0]) if found else None

    def count(self, query: Mapping[str, Any] | None = None) -> int:
        """Count the matching records."""
        last, count = "", 0
        while page := self._page(query, KEY, last):
            last, count = str(page[-1][KEY]), count + len(page)
        return count

    def save(self, records: Iterable[R]) -> list[str]:
        """Insert or replace whole records by key, in batches, and return their keys.

        A field that the new record lacks is removed.

        Raises:
            RecordInvalid: a record is too large for a batch or cannot be written as JSON; the
                batches before are saved.
        """
        keys: list[str] = []
        for batch in _batches(self._encoded(record) for record in records):
            keys += self._save(b"[" + b",".join(batch) + b"]")
        return keys

    def delete(self, query: Mapping[str, Any]) -> None:
        """Remove the matching records; ``{}`` removes all."""
        text = json.dumps(query) if query else None
        self._call(lambda data: data.delete(text))

    def delete_key(self, key: str) -> None:
        """Remove the record with that key, if it exists."""
        self.delete({KEY: key})

    def read_change_write_which_races(self, key: str, change: Callable[[R | None], R]) -> R:
        """Read a record, apply `change`, and write it back; another client's write may be lost.

        Safe only if this record has no other writer: the KV store has no compare-and-set.
        """
        changed = change(self.get(key))
        record = {**msgspec.to_builtins(changed, enc_hook=_plain), KEY: key}
        self._save(b"[" + self._encoded(record) + b"]")
        return self._typed(record)

    def _page(self, query: Mapping[str, Any] | None, fields: str, last: str) -> list[dict[str, Any]]:
        behind = {KEY: {"$gt": last}} if last else {}
        both = {"$and": [query, behind]} if query and behind else (query or behind)
        page = self._query(both, fields=fields, limit=PAGE_RECORDS)
        keys = [str(record[KEY]) for record in page]
        if keys and (keys[0] <= last or any(this <= before for before, this in itertools.pairwise(keys))):
            # The next page would skip or repeat records.
            raise AnswerUnreadable(self.connection.address, f"records of {self.name} that are not sorted by {KEY}")
        return page

    def _query(self, query: Mapping[str, Any], *, limit: int, fields: str = "") -> list[dict[str, Any]]:
        options = {"query": json.dumps(query)} if query else {}
        options |= {"fields": fields} if fields else {}
        return list(self._call(lambda data: data.query(sort=KEY, limit=limit, **options)))

    def _save(self, body: bytes) -> list[str]:
        path = f"storage/collections/data/{client.UrlEncoded(self.name, encode_slash=True)}/batch_save"

        def ask(service: client.Service) -> list[str]:
            answer = service.post(path, owner="nobody", app=self.app, headers=list(JSON_HEADERS), body=body)
            return list(json.loads(answer.body.read()))

        return self.connection.call(self._what, ask)

    def _call(self, ask: Callable[[client.KVStoreCollectionData], Any]) -> Any:
        def with_data(service: client.Service) -> Any:
            return ask(client.KVStoreCollectionData(_Named(service, self.name, self.app)))

        return self.connection.call(self._what, with_data)

    @property
    def _what(self) -> str:
        return f"KV store collection {self.name!r} in the app {self.app!r}"

    def _encoded(self, record: Any) -> bytes:
        try:
            plain = msgspec.to_builtins(record, enc_hook=_plain)
        except (TypeError, ValueError) as error:
            raise RecordInvalid(f"A record for {self._what} cannot be written as JSON: {error}.") from error
        key = plain.get(KEY)
        plain[KEY] = secrets.token_hex(12) if key in (None, "") else str(key)
        try:
            encoded = json.dumps(plain, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise RecordInvalid(
                f"The record {shown(str(plain[KEY]))} for {self._what} cannot be written as JSON: {error}."
            ) from error
        if len(encoded) > MAX_BATCH_BYTES - 2:
            raise RecordInvalid(f"The record {shown(str(plain[KEY]))} for {self._what} is larger than 50 MB.")
        return encoded

    def _typed(self, record: Mapping[str, Any]) -> R:
        try:
            return converted(record, self.record, strict=False)
        except msgspec.ValidationError as error:
            key, kind = shown(str(record.get(KEY))), self.record.__name__
            raise RecordInvalid(f"The record {key} of {self._what} is not a valid {kind}: {error}.") from error


@dataclass(frozen=True)
class _Named:
    """Stand in for splunk-sdk's collection object, which would cost a request."""

    service: client.Service
    name: str
    app: str

    def _proper_namespace(self) -> tuple[str, str, str]:
        return "nobody", self.app, "app"


def _plain(value: Any) -> Any:
    """Return a scalar or array of numpy or pandas as a JSON type; missing values as None.

    Raises:
        TypeError: it is neither.
    """
    kind = type(value)
    if kind.__name__ in ("NAType", "NaTType"):
        return None
    if kind.__module__.partition(".")[0] == "pandas" and hasattr(value, "isoformat"):
        return value.isoformat()
    if kind.__module__ == "numpy" and kind.__name__ in ("datetime64", "timedelta64"):
        return str(value)
    if kind.__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {kind.__name__} is no JSON value")


def _batches(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Group records into batches within Splunk's limits, counting a comma or bracket with each."""
    batch: list[bytes] = []
    size = 1
    for record in records:
        if batch and (len(batch) == MAX_BATCH_RECORDS or size + len(record) + 1 > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 1
        batch.append(record)
        size += len(record) + 1
    if batch:
        yield batch
