"""Send events to Splunk's HTTP Event Collector from a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dltk_runtime.splunk.access import found
from dltk_runtime.splunk.hec import Hec

from .errors import SplunkMissing

NEEDS = ("splunk_hec_enabled", "splunk_hec_url", "splunk_hec_token")
INSTEAD = "Or return the rows from apply and write them in the search: '| apply app:NAME | collect index=…'."


class SplunkHEC:
    """Connection to the HTTP Event Collector; the container's variables are the defaults.

    Args:
        url: the collector's address; empty for ``splunk_hec_url``.
        token: its token; empty for ``splunk_hec_token``.
    """

    def __init__(self, url: str = "", token: str = "") -> None:
        access = found()
        self._access = replace(access, hec_url=url or access.hec_url, hec_token=token or access.hec_token)
        self.url = self._access.hec_url

    def send(self, events: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> int:
        """Send one event or several and return their number.

        An event is a dict with the collector's keys, of which ``event`` is required.

        Raises:
            SplunkMissing: no collector is configured.
            SplunkError: it is unreachable or busy for too long, or refuses the token, the index or
                an event.
        """
        many = [events] if isinstance(events, Mapping) else list(events)
        if not (self._access.hec_url and self._access.hec_token):
            raise SplunkMissing(f"SplunkHEC.send of {len(many)} event(s)", NEEDS, INSTEAD)
        return Hec.of(self._access).send(many)

    def send_hello_world(self, n: int = 1) -> int:
        """Send `n` test events and return their number. Raises as `send`."""
        return self.send([{"event": {"message": "Hello world", "number": number}} for number in range(n)])
