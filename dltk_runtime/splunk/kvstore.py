"""KV store collections: typed records, as many as there are, written whole.

The KV store has neither a partial update nor compare-and-set: a write replaces the whole record, and two who
read, change and write the same record overwrite each other. So one writer per collection, and joins on read.
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
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.errors import AnswerUnreadable, RecordInvalid

__all__ = ["Collection"]

R = TypeVar("R")
KEY = "_key"
PAGE = 10_000  # records a query; at 50,000 Splunk cuts without a word
MOST_RECORDS = 1_000  # in one batch_save
MOST_BYTES = 50 * 1024**2
JSON = (("Content-Type", "application/json"),)


@dataclass(frozen=True)
class Collection(Generic[R]):
    """The collection `name` in an app, its records of type `record`: ``dict``, or a `msgspec.Struct` or dataclass.

    >>> class Label(msgspec.Struct):
    ...     entity: str
    ...     label: str = ""
    ...     key: str = msgspec.field(default="", name="_key")
    >>> labels = Collection(Connection.from_env(), "dga", "dltk_dga_labels", Label)

    A record without a key gets one before it is sent, so that a repeated call never doubles it.
    """

    connection: Connection
    app: str
    name: str
    record: type[R]

    def query(self, query: Mapping[str, Any] | None = None, fields: Sequence[str] = ()) -> Iterator[R]:
        """Every record that fits, in the order of the keys, however many; records written meanwhile may be among them.

        Each page begins behind the last key of the one before, so that none comes twice, whatever is written.

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
        """The record of that key, if there is one."""
        found = self._query({KEY: key}, limit=1)
        return self._typed(found[0]) if found else None

    def count(self, query: Mapping[str, Any] | None = None) -> int:
        """How many records fit."""
        last, count = "", 0
        while page := self._page(query, KEY, last):
            last, count = str(page[-1][KEY]), count + len(page)
        return count

    def save(self, records: Iterable[R]) -> list[str]:
        """Insert or replace whole records by their keys, in batches; the keys. A field that a record lacks is gone.

        Raises:
            RecordInvalid: one that is larger than a batch may be, or that is no JSON; those before it are written.
        """
        keys: list[str] = []
        for batch in _batches(self._encoded(record) for record in records):
            keys += self._save(b"[" + b",".join(batch) + b"]")
        return keys

    def delete(self, query: Mapping[str, Any]) -> None:
        """Remove the records that fit; ``{}`` removes all."""
        text = json.dumps(query) if query else None
        self._call(lambda data: data.delete(text))

    def delete_key(self, key: str) -> None:
        """Remove one record, if it is there."""
        self.delete({KEY: key})

    def read_change_write_which_races(self, key: str, change: Callable[[R | None], R]) -> R:
        """Read a record, `change` it, write it back. It races: what others wrote in between is overwritten.

        Safe only where nobody else writes this record: the KV store has no compare-and-set.
        """
        changed = change(self.get(key))
        record = {**msgspec.to_builtins(changed), KEY: key}
        self._save(b"[" + self._encoded(record) + b"]")
        return self._typed(record)

    def _page(self, query: Mapping[str, Any] | None, fields: str, last: str) -> list[dict[str, Any]]:
        behind = {KEY: {"$gt": last}} if last else {}
        both = {"$and": [query, behind]} if query and behind else (query or behind)
        page = self._query(both, fields=fields, limit=PAGE)
        keys = [str(record[KEY]) for record in page]
        if keys and (keys[0] <= last or any(this <= before for before, this in itertools.pairwise(keys))):
            # Then the next page would skip some records or repeat them.
            raise AnswerUnreadable(self.connection.address, f"records of {self.name} that are not sorted by {KEY}")
        return page

    def _query(self, query: Mapping[str, Any], *, limit: int, fields: str = "") -> list[dict[str, Any]]:
        options = {"query": json.dumps(query)} if query else {}
        options |= {"fields": fields} if fields else {}
        return list(self._call(lambda data: data.query(sort=KEY, limit=limit, **options)))

    def _save(self, body: bytes) -> list[str]:
        path = f"storage/collections/data/{client.UrlEncoded(self.name, encode_slash=True)}/batch_save"

        def ask(service: client.Service) -> list[str]:
            answer = service.post(path, owner="nobody", app=self.app, headers=list(JSON), body=body)
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
        plain = msgspec.to_builtins(record)
        plain[KEY] = plain.get(KEY) or secrets.token_hex(12)
        try:
            encoded = json.dumps(plain, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise RecordInvalid(f"The record {shown(str(plain[KEY]))} for {self._what} is no JSON: {error}.") from error
        if len(encoded) > MOST_BYTES - 2:
            raise RecordInvalid(f"The record {shown(str(plain[KEY]))} for {self._what} is larger than 50 MB.")
        return encoded

    def _typed(self, record: Mapping[str, Any]) -> R:
        try:
            return msgspec.convert(record, self.record, strict=False)
        except msgspec.ValidationError as error:
            raise RecordInvalid(
                f"The record {shown(str(record.get(KEY)))} of {self._what} is no {self.record.__name__}: {error}."
            ) from error


@dataclass(frozen=True)
class _Named:
    """What splunk-sdk needs to know of a collection to work with its data, without asking Splunk for it."""

    service: client.Service
    name: str
    app: str

    def _proper_namespace(self) -> tuple[str, str, str]:
        return "nobody", self.app, "app"


def _batches(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Records in batches that Splunk takes; a comma or bracket comes with each."""
    batch: list[bytes] = []
    size = 1
    for record in records:
        if batch and (len(batch) == MOST_RECORDS or size + len(record) + 1 > MOST_BYTES):
            yield batch
            batch, size = [], 1
        batch.append(record)
        size += len(record) + 1
    if batch:
        yield batch
