"""A connection to splunkd's REST API: splunk-sdk's `Service` over a transport of ours, with errors that explain."""

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
from dltk_runtime.splunk.retry import again
from dltk_runtime.splunk.transport import BUSY_STATUSES, Tls, sdk_handler, splunk_client

T = TypeVar("T")


@dataclass(frozen=True)
class Connection:
    """Where a Splunk is and who we are there: an authentication token, or a user with a password.

    `app` and `owner` are the namespace of what is asked for. `patience` is for how many seconds a call is tried
    again while Splunk does not answer or is busy.
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
        """The connection that `access` describes.

        Raises:
            AddressMissing: it names no host.
        """
        if not access.host:
            raise AddressMissing("Splunk", "splunk_access_enabled=1, splunk_access_host and splunk_access_token")
        return cls(access.host, access.port, access.token, tls=access.tls, patience=access.patience, app=app)

    @classmethod
    def from_env(cls, app: str | None = None) -> Connection:
        """The connection that the variables ``splunk_access_…`` describe, or a worker's own."""
        return cls.of(found(), app)

    def fresh(self) -> Connection:
        """The same with a transport of its own, so that it can be interrupted alone."""
        return replace(self)

    def within(self, app: str | None = None, owner: str | None = None) -> Connection:
        """The same, in another app or for another owner."""
        return replace(self, app=app or self.app, owner=owner or self.owner)

    @property
    def address(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    @cached_property
    def http(self) -> HttpClient:
        """The HTTP client of `service`."""
        return splunk_client(self.tls)

    @cached_property
    def service(self) -> client.Service:
        """splunk-sdk's entry point, logged in.

        Raises:
            SplunkError: as `call`.
        """
        with self.explained("login"):
            return client.connect(
                handler=sdk_handler(self.http),
                scheme=self.scheme,
                host=self.host,
                port=self.port,
                # An empty token is one as well: Splunk then says that it is refused, instead of the SDK
                # that nobody is logged in.
                token=None if self.username else self.token,
                username=self.username,
                password=self.password,
                autologin=bool(self.username),  # a session ends, and another one begins
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
        """What `ask` returns, tried again while Splunk is down or busy; `what` is looked for, as messages name it.

        `ask` must be safe to repeat, since an answer can be lost after its work was done; else let `patience` be 0.
        A `stop` that is set ends the waiting.

        Raises:
            SplunkError: the one of its kinds that fits.
        """

        def once() -> T:
            with self.explained(what):
                return ask(self.service)

        return again(once, self.patience if patience is None else patience, stop)

    @contextlib.contextmanager
    def explained(self, what: str) -> Iterator[None]:
        """Turn what splunk-sdk raises into errors that say where and what next."""
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
    """Seconds that ``Retry-After`` asks for."""
    for name, value in headers:
        if name.lower() == "retry-after" and value.isdigit():
            return float(value)
    return 0.0
