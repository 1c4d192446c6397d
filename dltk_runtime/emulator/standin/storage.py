"""All that one Splunk stores, and the shape of what runs searches over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dltk_runtime.emulator.standin.index import Indexes, Window
from dltk_runtime.emulator.standin.kvstore import KvStore
from dltk_runtime.emulator.standin.lookups import Lookups

Row = Mapping[str, str | list[str] | None]  # a list is a multivalue field


class RunSearch(Protocol):
    """Runs a search's text. Rows may be made while they are read: an export sends each as it comes.

    `now` is the scheduled time, in epoch seconds.

    Raises:
        SearchError: the search cannot be run; the server answers with the sentence as a FATAL message.
    """

    def __call__(self, search: str, window: Window, now: float) -> Iterable[Row]: ...


@dataclass(frozen=True, slots=True)
class Storage:
    """Indexes, CSV lookups and KV store of one Splunk, empty at first but for the index ``main``."""

    indexes: Indexes = field(default_factory=lambda: Indexes("main"))
    lookups: Lookups = field(default_factory=Lookups)
    kvstore: KvStore = field(default_factory=KvStore)
