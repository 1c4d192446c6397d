"""Indexes: events are appended and never change, so a step that runs twice leaves duplicates, as in Splunk."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dltk_runtime.errors import DltkError, nearest

_FOREVER = float("inf")


class IndexUnknown(DltkError):
    """An event for, or a search in, an index that does not exist."""

    http_status = 404

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"There is no index {name!r}.{nearest(name, names)} The indexes are {', '.join(names)}.")


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds since the epoch; each beginning is part of the window, each end is not."""

    earliest: float = 0.0
    latest: float = _FOREVER
    index_earliest: float = 0.0
    index_latest: float = _FOREVER


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `fields` are the extracted ones, all text; `indexed` is the time of its writing."""

    time: float
    indexed: float
    fields: Mapping[str, str]
    raw: str = ""
    host: str = "standin"
    source: str = ""
    sourcetype: str = "stash"

    def row(self, index: str) -> dict[str, str]:
        """The fields as a search sees them."""
        own = {"_time": _as_text(self.time), "_indextime": str(int(self.indexed)), "_raw": self.raw, "index": index}
        return {**own, "host": self.host, "source": self.source, "sourcetype": self.sourcetype, **self.fields}


def _as_text(value: float) -> str:
    """A number as Splunk writes it: no ``.0``, and not more than the microseconds of a time."""
    return str(int(value)) if value == int(value) else f"{value:.6f}".rstrip("0")


@dataclass(slots=True)
class Index:
    """One index; `datatype` is ``event`` or ``metric``."""

    name: str
    datatype: str = "event"
    _events: list[Event] = field(default_factory=list)  # by time, then by arrival

    def add(self, event: Event) -> None:
        """Append; where it lies among the others follows from its time."""
        bisect.insort(self._events, event, key=lambda each: each.time)

    def events(self, window: Window | None = None) -> Iterator[Event]:
        """The events of `window` (default: all), newest first, as a search returns them."""
        window = window or Window()
        begin = bisect.bisect_left(self._events, window.earliest, key=lambda each: each.time)
        end = bisect.bisect_left(self._events, window.latest, key=lambda each: each.time)
        for event in reversed(self._events[begin:end]):
            if window.index_earliest <= event.indexed < window.index_latest:
                yield event

    def rows(self, window: Window | None = None) -> list[dict[str, str]]:
        """`events` as a search sees them."""
        return [event.row(self.name) for event in self.events(window)]

    def __len__(self) -> int:
        return len(self._events)


class Indexes:
    """The indexes by name. Nothing makes one on the fly: `collect` into a missing index is lost in Splunk too."""

    def __init__(self, *names: str) -> None:
        self._indexes = {name: Index(name) for name in names}

    def create(self, name: str, datatype: str = "event") -> Index:
        """Make an index; one of that name that is there already stays as it is."""
        return self._indexes.setdefault(name, Index(name, datatype))

    def __getitem__(self, name: str) -> Index:
        """The index `name`.

        Raises:
            IndexUnknown: there is none.
        """
        try:
            return self._indexes[name]
        except KeyError:
            raise IndexUnknown(name, self._indexes) from None

    def __contains__(self, name: object) -> bool:
        return name in self._indexes

    def __iter__(self) -> Iterator[Index]:
        return iter(self._indexes.values())
