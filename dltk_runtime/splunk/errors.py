"""Errors of a connection to Splunk; the root is `dltk_runtime.errors.DltkError`.

::

    SplunkError
    ├── AddressMissing         no address is configured
    ├── SplunkUnreachable      no answer, or the connection broke; retried
    ├── SplunkBusy             too busy to answer; retried
    ├── CertificateRefused     the TLS certificate is not trusted
    ├── TokenRefused           401: the token is missing, wrong or expired
    ├── RightMissing           403: the token's owner lacks a capability or a permission
    ├── NotThere               404: no such collection, saved search or job
    ├── SplunkRefused          any other HTTP status above 299
    ├── AnswerUnreadable       the answer is not one of Splunk's REST API
    ├── SearchFailed           the search failed: bad SPL, a missing index, a failed peer
    ├── SearchInterrupted      the search was cancelled, or exceeded its time limit
    ├── ResultsCut             the job keeps fewer rows than the search found
    ├── RecordInvalid          a record refused by the KV store, or not of the declared type
    └── EventRefused           the HTTP Event Collector refuses an event or its index
"""

from __future__ import annotations

from dltk_runtime.errors import DltkError, shown
from dltk_runtime.texts import counted


class SplunkError(DltkError):
    """Root of this module's errors."""

    http_status = 502


class AddressMissing(SplunkError):
    """No address is configured; `variables` are the settings to set."""

    def __init__(self, what: str, variables: str) -> None:
        super().__init__(f"No address of {what} is configured: set {variables}.")


class SplunkUnreachable(SplunkError):
    """No answer; `tried` are the seconds spent on retries."""

    def __init__(self, address: str, cause: str, advice: str, tried: float = 0.0) -> None:
        self.facts = address, cause, advice
        patience = f" Retried for {tried:.0f} s." if tried >= 1 else ""
        super().__init__(f"No answer from Splunk at {address}: {cause}.{patience} {advice}")

    def after(self, tried: float) -> SplunkUnreachable:
        """Return the same error with the seconds spent on retries."""
        return SplunkUnreachable(*self.facts, tried)


class SplunkBusy(SplunkError):
    """Splunk is too busy.

    `pause` are the seconds that it asks to wait, `tried` those spent on retries.
    """

    http_status = 503

    def __init__(self, address: str, answer: str, pause: float = 0.0, tried: float = 0.0) -> None:
        self.facts = address, answer, pause
        self.pause = pause
        patience = f" Retried for {tried:.0f} s." if tried >= 1 else ""
        super().__init__(f"Splunk at {address} is busy: {answer}.{patience} Try again later.")

    def after(self, tried: float) -> SplunkBusy:
        """Return the same error with the seconds spent on retries."""
        return SplunkBusy(*self.facts, tried)


class CertificateRefused(SplunkError):
    """The certificate is not trusted, or is for another host."""

    def __init__(self, address: str, cause: str) -> None:
        super().__init__(
            f"The certificate of Splunk at {address} is not trusted: {cause}. Set DLTK_SPLUNK_CAFILE to the "
            "certificate (PEM) of the authority that signed it, and use a host name that the certificate contains."
        )


class TokenRefused(SplunkError):
    """HTTP 401, or the collector's codes for a bad token.

    `variable` is the setting that holds the token.
    """

    http_status = 401

    def __init__(self, address: str, answer: str, variable: str) -> None:
        super().__init__(
            f"Splunk at {address} refuses the token: {answer}. It is missing, wrong, disabled or expired: create a "
            f"new one in Splunk, and set {variable} to it."
        )


class RightMissing(SplunkError):
    """HTTP 403."""

    http_status = 403

    def __init__(self, address: str, answer: str) -> None:
        super().__init__(
            f"The token's owner lacks a permission in Splunk at {address}: {answer}. Give one of the owner's roles "
            "the capability, or write access in the app's metadata."
        )


class NotThere(SplunkError):
    """HTTP 404; `what` names the missing object as a noun phrase."""

    http_status = 404

    def __init__(self, address: str, what: str, answer: str) -> None:
        super().__init__(f"Splunk at {address} has no {what} ({answer}). Check its name, and its app and sharing.")


class SplunkRefused(SplunkError):
    """An HTTP status above 299 that has no error of its own."""

    def __init__(self, address: str, status: int, answer: str) -> None:
        super().__init__(f"Splunk at {address} answered HTTP {status}: {answer}.")
        self.status = status
        self.answer = answer


class AnswerUnreadable(SplunkError):
    """The answer is not one of Splunk's REST API: another service, a proxy or a login page."""

    def __init__(self, address: str, begins: str) -> None:
        super().__init__(
            f"The service at {address} is not Splunk's REST API; its answer begins {shown(begins, 100)}. "
            "Check host and port: the API is splunkd's management port (8089 by default), not Splunk Web's 8000."
        )


class SearchFailed(SplunkError):
    """The search failed in Splunk; `texts` are Splunk's messages."""

    http_status = 400

    def __init__(self, search: str, texts: list[str]) -> None:
        super().__init__(f"The search {shown(search, 200)} failed in Splunk: {' · '.join(texts)}")
        self.texts = texts


class SearchInterrupted(SplunkError):
    """The search ended before its last row; `reason` completes "The search …"."""

    def __init__(self, search: str, reason: str) -> None:
        super().__init__(f"The search {shown(search, 200)} {reason}; its rows were discarded.")


class ResultsCut(SplunkError):
    """The job keeps fewer rows than the search found."""

    def __init__(self, have: int, found: int) -> None:
        super().__init__(
            f"Splunk returned {have:,} of the {found:,} rows that the search found: limits.conf limits the rows that "
            "a job keeps. Use search(), which exports all rows, or smaller time ranges."
        )


class RecordInvalid(SplunkError):
    """A record that the KV store refuses, or a stored one that is not of the declared type."""

    http_status = 400


class EventRefused(SplunkError):
    """The HTTP Event Collector refuses an event.

    `code` is the collector's, `sent` counts the events before it.
    """

    http_status = 400

    def __init__(self, address: str, code: int, answer: str, advice: str, sent: int = 0) -> None:
        before = f" {counted(sent, 'event')} before it {'was' if sent == 1 else 'were'} accepted." if sent else ""
        super().__init__(f"The HTTP Event Collector at {address} answered code {code}: {answer}.{before} {advice}")
        self.facts = address, code, answer, advice
        self.code = code
        self.sent = sent

    def after(self, sent: int) -> EventRefused:
        """Return the same error with `sent` events accepted before it."""
        return EventRefused(*self.facts, sent)
