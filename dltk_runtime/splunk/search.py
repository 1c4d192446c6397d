"""`search`: export all rows of a search as a DataFrame, streamed."""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
from collections.abc import Collection, Generator, Iterable, Iterator
from dataclasses import dataclass, field

import pandas as pd

from dltk_runtime.http_client import ResponseStream
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
from dltk_runtime.splunk.progress import ProgressBar, counted
from dltk_runtime.splunk.retry import retry
from dltk_runtime.splunk.rows import ResultReader, Row, SplunkMessage

__all__ = ["search"]

CHUNK_ROWS = 10_000  # rows, at least, that are turned into columns together
_WRITES = re.compile(
    # Commands whose effect a repetition would double, and macros, which may contain them.
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
    """Return the rows of a search as a DataFrame, streamed from Splunk's export.

    Args:
        query: SPL that begins with a command (``| tstats …``) or with search terms (``index=main
            error``).
        earliest: begin of the time range: a time modifier or epoch seconds.
        latest: end of the time range: a time modifier or epoch seconds.
        connection: None for the one of the variables ``splunk_access_…``.
        indexed: only events indexed at or after the first and before the second of these epoch
            seconds.
        text: columns that stay text.
        timeout: seconds for the whole search; None for no limit.
        progress: show a progress bar; None for only in a terminal or in Jupyter.

    Returns:
        Columns of numbers have dtype int64 or float64 and ``_time`` is a UTC timestamp; all other
        columns are text as Splunk sent it, multivalue fields with one value per line.
        ``frame.attrs["messages"]`` has Splunk's messages; its warnings are issued as
        `SplunkWarning`.

    Raises:
        SearchFailed: the search is invalid, or a part of Splunk failed so that rows would be
            missing.
        SearchInterrupted: the search took longer than `timeout`.
        SplunkError: Splunk refused the token, or was unreachable or busy for longer than the
            connection's patience.
    """
    one = Search(query, earliest, latest, connection or Connection.from_env(), timeout, indexed)
    return one.frame(text, progress=progress)


def complete(query: str) -> str:
    """Return `query` with the leading command ``search``, which the REST API requires."""
    stripped = query.strip()
    return stripped if stripped.startswith("|") or re.match(r"search\s", stripped, re.IGNORECASE) else f"search {query}"


@dataclass
class Search:
    """A search that another thread can cancel; run it once, with `frame`, `frames` or `rows`."""

    query: str
    earliest: str | float
    latest: str | float
    connection: Connection
    timeout: float | None = None
    indexed: tuple[float, float] | None = None
    messages: list[SplunkMessage] = field(default_factory=list)
    _reason: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.connection = self.connection.fresh()

    def cancel(self, reason: str = "was cancelled") -> None:
        """End the search, here and in Splunk; its reader gets `SearchInterrupted`."""
        self._reason = self._reason or reason
        self._stop.set()
        self.connection.http.interrupt()

    def frame(self, text: Collection[str] = (), *, progress: bool | None = None) -> pd.DataFrame:
        """Return all rows; a broken connection restarts the search, unless it may write."""
        with self._bounded(), ProgressBar(self.query, show=progress) as bar:
            repeat = 0.0 if _WRITES.search(self.query) else self.connection.patience

            def once() -> pd.DataFrame:
                bar.restart()
                columns = Columns(text)
                for chunk in chunks(counted(self._stream(), bar)):
                    columns.add(chunk)
                return columns.frame()

            self._prepare()
            frame = retry(once, repeat, self._stop)
        frame.attrs["messages"] = [f"{each.type} {each.text}" for each in self.messages]
        return frame

    def frames(self, rows: int = 50_000, text: Collection[str] = ()) -> Iterator[pd.DataFrame]:
        """Yield frames of at most `rows` rows in bounded memory, each with its own dtypes.

        A broken connection is an error, because the caller already has the first frames.
        """
        with contextlib.closing(self.rows()) as each:
            while chunk := list(itertools.islice(each, rows)):
                columns = Columns(text)
                columns.add(chunk)
                yield columns.frame()

    def rows(self) -> Generator[Row]:
        """Yield rows as Splunk sends them: values are text or lists of text."""
        with self._bounded():
            self._prepare()
            for some in self._stream():
                yield from some

    def _prepare(self) -> None:
        """Wait until Splunk answers; splunk-sdk then knows the version of its API."""
        self.connection.call("server/info", lambda service: service.disable_v2_api, stop=self._stop)

    def _stream(self) -> Iterator[list[Row]]:
        with contextlib.closing(self._export()) as body:
            rows = ResultReader(body.lines(), self.query, self.connection.address, self.messages)
            count = 0
            for some in rows:
                count += len(some)
                yield some
        if count and not (body.framed or rows.ended):
            raise SplunkUnreachable(self.connection.address, "the answer ended before the last row", "Try again.")

    def _export(self) -> ResponseStream:
        indexed = dict(zip(("index_earliest", "index_latest"), self.indexed or (), strict=False))
        try:
            with self.connection.explained("search"):
                body: ResponseStream = self.connection.service.jobs.export(
                    complete(self.query),
                    earliest_time=self.earliest,
                    latest_time=self.latest,
                    **indexed,
                    output_mode="json",
                    preview="false",
                    # By default the rows of an unavailable indexer are missing without an error.
                    allow_partial_results="false",
                )
                return body
        except SplunkRefused as error:
            raise failed(self.query, error) from error

    @contextlib.contextmanager
    def _bounded(self) -> Iterator[None]:
        """Cancel the search after `timeout`, and close its connection in any case."""
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
    """Return `SearchFailed` for HTTP 400, the answer to invalid SPL, else the error itself."""
    return SearchFailed(query, [error.answer]) if error.status == 400 else error


def chunks(blocks: Iterable[list[Row]]) -> Iterator[list[Row]]:
    """Yield the rows of `blocks` in lists of about `CHUNK_ROWS`."""
    chunk: list[Row] = []
    for block in blocks:
        chunk += block
        if len(chunk) >= CHUNK_ROWS:
            yield chunk
            chunk = []
    yield chunk
