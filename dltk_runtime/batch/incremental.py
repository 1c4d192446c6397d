"""A flow by papermill: what a search finds, as it is indexed, through a notebook, to an index or a collection.

::

    watermark.open ── search, by index time ── keys ── run: papermill ── destination.send ── watermark.close
                                                                          (acknowledged)

Windows are of index time, so that events that come late are found. Whatever ends a run, the next one takes the window
again that was open, and its keys make a second sending invisible to whoever reads.
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

DAY = 86_400
FUTURE = DAY  # seconds that an event's time may lie ahead of its indexing


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What a flow reads, and where it brings it.

    `since` is where the first run begins and `lag` how long Splunk may take to show what it indexed, both in seconds;
    `late` is how many seconds old an event may be when it is indexed.
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
    """A window that was delivered: its ends, rows in, rows sent, and rows whose key another one had."""

    begin: int
    end: int
    rows: int
    sent: int
    doubled: int


def deliver(order: Order, stream: Stream, settings: Settings) -> Iterator[Delivery]:
    """Read, score and send what was indexed since the last run, window after window, each told when it is there.

    Raises:
        BatchInvalid: the search cannot be read by index time, gives no keys, another process runs the flow, …
        BatchFailed: the notebook failed.
        SplunkError: Splunk is down or busy for longer than its patience, refuses the token, … In all of these cases
            nothing is lost: the next run takes the window again.
    """
    if stream.search.lstrip().startswith("|"):
        raise BatchInvalid(
            "A flow's search must begin with events (index=…), not with '|': only those are read by index time."
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
    """Delivers windows of a stream; `order` names the files in between."""

    order: Order
    stream: Stream
    settings: Settings

    def deliver(self, begin: int, end: int) -> Delivery:
        found = self._rows(begin, end)
        rows, doubled = keyed(found, self.stream.keys) if len(found) else (found, 0)
        scored, version = self._scored(rows) if len(rows) else ([], None)
        told = {"rows": len(rows), "scored": len(scored), "win_start": begin, "win_end": end}
        self.stream.destination.send(Sending(scored, self._common(begin, version), told))
        return Delivery(begin, end, len(found), len(scored), doubled)

    def _common(self, begin: int, version: int | None) -> dict[str, Any]:
        """What all records of a window carry; its name is the same when it is run again."""
        flow = self.stream.flow
        made = {"kind": "prediction", "flow": flow, "run": f"{flow}-{begin}", "written_at": round(time.time(), 3)}
        made |= {"model": self.order.model, "model_version": version}
        return {name: value for name, value in made.items() if value is not None}

    def _rows(self, begin: int, end: int) -> pd.DataFrame:
        stream = self.stream
        return search(
            stream.search,
            begin - stream.late,
            end + FUTURE,
            indexed=(begin, end),
            connection=stream.connection,
            text=[name for name in stream.keys if name != TIME],  # keys stay as they came
        )

    def _scored(self, rows: pd.DataFrame) -> tuple[list[Record], int]:
        """The records of rows, and the version of the model that made them."""
        Path(self.order.data).write_text(as_csv(rows), encoding="utf-8")
        outcome = run(self.order, self.settings)
        texts = pd.read_csv(self.order.out or "", dtype=str, keep_default_na=False)
        names = [str(name) for name in texts.columns]
        results = frame_of(dict(zip(names, row, strict=True)) for row in texts.itertuples(index=False, name=None))
        return list(records(rows, results, outcome.target)), outcome.number


@contextlib.contextmanager
def _with_files(order: Order, folder: Path) -> Iterator[Order]:
    """The order with files in `folder` for rows and results, which are gone afterwards; the executed notebook stays."""
    data, out = folder / "rows.csv", folder / "results.csv"
    data.unlink(missing_ok=True)  # of a run that was killed, perhaps under another user
    data.touch(mode=0o600)
    try:
        yield replace(order, data=str(data), out=out, executed=order.executed or folder / "executed.ipynb")
    finally:
        data.unlink()
        out.unlink(missing_ok=True)


def _splunk_time(connection: Connection) -> int:
    """Now by Splunk's clock: index times are by that, and ours may be another."""
    frame = search("| makeresults", "-1m", "now", connection=connection, progress=False)
    return int(frame[TIME].iloc[0].timestamp())
