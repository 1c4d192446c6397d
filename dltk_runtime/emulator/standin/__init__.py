"""The data of a Splunk, in memory, for `dltk flow test` and the tests' stand-in for splunkd.

::

    storage ─┬─ index      append-only events; read by event time and index time
             ├─ lookups    CSV tables, every value text
             └─ kvstore    collections of typed documents; a write replaces the whole document
                  └─ kvquery    the query language

    times      Splunk's time modifiers → epoch seconds
    refusal    `NotEmulated`: raised for functions of Splunk that are missing here

No HTTP and no SPL here. ``tests/splunkd`` is a server for this data; a function that runs searches
on it implements `RunSearch`.
"""

from dltk_runtime.emulator.standin.index import Index, IndexedEvent, Indexes, Window
from dltk_runtime.emulator.standin.kvstore import KvCollection, KvRefused, KvStore
from dltk_runtime.emulator.standin.lookups import Lookups
from dltk_runtime.emulator.standin.refusal import NotEmulated
from dltk_runtime.emulator.standin.storage import Row, RunSearch, Storage
from dltk_runtime.emulator.standin.times import epoch

__all__ = [
    "Index",
    "IndexedEvent",
    "Indexes",
    "KvCollection",
    "KvRefused",
    "KvStore",
    "Lookups",
    "NotEmulated",
    "Row",
    "RunSearch",
    "Storage",
    "Window",
    "epoch",
]
