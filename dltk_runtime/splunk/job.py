"""Search jobs in Splunk: start or dispatch one, wait for it, read its pages and its log."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from splunklib import client

from dltk_runtime.files.records import converted
from dltk_runtime.splunk.columns import Columns
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.errors import ResultsCut, SearchFailed, SearchInterrupted, SplunkRefused
from dltk_runtime.splunk.progress import ProgressBar, counted
from dltk_runtime.splunk.rows import ResultReader, Row, SplunkMessage
from dltk_runtime.splunk.search import chunks, complete, failed

__all__ = ["Job"]

PAGE_ROWS = 50_000  # the maximum of limits.conf [restapi] maxresultrows
MIN_POLL_SECONDS, MAX_POLL_SECONDS = 0.1, 2.0


@dataclass(frozen=True, slots=True)
class JobStatus:
    """State of a job; `rows` counts its results, `share` is its progress from 0 to 1."""

    done: bool
    state: str
    rows: int
    share: float
    messages: tuple[SplunkMessage, ...]


@dataclass
class Job:
    """A job, from `start`, from `dispatch`, or by the id (`sid`) of an existing one."""

    sid: str
    query: str
    connection: Connection
    messages: list[SplunkMessage] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def start(
        cls, query: str, earliest: str | float = "-15m@m", latest: str | float = "now", *, connection: Connection
    ) -> Job:
        """Start a search.

        Raises:
            SearchFailed: Splunk cannot parse it.
            SplunkError: as `Connection.call`.
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
        """Start a saved search of the connection's app, over the given time range or its own.

        Raises as `start`.
        """
        window = {"dispatch.earliest_time": earliest, "dispatch.latest_time": latest}
        given = {key: value for key, value in window.items() if value is not None}
        what = f"saved search {name!r}"
        path = client.PATH_SAVED_SEARCHES + client.UrlEncoded(name, encode_slash=True)
        saved = connection.call(what, lambda service: client.SavedSearch(service, path))
        return cls(_started(connection, name, what, lambda _: str(saved.dispatch(**given).sid)), name, connection)

    def status(self) -> JobStatus:
        """Return the job's state."""
        body = self.connection.call(f"job {self.sid}", lambda _: self._entity.get(output_mode="json").body.read())
        if not body:  # HTTP 204: not started yet
            return JobStatus(done=False, state="QUEUED", rows=0, share=0.0, messages=())
        with self.connection.explained(f"job {self.sid}"):
            content = json.loads(body)["entry"][0]["content"]
            return _status(content)

    def wait(self, timeout: float | None = None, on_status: Callable[[JobStatus], None] | None = None) -> JobStatus:
        """Wait for the job's end.

        Args:
            timeout: seconds after which the job is cancelled in Splunk; None for no limit.
            on_status: called with every state in between.

        Raises:
            SearchFailed: the job failed.
            SearchInterrupted: the job was cancelled, or took longer than `timeout`.
        """
        deadline = time.monotonic() + timeout if timeout else float("inf")
        pause = MIN_POLL_SECONDS
        while not (status := self.status()).done:
            if on_status:
                on_status(status)
            if self._stop.wait(min(pause, max(deadline - time.monotonic(), 0))):
                raise SearchInterrupted(self.query, "was cancelled")
            if time.monotonic() >= deadline:
                self.cancel()
                raise SearchInterrupted(self.query, f"took longer than {timeout} s")
            pause = min(pause * 1.5, MAX_POLL_SECONDS)
        self._judge(status)
        return status

    def ended(self) -> bool:
        """Return whether the job has ended, without waiting.

        Raises:
            SearchFailed: the job failed.
        """
        status = self.status()
        if status.done:
            self._judge(status)
        return status.done

    def rows(self) -> Iterator[Row]:
        """Yield all rows of a job that is done, as Splunk sends them.

        Raises:
            ResultsCut: the job keeps fewer rows than the search found.
        """
        for page in self._pages():
            yield from page

    def frame(
        self, text: Collection[str] = (), *, timeout: float | None = None, progress: bool | None = None
    ) -> pd.DataFrame:
        """Wait for the end and return all rows, typed as by `search`.

        Any failure cancels the job in Splunk.
        """
        columns = Columns(text)
        with self.cancelled_on_failure(), ProgressBar(self.query, show=progress) as bar:
            total = self.wait(timeout, lambda status: bar.to(status.rows)).rows
            for chunk in chunks(counted(self._pages(), bar, total)):
                columns.add(chunk)
        frame = columns.frame()
        frame.attrs["messages"] = [f"{each.type} {each.text}" for each in self.messages]
        return frame

    def log(self) -> str:
        """Return the job's ``search.log``."""
        body = self.connection.call(f"job {self.sid}", lambda _: self._entity.searchlog().read())
        return str(body.decode("utf-8", "replace"))

    def cancel(self, patience: float | None = None) -> None:
        """Cancel the job and delete its rows in Splunk.

        A running `wait` raises `SearchInterrupted`.
        """
        self._stop.set()
        self.connection.call(f"job {self.sid}", lambda _: self._entity.cancel(), patience)

    def _judge(self, status: JobStatus) -> None:
        """Collect the messages of an ended job, and raise when it has failed."""
        self._reader(()).take(status.messages)
        if status.state == "FAILED":
            raise SearchFailed(self.query, ["the job ended in state FAILED without a message"])

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
            return bytes(self._entity.results(output_mode="json", count=PAGE_ROWS, offset=offset).read())

        return [row for some in self._reader([self.connection.call(f"job {self.sid}", ask)]) for row in some]

    def _reader(self, lines: Collection[bytes]) -> ResultReader:
        return ResultReader(lines, self.query, self.connection.address, self.messages)

    @contextlib.contextmanager
    def cancelled_on_failure(self) -> Iterator[None]:
        """Cancel the job in Splunk when the block raises."""
        try:
            yield
        except BaseException:  # Ctrl-C too: an abandoned job must not hold a slot in Splunk's queue
            with contextlib.suppress(Exception):
                self.cancel()
            raise


def _started(connection: Connection, query: str, what: str, ask: Callable[[client.Service], str]) -> str:
    """Return the id of a new job, without retries: a second job could write its output twice."""
    connection.call("server/info", lambda service: service.disable_v2_api)
    try:
        return connection.call(what, ask, patience=0)
    except SplunkRefused as error:
        raise failed(query, error) from error


def _status(content: dict[str, Any]) -> JobStatus:
    return JobStatus(
        done=bool(int(content["isDone"])) or content["dispatchState"] == "FAILED",
        state=str(content["dispatchState"]),
        rows=int(content.get("resultCount", 0)),
        share=float(content.get("doneProgress", 0)),
        messages=tuple(converted(content.get("messages", []), list[SplunkMessage])),
    )
