"""`search`: a search's rows as a DataFrame, streamed from Splunk's export, however many they are."""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
from collections.abc import Collection, Generator, Iterable, Iterator
from dataclasses import dataclass, field

import pandas as pd

from dltk_runtime.http_client import Stream
from dltk_runtime.splunk.columns import Columns
from dltk_runtime.splunk.connection import Connection
from dltk_runtime.splunk.errors import (
    SearchFailed,
    SearchInterrupted,
    SplunkBusy,
    SplunkError,
    SplunkRefused,
    SplunkUnreachable,
)
from dltk_runtime.splunk.progress import Progress, counted
from dltk_runtime.splunk.retry import again
from dltk_runtime.splunk.rows import Message, Row, Rows

CHUNK = 10_000  # rows, and a few more, that become columns together
_WRITES = re.compile(
    # What a repetition would do twice. A macro or a saved search may hide any of it.
    r"`|\|\s*(collect|mcollect|meventcollect|tscollect|stash|outputlookup|outputcsv|outputtext|sendemail|sendalert"
    r"|summaryindex|delete|fit|map|savedsearch|script|runshellscript|si\w+)\b",
    re.IGNORECASE,
)


def search(
    query: str,
    earliest: str | float = "-15m@m",
    latest: str | float = "now",
    *,
    connection: Connection | None = None,
    indexed: tuple[float, float] | None = None,
    text: Collection[str] = (),
    timeout: float | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """The rows that `query` finds between two of Splunk's time modifiers or epoch seconds.

    A column of numbers has dtype int64 or float64, ``_time`` is a timestamp in UTC, everything else is text as it
    came; columns named in `text` stay text. Fields with several values have one a line. Splunk's messages are in
    ``frame.attrs["messages"]``, and its warnings are Python's.

    Args:
        query: begins with a command (``| tstats …``) or with what to search for (``index=main error``).
        connection: default: from the variables ``splunk_access_…``.
        indexed: only events that were indexed from the first of these moments on and before the second, epoch seconds.
        timeout: seconds for all of it, without bound by default.
        progress: show a bar; by default where somebody watches, in a terminal or in Jupyter.

    Raises:
        SearchFailed: the search is wrong, or a part of Splunk failed, so that rows would be missing.
        SearchInterrupted: it took longer than `timeout`.
        SplunkError: Splunk is down, slow or busy for longer than the connection's patience, refuses the token, …
    """
    one = Search(query, earliest, latest, connection or Connection.from_env(), timeout, indexed)
    return one.frame(text, progress=progress)


def complete(query: str) -> str:
    """`query` as the REST API wants it: the command ``search`` is not left out there."""
    stripped = query.strip()
    return stripped if stripped.startswith("|") or re.match(r"search\s", stripped, re.IGNORECASE) else f"search {query}"


@dataclass
class Search:
    """One search that can be cancelled from another thread. It is run once: by `frame`, `frames` or `rows`."""

    query: str
    earliest: str | float
    latest: str | float
    connection: Connection
    timeout: float | None = None
    indexed: tuple[float, float] | None = None
    messages: list[Message] = field(default_factory=list)
    _reason: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.connection = self.connection.fresh()

    def cancel(self, reason: str = "was cancelled") -> None:
        """End it now; whoever waits for its rows gets `SearchInterrupted`. Splunk ends an export nobody reads."""
        self._reason = self._reason or reason
        self._stop.set()
        self.connection.http.interrupt()

    def frame(self, text: Collection[str] = (), *, progress: bool | None = None) -> pd.DataFrame:
        """All rows. When the connection breaks midway all of it is read again, unless the search may write."""
        with self._bounded(), Progress(self.query, show=progress) as bar:
            repeat = 0.0 if _WRITES.search(self.query) else self.connection.patience

            def once() -> pd.DataFrame:
                bar.restart()
                columns = Columns(text)
                for chunk in chunks(counted(self._stream(), bar)):
                    columns.add(chunk)
                return columns.frame()

            self._prepare()
            frame = again(once, repeat, self._stop)
        frame.attrs["messages"] = [f"{each.type} {each.text}" for each in self.messages]
        return frame

    def frames(self, rows: int = 50_000, text: Collection[str] = ()) -> Iterator[pd.DataFrame]:
        """The rows in frames of at most `rows` each, typed each by itself, in bounded memory.

        A connection that breaks midway is an error: the first frames are already in somebody's hands.
        """
        with contextlib.closing(self.rows()) as each:
            while chunk := list(itertools.islice(each, rows)):
                columns = Columns(text)
                columns.add(chunk)
                yield columns.frame()

    def rows(self) -> Generator[Row]:
        """The rows as Splunk gives them: text, lists of text."""
        with self._bounded():
            self._prepare()
            for some in self._stream():
                yield from some

    def _prepare(self) -> None:
        """Wait for a Splunk that answers; from here on it is known which API it has."""
        self.connection.call("server/info", lambda service: service.disable_v2_api, stop=self._stop)

    def _stream(self) -> Iterator[list[Row]]:
        with contextlib.closing(self._export()) as body:
            rows = Rows(body.lines(), self.query, self.connection.address, self.messages)
            count = 0
            for some in rows:
                count += len(some)
                yield some
        if count and not (body.framed or rows.ended):
            raise SplunkUnreachable(self.connection.address, "the rows broke off before the last one", "Try again.")

    def _export(self) -> Stream:
        indexed = dict(zip(("index_earliest", "index_latest"), self.indexed or (), strict=False))
        try:
            with self.connection.explained("search"):
                body: Stream = self.connection.service.jobs.export(
                    complete(self.query),
                    earliest_time=self.earliest,
                    latest_time=self.latest,
                    **indexed,
                    output_mode="json",
                    preview="false",
                    # The default lets a dead indexer's rows be missing without an error.
                    allow_partial_results="false",
                )
                return body
        except SplunkRefused as error:
            raise failed(self.query, error) from error

    @contextlib.contextmanager
    def _bounded(self) -> Iterator[None]:
        """End the search after `timeout`, and its connection whatever happens."""
        timer = threading.Timer(self.timeout or 0, self.cancel, [f"took longer than {self.timeout} s"])
        timer.daemon = True
        if self.timeout:
            timer.start()
        try:
            yield
        except (SplunkUnreachable, SplunkBusy) as error:
            if self._reason:
                raise SearchInterrupted(self.query, self._reason) from error
            raise
        finally:
            timer.cancel()
            self.connection.http.interrupt()


def failed(query: str, error: SplunkRefused) -> SplunkError:
    """HTTP 400 is what a search gets that cannot be parsed."""
    return SearchFailed(query, [error.answer]) if error.status == 400 else error


def chunks(blocks: Iterable[list[Row]]) -> Iterator[list[Row]]:
    """The rows of `blocks` in lists of some `CHUNK`."""
    chunk: list[Row] = []
    for block in blocks:
        chunk += block
        if len(chunk) >= CHUNK:
            yield chunk
            chunk = []
    yield chunk
