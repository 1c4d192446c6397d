"""Asks Splunk for data from within a notebook."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dltk_runtime.site.dsdlsupport.errors import SplunkMissing, SupportError
from dltk_runtime.splunk.access import found

from . import search_form

if TYPE_CHECKING:
    import pandas as pd

    from dltk_runtime.splunk.connection import Connection
    from dltk_runtime.splunk.job import Job

NEEDS = ("splunk_access_enabled", "splunk_access_host", "splunk_access_port", "splunk_access_token")
INSTEAD = (
    "Without them let the search bring its data: '| fit MLTKContainer mode=stage … into app:NAME' puts them into "
    "notebooks/data/NAME.csv and NAME.json, where the notebook's stage(name) reads them."
)


class SplunkSearch:
    """A connection to Splunk's search; what is not given comes from the container's variables.

    In JupyterLab it shows a form: the search, its time range, and a button that runs it.

    Args:
        host: Splunk's management address, else ``splunk_access_host``.
        port: its port, else ``splunk_access_port``.
        token: a Splunk token, else ``splunk_access_token``.
        search: what the form begins with, and what `as_df` runs when nothing has run yet.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | str | None = None,
        token: str | None = None,
        search: str = "| makeresults",
    ) -> None:
        self.query = search
        self.earliest = "-15m@m"
        self.latest = "now"
        self.events: list[dict[str, Any]] = []
        access = found()
        self._access = replace(
            access, host=host or access.host, port=int(port or access.port), token=token or access.token
        )
        self._job: Job | None = None
        search_form.show(self)

    def search(self, query: str, earliest: str = "-15m@m", latest: str = "now") -> list[dict[str, Any]]:
        """The rows that `query` finds between two of Splunk's time modifiers, one dict for each, values as text.

        Raises:
            SplunkMissing: nothing names a Splunk.
            SplunkError: Splunk is down, refuses the token, cannot run the search, …
        """
        from dltk_runtime.splunk.job import Job

        connection = self._connection(f"SplunkSearch.search({query!r}, {earliest!r}, {latest!r})")
        self.query, self.earliest, self.latest = query, earliest, latest
        self._job = Job.start(query, earliest, latest, connection=connection)
        with self._job.cancelled_on_failure():
            self._job.wait()
            self.events = list(self._job.rows())
        return self.events

    def as_df(self) -> pd.DataFrame:
        """The rows of the last search as a DataFrame: numbers as numbers, ``_time`` as UTC timestamps.

        Raises: as `search`, which it calls when nothing has run yet.
        """
        from dltk_runtime.splunk.columns import frame_of

        if self._job is None:
            self.search(self.query, self.earliest, self.latest)
        return frame_of(self.events)

    def search_logs(self) -> str:
        """What Splunk wrote about the last search.

        Raises:
            SupportError: nothing has run yet.
            SplunkError: Splunk does not have the log any more, or does not answer.
        """
        self._connection("SplunkSearch.search_logs()")
        if self._job is None:
            raise SupportError("There is no log: no search has run yet. Call search(query) or as_df() first.")
        return self._job.log()

    def _connection(self, what: str) -> Connection:
        if not (self._access.host and self._access.token):
            raise SplunkMissing(what, NEEDS, INSTEAD)
        from dltk_runtime.splunk.connection import Connection

        return Connection.of(self._access)
