"""Asks Splunk for data from within a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from dltk_runtime.errors import SplunkMissing

if TYPE_CHECKING:
    import pandas as pd

NEEDS = ("splunk_access_enabled", "splunk_access_host", "splunk_access_port", "splunk_access_token")
INSTEAD = (
    "Let the search bring its data: '| fit MLTKContainer mode=stage … into app:NAME' puts them into "
    "notebooks/data/NAME.csv and NAME.json, where the notebook's stage(name) reads them."
)


class SplunkSearch:
    """A connection to Splunk's search; what is not given comes from the container's variables.

    Args:
        host: Splunk's management address, else ``splunk_access_host``.
        port: its port, else ``splunk_access_port``.
        token: a Splunk token, else ``splunk_access_token``.
        search: the search that the form in JupyterLab begins with.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | str | None = None,
        token: str | None = None,
        search: str = "| makeresults",
    ) -> None:
        self.host = host
        self.port = port
        self.query = search
        self._token = token

    def search(self, query: str, earliest: str = "-15m@m", latest: str = "now") -> list[dict[str, Any]]:
        """The rows that `query` finds between two of Splunk's time modifiers, one dict for each.

        Raises:
            SplunkMissing: always, in this version.
        """
        self._missing(f"SplunkSearch.search({query!r}, {earliest!r}, {latest!r})")

    def as_df(self) -> pd.DataFrame:
        """The rows of the last search as a DataFrame.

        Raises:
            SplunkMissing: always, in this version.
        """
        self._missing("SplunkSearch.as_df()")

    def search_logs(self) -> str:
        """What Splunk wrote about the last search.

        Raises:
            SplunkMissing: always, in this version.
        """
        self._missing("SplunkSearch.search_logs()")

    def _missing(self, what: str) -> NoReturn:
        raise SplunkMissing(what, NEEDS, INSTEAD)
