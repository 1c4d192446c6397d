"""Call a container as Splunk calls it: a bare token, no compression, no retry (protocol 1)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext
from typing import Any, Self

from dltk_runtime.client.errors import Unreachable
from dltk_runtime.http_client import HttpClient
from dltk_runtime.settings import ClientSettings
from dltk_runtime.tls import client_context

USER_AGENT = f"Python-urllib/{sys.version_info.major}.{sys.version_info.minor}"  # Splunk's own client


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, whatever its status; `url` is the address that was called. Names of headers are in lower case."""

    url: str
    status: int
    reason: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Container:
    """A running container at `url`.

    Args:
        url: scheme, host and port, and a path prefix where a proxy needs one.
        token: sent as it is, without a scheme word.
        cafile: certificates (PEM) to check the container's against; None for the system's.
        timeout: seconds to wait for a connection and for each block of the answer; None, as in
            Splunk, for no limit.
    """

    url: str
    token: str = field(repr=False)
    cafile: Path | None = None
    timeout: float | None = None

    @classmethod
    def of(cls, settings: ClientSettings, timeout: float | None = None) -> Self:
        """Return the container that `settings` name."""
        return cls(settings.url, settings.token, settings.cafile, timeout)

    def get(self, path: str) -> Reply:
        """GET `path`.

        Raises:
            Unreachable: the container does not answer.
        """
        return self._send("GET", path)

    def post(self, path: str, payload: Mapping[str, Any]) -> Reply:
        """POST `payload` as JSON, non-ASCII characters escaped. Raises as `get`."""
        return self._send("POST", path, json.dumps(payload).encode("ascii"))

    def post_rows(self, path: str, kind: str, rows: bytes) -> Reply:
        """POST rows of the media type `kind`. Raises as `get`."""
        return self._send("POST", path, rows, kind)

    def delete(self, path: str) -> Reply:
        """DELETE `path`. Raises as `get`."""
        return self._send("DELETE", path)

    def _send(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Reply:
        client = HttpClient(self._context, self._error, connect_seconds=self.timeout, read_seconds=self.timeout)
        headers = {"Authorization": self.token, "Content-Type": kind, "User-Agent": USER_AGENT}
        url = self.url.rstrip("/") + path
        response = client.request(method, url, headers, body)
        named = {name.lower(): text for name, text in response.headers.items()}
        return Reply(url, response.status, response.reason, response.body, named)

    def _context(self) -> SSLContext:
        try:
            return client_context(self.cafile)
        except OSError as error:  # its text names no file
            raise OSError(f"the certificate file {self.cafile} cannot be read ({error})") from error

    def _error(self, _: str, error: OSError) -> Unreachable:
        return Unreachable(self.url, str(error) or type(error).__name__)
