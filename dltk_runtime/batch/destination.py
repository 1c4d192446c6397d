"""Destinations of a flow's records: an index (HTTP Event Collector) or a KV store collection."""

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
    """One window of a flow; its records all have the fields in `common`."""

    records: Sequence[Record]
    common: dict[str, Any]
    run: dict[str, Any]  # fields of the window itself: win_start, win_end, rows, scored


class Destination(Protocol):
    """Receives the records of a window; if they are sent again, readers still see each once.

    `send` returns when all records are stored. It raises `SplunkError` if not; some may be stored
    then.
    """

    @property
    def address(self) -> str: ...

    def send(self, sending: Sending) -> None: ...


@dataclass(frozen=True, slots=True)
class ToIndex:
    """Sends events with keys: readers use ``| dedup event_key``, since an index replaces nothing.

    After them come two events for the alerts of `dltk flow`, of the kinds ``run`` (direct and
    feedback flows) and ``scored`` (summary flow).
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
    """Saves records by their keys: a record that is sent again replaces itself."""

    collection: Collection[dict[str, Any]]

    @property
    def address(self) -> str:
        one = self.collection
        return f"collection {one.name} of the app {one.app} at {one.connection.address}"

    def send(self, sending: Sending) -> None:
        self.collection.save(each.fields | sending.common | {KV_KEY: each.key} for each in sending.records)
