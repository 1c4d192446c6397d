"""Run searches in Splunk from a notebook."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dltk_runtime.splunk.access import found

from . import search_form
from .errors import SplunkMissing, SupportError

if TYPE_CHECKING:
    import pandas as pd

    from dltk_runtime.splunk.connection import Connection
    from dltk_runtime.splunk.job import Job

NEEDS = ("splunk_access_enabled", "splunk_access_host", "splunk_access_port", "splunk_access_token")
INSTEAD = (
    "Or stage the data with the search: '| fit MLTKContainer mode=stage … into app:NAME' writes "
    "notebooks/data/NAME.csv and NAME.json, which the notebook's stage(name) reads."
)


class SplunkSearch:
    """Connection to Splunk for searches; the container's variables are the defaults.

    In JupyterLab it shows a form with the search, its time range and a button that runs it.

    Args:
        host: Splunk's management host; None for ``splunk_access_host``.
        port: its port; None for ``splunk_access_port``.
        token: a Splunk token; None for ``splunk_access_token``.
        search: initial text of the form, and the search that `as_df` runs if none has run yet.
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
        """Run `query` between two of Splunk's time modifiers; return rows as dicts of text.

        Raises:
            SplunkMissing: no Splunk is configured.
            SplunkError: Splunk is unreachable, refuses the token, or cannot run the search.
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
        """Return the rows of the last search with typed columns, ``_time`` as UTC timestamps.

        Raises: as `search`, which runs if no search has run yet.
        """
        from dltk_runtime.splunk.columns import frame_of

        if self._job is None:
            self.search(self.query, self.earliest, self.latest)
        return frame_of(self.events)

    def search_logs(self) -> str:
        """Return the ``search.log`` of the last search.

        Raises:
            SupportError: no search has run yet.
            SplunkError: Splunk has deleted the log, or is unreachable.
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
