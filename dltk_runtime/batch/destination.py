"""Where the records of a flow go: an index by the HTTP Event Collector, or a collection of the KV store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dltk_runtime.batch.records import KEY, Record
from dltk_runtime.splunk.hec import Hec, event
from dltk_runtime.splunk.kvstore import KEY as KV_KEY
from dltk_runtime.splunk.kvstore import Collection

SOURCE, SOURCETYPE = "dltk batch", "dltk:prediction"


@dataclass(frozen=True, slots=True)
class Sending:
    """One window of a flow on its way. `common` are the fields that all its records carry."""

    records: Sequence[Record]
    common: dict[str, Any]
    run: dict[str, Any]  # what is told of the window itself: win_start, win_end, rows in, rows scored


class Destination(Protocol):
    """Takes the records of a window, once or again, so that whoever reads them finds each once.

    `send` returns when all of them are there, and raises `SplunkError` otherwise; then some may be.
    """

    @property
    def address(self) -> str: ...

    def send(self, sending: Sending) -> None: ...


@dataclass(frozen=True, slots=True)
class ToIndex:
    """Events, each with its key; readers take ``| dedup event_key``, since nothing in an index can be replaced.

    Behind them come two for the alerts of `dltk flow`, of kind ``run`` (direct, feedback) and ``scored`` (summary).
    """

    hec: Hec
    index: str

    @property
    def address(self) -> str:
        return f"index {self.index} at {self.hec.url}"

    def send(self, sending: Sending) -> None:
        self.hec.send(self._events(sending))

    def _events(self, sending: Sending) -> Iterator[dict[str, Any]]:
        for record in sending.records:
            yield self._event(record.fields | sending.common | {KEY: record.key}, record.time)
        for kind in ("run", "scored"):
            yield self._event(sending.common | sending.run | {"kind": kind}, sending.run["win_start"])

    def _event(self, data: dict[str, Any], time: float | None) -> dict[str, Any]:
        return event(data, time=time, source=SOURCE, sourcetype=SOURCETYPE, index=self.index)


@dataclass(frozen=True, slots=True)
class ToCollection:
    """Records by their keys: sent again, each replaces itself."""

    collection: Collection[dict[str, Any]]

    @property
    def address(self) -> str:
        one = self.collection
        return f"collection {one.name} of the app {one.app} at {one.connection.address}"

    def send(self, sending: Sending) -> None:
        self.collection.save(each.fields | sending.common | {KV_KEY: each.key} for each in sending.records)
