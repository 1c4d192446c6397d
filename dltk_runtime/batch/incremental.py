"""An incremental flow: newly indexed events, through a notebook, to an index or a collection.

::

    watermark.open ─> search by index time ─> keys ─> run ─> destination.send ─> watermark.close
                                                              (acknowledged)

A window is an interval of index time, so that late events are found. After a failed run the next
one repeats the open window; readers do not see a record twice, because its key is the same.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from dltk_runtime.batch.destination import Destination, Sending
from dltk_runtime.batch.errors import BatchInvalid
from dltk_runtime.batch.order import Order, prepare
from dltk_runtime.batch.records import Record, as_csv, keyed, records
from dltk_runtime.batch.run import run
from dltk_runtime.batch.watermark import Mark, held
from dltk_runtime.names import checked
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.columns import TIME, frame_of
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.search import search
from dltk_runtime.units import DAY_SECONDS

MAX_FUTURE_SECONDS = DAY_SECONDS  # from the indexing of an event to its time


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Source and destination of a flow.

    `since` is the index time (epoch seconds) at which the first run begins, `lag` the seconds
    after which Splunk's searches find what it indexed, and `late` the maximum age in seconds of an
    event at its indexing.
    """

    flow: str
    search: str
    connection: Connection
    destination: Destination
    keys: tuple[str, ...]
    since: int
    lag: int
    late: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivered window: its ends (epoch seconds), rows read, records sent, rows of equal key."""

    begin: int
    end: int
    rows: int
    sent: int
    doubled: int


def deliver(order: Order, stream: Stream, settings: Settings) -> Iterator[Delivery]:
    """Read, score and send what was indexed since the last run; yields each delivered window.

    After an error nothing is lost: the next run repeats the window.

    Raises:
        BatchInvalid: the search has no index time or no keys, or another process runs the flow.
        BatchFailed: the notebook failed.
        SplunkError: Splunk is not available, refuses the token, and so on.
    """
    if stream.search.lstrip().startswith("|"):
        raise BatchInvalid(
            "A flow's search must begin with events (index=…), not with '|': only events have an index time."
        )
    folder = settings.paths.flows / checked("flow", stream.flow)
    new = Mark(stream.search, stream.destination.address, stream.since)
    with held(folder, new) as watermark, _with_files(order, folder) as ready:
        prepare(ready, settings.paths)
        windows = _Windows(ready, stream, settings)
        until = _splunk_time(stream.connection) - stream.lag
        while window := watermark.open(until):
            delivery = windows.deliver(*window)
            watermark.close()
            yield delivery


@dataclass(frozen=True, slots=True)
class _Windows:
    """Delivers windows of a stream, through the files that `order` names."""

    order: Order
    stream: Stream
    settings: Settings

    def deliver(self, begin: int, end: int) -> Delivery:
        found = self._rows(begin, end)
        rows, doubled = keyed(found, self.stream.keys) if len(found) else (found, 0)
        scored, version = self._scored(rows) if len(rows) else ([], None)
        window = {"rows": len(rows), "scored": len(scored), "win_start": begin, "win_end": end}
        self.stream.destination.send(Sending(scored, self._common(begin, version), window))
        return Delivery(begin, end, len(found), len(scored), doubled)

    def _common(self, begin: int, version: int | None) -> dict[str, Any]:
        """Return the fields of all records of a window; `run` is the same in a repeated run."""
        flow = self.stream.flow
        made = {"kind": "prediction", "flow": flow, "run": f"{flow}-{begin}", "written_at": round(time.time(), 3)}
        made |= {"model": self.order.model, "model_version": version}
        return {name: value for name, value in made.items() if value is not None}

    def _rows(self, begin: int, end: int) -> pd.DataFrame:
        stream = self.stream
        return search(
            stream.search,
            begin - stream.late,
            end + MAX_FUTURE_SECONDS,
            indexed=(begin, end),
            connection=stream.connection,
            text=[name for name in stream.keys if name != TIME],  # keys stay as they are
        )

    def _scored(self, rows: pd.DataFrame) -> tuple[list[Record], int]:
        """Return the records of rows, and the version of the model that scored them."""
        Path(self.order.data).write_text(as_csv(rows), encoding="utf-8")
        outcome = run(self.order, self.settings)
        texts = pd.read_csv(self.order.out or "", dtype=str, keep_default_na=False)
        names = [str(name) for name in texts.columns]
        results = frame_of(dict(zip(names, row, strict=True)) for row in texts.itertuples(index=False, name=None))
        return list(records(rows, results, outcome.target)), outcome.number


@contextlib.contextmanager
def _with_files(order: Order, folder: Path) -> Iterator[Order]:
    """Yield the order with files for rows and results in `folder`, which are removed at the end."""
    data, out = folder / "rows.csv", folder / "results.csv"
    data.unlink(missing_ok=True)  # left by a killed run, perhaps of another user
    data.touch(mode=0o600)
    try:
        yield replace(order, data=str(data), out=out, executed=order.executed or folder / "executed.ipynb")
    finally:
        data.unlink()
        out.unlink(missing_ok=True)


def _splunk_time(connection: Connection) -> int:
    """Return the time by Splunk's clock, which index times follow."""
    frame = search("| makeresults", "-1m", "now", connection=connection, progress=False)
    return int(frame[TIME].iloc[0].timestamp())
