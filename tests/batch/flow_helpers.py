"""A flow by papermill, for tests: a stand-in for Splunk whose clock stands still, and a model that is quick."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from dltk_runtime.batch.order import Order
from dltk_runtime.batch.run import Outcome
from dltk_runtime.emulator.mltk.commands import Mltk
from dltk_runtime.emulator.mltk.stubs import Stubs
from dltk_runtime.emulator.spl.context import Context
from dltk_runtime.emulator.spl.files import LookupFolders
from dltk_runtime.emulator.standin import IndexedEvent, Storage
from dltk_runtime.settings import ClientSettings, Settings
from tests.splunkd import HecToken, Splunkd
from tests.splunkd.spl import pipeline

BEGIN = 1_767_571_200  # where flows begin to read
SEARCH = 'index=main | eval event_key="k".id | fields _time event_key id x'
APP = "dltk_flow_x"


class Source(Splunkd):
    """Its clock is moved by `pass_time` alone."""

    clock = float(BEGIN)

    def now(self) -> float:
        return self.clock

    def pass_time(self, *numbers: int, late: float = 0) -> None:
        """Five minutes; in the first, events of these numbers are indexed that happened `late` seconds before."""
        indexed = self.clock + 60
        for number in numbers:
            fields = {"id": f"{number:03}", "x": str(number)}
            self.storage.indexes["main"].add(IndexedEvent(indexed - 5 - late, indexed, fields))
        self.clock += 300

    def as_read(self) -> list[dict[str, Any]]:
        """The predictions in the index, as its readers see them: each key once."""
        rows = self.storage.indexes["scored"].rows()
        found = {row["event_key"]: row for row in rows if row["kind"] == "prediction"}
        return [found[key] for key in sorted(found)]

    def records(self) -> list[dict[str, Any]]:
        """What is in the collection."""
        return sorted(self.storage.kvstore["scores"].query(), key=lambda each: str(each["_key"]))


@contextmanager
def source(tmp_path: Path, **given: Any) -> Iterator[Source]:
    """A running one, with an index and a collection for what flows bring."""
    storage = Storage()
    storage.indexes.create("scored")
    storage.kvstore.create("scores")
    context = Context(Mltk(ClientSettings(), Stubs(tmp_path)), LookupFolders(tmp_path, ()))
    with Source(pipeline(context, storage), storage, app=APP, **given) as splunkd:
        splunkd.collector.tokens[splunkd.hec_token] = HecToken(("scored",))
        yield splunkd


def quick(order: Order, settings: Settings) -> Outcome:
    """In the place of papermill: the version 7 of a model that predicts `y` as twice `x`."""
    rows = pd.read_csv(order.data)
    assert order.out is not None
    pd.DataFrame({"y": rows["x"] * 2}).to_csv(order.out, index=False)
    return Outcome("job", "", Path(), len(rows), None, 7, "y")
