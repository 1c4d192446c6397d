"""Indexes: events are append-only, so that a repeated write leaves duplicates, as in Splunk."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dltk_runtime.errors import DltkError, nearest

_FOREVER = float("inf")


class IndexUnknown(DltkError):
    """A read or write of an index that does not exist."""

    http_status = 404

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"There is no index {name!r}.{nearest(name, names)} The indexes are {', '.join(names)}.")


@dataclass(frozen=True, slots=True)
class Window:
    """Ranges of event time and index time in epoch seconds, start inclusive, end exclusive."""

    earliest: float = 0.0
    latest: float = _FOREVER
    index_earliest: float = 0.0
    index_latest: float = _FOREVER


@dataclass(frozen=True, slots=True)
class IndexedEvent:
    """One event; `indexed` is the time of its writing.

    `fields` are extracted text, or with `indexed_fields` were written into the index beside the text.
    """

    time: float
    indexed: float
    fields: Mapping[str, str]
    raw: str = ""
    host: str = "standin"
    source: str = ""
    sourcetype: str = "stash"
    indexed_fields: bool = False

    def row(self, index: str) -> dict[str, str]:
        """Return the fields as a search returns them."""
        return {"_raw": self.raw, **self.indexed_row(index), **self.fields}

    def indexed_row(self, index: str) -> dict[str, str]:
        """Return what is found without the text of the event."""
        own = {"_time": _as_text(self.time), "_indextime": str(int(self.indexed)), "index": index}
        own |= {"host": self.host, "source": self.source, "sourcetype": self.sourcetype}
        return {**own, **self.fields} if self.indexed_fields else own


def _as_text(value: float) -> str:
    """Format epoch seconds as Splunk does: without ``.0``, and with microseconds at most."""
    return str(int(value)) if value == int(value) else f"{value:.6f}".rstrip("0")


@dataclass(slots=True)
class Index:
    """One index; `datatype` is ``event`` or ``metric``."""

    name: str
    datatype: str = "event"
    _events: list[IndexedEvent] = field(default_factory=list)  # by time, then by arrival

    def add(self, event: IndexedEvent) -> None:
        """Add an event, in the order of event times."""
        bisect.insort(self._events, event, key=lambda each: each.time)

    def events(self, window: Window | None = None) -> Iterator[IndexedEvent]:
        """Yield the events of `window` (default: all), newest first, as a search does."""
        window = window or Window()
        begin = bisect.bisect_left(self._events, window.earliest, key=lambda each: each.time)
        end = bisect.bisect_left(self._events, window.latest, key=lambda each: each.time)
        for event in reversed(self._events[begin:end]):
            if window.index_earliest <= event.indexed < window.index_latest:
                yield event

    def rows(self, window: Window | None = None) -> list[dict[str, str]]:
        """Return `events` as rows of a search."""
        return [event.row(self.name) for event in self.events(window)]

    def __len__(self) -> int:
        return len(self._events)


class Indexes:
    """The indexes by name; none is created implicitly, as in Splunk."""

    def __init__(self, *names: str) -> None:
        self._indexes = {name: Index(name) for name in names}

    def create(self, name: str, datatype: str = "event") -> Index:
        """Create an index, or return the existing one of that name."""
        return self._indexes.setdefault(name, Index(name, datatype))

    def __getitem__(self, name: str) -> Index:
        """Return the index `name`.

        Raises:
            IndexUnknown: it does not exist.
        """
        try:
            return self._indexes[name]
        except KeyError:
            raise IndexUnknown(name, self._indexes) from None

    def __contains__(self, name: object) -> bool:
        return name in self._indexes

    def __iter__(self) -> Iterator[Index]:
        return iter(self._indexes.values())
