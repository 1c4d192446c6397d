"""Connection to splunkd's REST API: splunk-sdk's `Service` over our HTTP client and errors."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar
from xml.etree import ElementTree as ET

from splunklib import binding, client

from dltk_runtime.http_client import HttpClient
from dltk_runtime.splunk.access import Access, found
from dltk_runtime.splunk.answers import text_of
from dltk_runtime.splunk.errors import (
    AddressMissing,
    AnswerUnreadable,
    NotThere,
    RightMissing,
    SplunkBusy,
    SplunkError,
    SplunkRefused,
    TokenRefused,
)
from dltk_runtime.splunk.retry import retry
from dltk_runtime.splunk.transport import BUSY_STATUSES, Tls, sdk_handler, splunk_client

T = TypeVar("T")


@dataclass(frozen=True)
class Connection:
    """Address of a Splunk, and credentials: a token, or a user name and a password.

    Args:
        app: app of the namespace that calls refer to; None for the user's own.
        owner: owner of that namespace; None for objects that the app shares.
        patience: seconds in which a call is retried while Splunk is unreachable or busy.
    """

    host: str
    port: int = 8089
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    scheme: str = "https"
    app: str | None = None
    owner: str | None = None
    tls: Tls = field(default_factory=Tls)
    patience: float = 30.0

    @classmethod
    def of(cls, access: Access, app: str | None = None) -> Connection:
        """Return the connection that `access` describes.

        Raises:
            AddressMissing: `access` names no host.
        """
        if not access.host:
            raise AddressMissing("Splunk", "splunk_access_enabled=1, splunk_access_host and splunk_access_token")
        return cls(access.host, access.port, access.token, tls=access.tls, patience=access.patience, app=app)

    @classmethod
    def from_env(cls, app: str | None = None) -> Connection:
        """Return the connection that this process's access describes; see `access.found`."""
        return cls.of(found(), app)

    def fresh(self) -> Connection:
        """Return a copy with an HTTP client of its own, which can be interrupted alone."""
        return replace(self)

    def within(self, app: str | None = None, owner: str | None = None) -> Connection:
        """Return a copy for another app or another owner."""
        return replace(self, app=app or self.app, owner=owner or self.owner)

    @property
    def address(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    @cached_property
    def http(self) -> HttpClient:
        """HTTP client of `service`."""
        return splunk_client(self.tls)

    @cached_property
    def service(self) -> client.Service:
        """splunk-sdk's `Service`, logged in.

        Raises:
            SplunkError: as `call`.
        """
        with self.explained("login"):
            return client.connect(
                handler=sdk_handler(self.http),
                scheme=self.scheme,
                host=self.host,
                port=self.port,
                # An empty token is sent too: Splunk's refusal explains more than the SDK's error.
                token=None if self.username else self.token,
                username=self.username,
                password=self.password,
                autologin=bool(self.username),  # log in again when the session expires
                app=self.app,
                owner=self.owner,
                sharing="app" if self.app and not self.owner else None,
            )

    def call(
        self,
        what: str,
        ask: Callable[[client.Service], T],
        patience: float | None = None,
        stop: threading.Event | None = None,
    ) -> T:
        """Return the result of `ask`, retried while Splunk is unreachable or busy.

        Args:
            what: noun phrase for the requested object, used in messages.
            ask: must be safe to repeat, because an answer can be lost after the work was done.
            patience: seconds of retries; None for the connection's own, 0 for a single attempt.
            stop: ends the pauses between retries when it is set.

        Raises:
            SplunkError: the subclass that fits; see `dltk_runtime.splunk.errors`.
        """

        def once() -> T:
            with self.explained(what):
                return ask(self.service)

        return retry(once, self.patience if patience is None else patience, stop)

    @contextlib.contextmanager
    def explained(self, what: str) -> Iterator[None]:
        """Turn splunk-sdk's exceptions into errors that name the address and the next step."""
        try:
            yield
        except binding.HTTPError as error:
            raise _refusal(self.address, what, error) from error
        except (ET.ParseError, json.JSONDecodeError, KeyError, AttributeError) as error:
            raise AnswerUnreadable(self.address, f"{type(error).__name__}: {error}") from error


def _refusal(address: str, what: str, error: Any) -> SplunkError:
    answer = text_of(error.body) or error.reason or "no reason given"
    match error.status:
        case 401:
            return TokenRefused(address, answer, "splunk_access_token")
        case 403:
            return RightMissing(address, answer)
        case 404:
            return NotThere(address, what, answer)
        case status if status in BUSY_STATUSES:
            return SplunkBusy(address, answer, _pause(error.headers))
    return SplunkRefused(address, error.status, answer)


def _pause(headers: Any) -> float:
    """Return the seconds of the header ``Retry-After``, else 0."""
    for name, value in headers:
        if name.lower() == "retry-after" and value.isdigit():
            return float(value)
    return 0.0
