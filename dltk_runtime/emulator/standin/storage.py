"""The data of one Splunk, and the protocol of functions that run searches on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dltk_runtime.emulator.standin.index import Indexes, Window
from dltk_runtime.emulator.standin.kvstore import KvStore
from dltk_runtime.emulator.standin.lookups import Lookups

Row = Mapping[str, str | list[str] | None]  # a list is a multivalue field


class RunSearch(Protocol):
    """Runs the text of a search; rows may be produced while they are read, as an export sends them.

    `now` is the scheduled time in epoch seconds.

    Raises:
        SearchError: the search cannot run; the server answers with its sentence as a FATAL message.
    """

    def __call__(self, search: str, window: Window, now: float) -> Iterable[Row]: ...


@dataclass(frozen=True, slots=True)
class Storage:
    """Indexes, CSV lookups and KV store of one Splunk, initially with the empty index ``main``."""

    indexes: Indexes = field(default_factory=lambda: Indexes("main"))
    lookups: Lookups = field(default_factory=Lookups)
    kvstore: KvStore = field(default_factory=KvStore)
