"""What a Splunk stores, in memory: enough for `dltk flow test` and for the tests' stand-in for splunkd.

::

    Storage ─┬─ Indexes ── Index ── Event     append only; read by window of time and of index time
             ├─ Lookups                       CSV tables, every value text
             ├─ KvStore ── KvCollection         typed documents: a write replaces the whole document
             └─ times                         Splunk's time modifiers → epoch seconds

It knows nothing of HTTP and of SPL. ``tests/splunkd`` is a server over it; a pipeline that runs searches over it
has the shape `RunSearch`. What real Splunk can do and this cannot raises `NotEmulated`, never a guess.
"""

from dltk_runtime.emulator.standin.index import Event, Index, Indexes, Window
from dltk_runtime.emulator.standin.kvstore import KvCollection, KvRefused, KvStore
from dltk_runtime.emulator.standin.lookups import Lookups
from dltk_runtime.emulator.standin.refusal import NotEmulated
from dltk_runtime.emulator.standin.storage import Row, RunSearch, Storage
from dltk_runtime.emulator.standin.times import epoch

__all__ = [
    "Event",
    "Index",
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
