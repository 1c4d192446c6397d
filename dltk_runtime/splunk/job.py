"""A search job in Splunk: started or dispatched, waited for, its results read page by page, its log."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pandas as pd
from splunklib import client

from dltk_runtime.splunk.columns import Columns
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.errors import ResultsCut, SearchFailed, SearchInterrupted, SplunkRefused
from dltk_runtime.splunk.progress import Progress, counted
from dltk_runtime.splunk.rows import Message, Row, Rows
from dltk_runtime.splunk.search import chunks, complete, failed

__all__ = ["Job"]

PAGE = 50_000  # rows; what limits.conf [restapi] maxresultrows allows at most
FIRST_LOOK, LONGEST_LOOK = 0.1, 2.0  # seconds between two looks at a running job


@dataclass(frozen=True, slots=True)
class Status:
    """What a job says of itself: `rows` are those of its results, `share` what is done, 0 to 1."""

    done: bool
    state: str
    rows: int
    share: float
    messages: tuple[Message, ...]


@dataclass
class Job:
    """One job, made by `start`, `dispatch` or from the id of one that is there."""

    sid: str
    query: str
    connection: Connection
    messages: list[Message] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def start(
        cls, query: str, earliest: str | float = "-15m@m", latest: str | float = "now", *, connection: Connection
    ) -> Job:
        """Start a search.

        Raises:
            SearchFailed: Splunk cannot parse it.
            SplunkError: Splunk does not answer, or refuses.
        """
        times = {"earliest_time": earliest, "latest_time": latest}

        def ask(service: client.Service) -> str:
            return str(service.jobs.create(complete(query), allow_partial_results="false", **times).sid)

        return cls(_started(connection, query, "search", ask), query, connection)

    @classmethod
    def dispatch(
        cls,
        name: str,
        earliest: str | float | None = None,
        latest: str | float | None = None,
        *,
        connection: Connection,
    ) -> Job:
        """Start a saved search of the connection's app, over another window where one is given. Raises as `start`."""
        window = {"dispatch.earliest_time": earliest, "dispatch.latest_time": latest}
        given = {key: value for key, value in window.items() if value is not None}
        what = f"saved search {name!r}"
        path = client.PATH_SAVED_SEARCHES + client.UrlEncoded(name, encode_slash=True)
        saved = connection.call(what, lambda service: client.SavedSearch(service, path))
        return cls(_started(connection, name, what, lambda _: str(saved.dispatch(**given).sid)), name, connection)

    def status(self) -> Status:
        """How far it is."""
        body = self.connection.call(f"job {self.sid}", lambda _: self._entity.get(output_mode="json").body.read())
        if not body:  # HTTP 204: not yet there
            return Status(done=False, state="QUEUED", rows=0, share=0.0, messages=())
        with self.connection.explained(f"job {self.sid}"):
            content = json.loads(body)["entry"][0]["content"]
            return _status(content)

    def wait(self, timeout: float | None = None, on_status: Callable[[Status], None] | None = None) -> Status:
        """Wait for its end.

        Raises:
            SearchFailed: it failed.
            SearchInterrupted: it was cancelled, here or in Splunk, or it took longer than `timeout` seconds, and then
                it is cancelled in Splunk too.
        """
        deadline = time.monotonic() + timeout if timeout else float("inf")
        pause = FIRST_LOOK
        while not (status := self.status()).done:
            if on_status:
                on_status(status)
            if self._stop.wait(min(pause, max(deadline - time.monotonic(), 0))):
                raise SearchInterrupted(self.query, "was cancelled")
            if time.monotonic() >= deadline:
                self.cancel()
                raise SearchInterrupted(self.query, f"took longer than {timeout} s")
            pause = min(pause * 1.5, LONGEST_LOOK)
        self._judge(status)
        return status

    def ended(self) -> bool:
        """Whether it has come to its end, without waiting for it.

        Raises:
            SearchFailed: it failed.
        """
        status = self.status()
        if status.done:
            self._judge(status)
        return status.done

    def rows(self) -> Iterator[Row]:
        """All rows of the job, which must be done, as Splunk gives them.

        Raises:
            ResultsCut: Splunk gives fewer than the job found.
        """
        for page in self._pages():
            yield from page

    def frame(
        self, text: Collection[str] = (), *, timeout: float | None = None, progress: bool | None = None
    ) -> pd.DataFrame:
        """Wait for its end and read all rows, typed as `search` does. Whatever comes between cancels it in Splunk."""
        columns = Columns(text)
        with self.cancelled_on_failure(), Progress(self.query, show=progress) as bar:
            total = self.wait(timeout, lambda status: bar.to(status.rows)).rows
            for chunk in chunks(counted(self._pages(), bar, total)):
                columns.add(chunk)
        frame = columns.frame()
        frame.attrs["messages"] = [f"{each.type} {each.text}" for each in self.messages]
        return frame

    def log(self) -> str:
        """What Splunk wrote into the job's ``search.log``."""
        body = self.connection.call(f"job {self.sid}", lambda _: self._entity.searchlog().read())
        return str(body.decode("utf-8", "replace"))

    def cancel(self, patience: float | None = None) -> None:
        """End it in Splunk, rows and all; whoever waits for it gets `SearchInterrupted`."""
        self._stop.set()
        self.connection.call(f"job {self.sid}", lambda _: self._entity.cancel(), patience)

    def _judge(self, status: Status) -> None:
        """Take what an ended job says, and raise when it has failed."""
        self._reader(()).take(status.messages)
        if status.state == "FAILED":
            raise SearchFailed(self.query, ["the job ended in the state FAILED, without a message"])

    @property
    def _entity(self) -> client.Job:
        return client.Job(self.connection.service, self.sid)

    def _pages(self) -> Iterator[list[Row]]:
        found, have = self.status().rows, 0
        while have < found:
            page = self._page(have)
            if not page:
                raise ResultsCut(have, found)
            have += len(page)
            yield page

    def _page(self, offset: int) -> list[Row]:
        def ask(_: client.Service) -> bytes:
            return bytes(self._entity.results(output_mode="json", count=PAGE, offset=offset).read())

        return [row for some in self._reader([self.connection.call(f"job {self.sid}", ask)]) for row in some]

    def _reader(self, lines: Collection[bytes]) -> Rows:
        return Rows(lines, self.query, self.connection.address, self.messages)

    @contextlib.contextmanager
    def cancelled_on_failure(self) -> Iterator[None]:
        """Cancel it in Splunk when what is done here does not come to its end."""
        try:
            yield
        except BaseException:  # Ctrl-C too: a search that nobody reads must not hold a place in Splunk's queue
            with contextlib.suppress(Exception):
                self.cancel()
            raise


def _started(connection: Connection, query: str, what: str, ask: Callable[[client.Service], str]) -> str:
    """The id of a new job. Asked once: a second one would write twice what the search writes."""
    connection.call("server/info", lambda service: service.disable_v2_api)
    try:
        return connection.call(what, ask, patience=0)
    except SplunkRefused as error:
        raise failed(query, error) from error


def _status(content: dict[str, Any]) -> Status:
    return Status(
        done=bool(int(content["isDone"])) or content["dispatchState"] == "FAILED",
        state=str(content["dispatchState"]),
        rows=int(content.get("resultCount", 0)),
        share=float(content.get("doneProgress", 0)),
        messages=tuple(msgspec.convert(content.get("messages", []), list[Message])),
    )
