"""Sends events to Splunk's HTTP Event Collector from within a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from dltk_runtime.errors import SplunkMissing

NEEDS = ("splunk_hec_enabled", "splunk_hec_url", "splunk_hec_token")
INSTEAD = "Return the rows from apply and let the search write them to an index: '| apply app:NAME | collect index=…'."


class SplunkHEC:
    """A connection to the HTTP Event Collector; what is not given comes from the container's variables.

    Args:
        url: the collector's address, else ``splunk_hec_url``.
        token: its token, else ``splunk_hec_token``.
    """

    def __init__(self, url: str = "", token: str = "") -> None:
        self.url = url
        self._token = token

    def send(self, events: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> NoReturn:
        """Send one event or several, each with the collector's keys (``event`` is the needed one).

        Raises:
            SplunkMissing: always, in this version.
        """
        count = 1 if isinstance(events, Mapping) else len(events)
        raise SplunkMissing(f"SplunkHEC.send of {count} event(s)", NEEDS, INSTEAD)

    def send_hello_world(self, n: int = 1) -> NoReturn:
        """Send `n` events that say hello, to try the connection.

        Raises:
            SplunkMissing: always, in this version.
        """
        self.send([{"event": {"message": "Hello world"}}] * n)
