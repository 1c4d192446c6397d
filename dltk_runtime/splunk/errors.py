"""What can go wrong between us and a Splunk; the root is `dltk_runtime.errors.DltkError`.

::

    SplunkError
    ├── AddressMissing         nobody said where it is
    ├── SplunkUnreachable      nobody answers, or the connection broke: worth another try
    ├── SplunkBusy             it answers that it cannot now: worth another try
    ├── CertificateRefused     TLS: not the certificate that was expected
    ├── TokenRefused           no token, a wrong one, an expired one
    ├── RightMissing           the token's owner may not do this
    ├── NotThere               no such collection, saved search or job
    ├── SplunkRefused          any other answer that says no
    ├── SearchFailed           the search itself: bad SPL, a missing index, a failed peer
    ├── SearchInterrupted      cancelled, or over its time
    ├── ResultsCut             Splunk has fewer rows to give than the search found
    ├── RecordInvalid          a record that the KV store cannot take, or not of the given type
    └── EventRefused           an event, index or token that the HTTP Event Collector does not take
"""

from __future__ import annotations

from dltk_runtime.errors import DltkError, shown


class SplunkError(DltkError):
    """The root."""

    http_status = 502


class AddressMissing(SplunkError):
    """Nobody said where it is; `variables` would."""

    def __init__(self, what: str, variables: str) -> None:
        super().__init__(f"It is not said where {what} is: set {variables}.")


class SplunkUnreachable(SplunkError):
    """No answer; `tried` seconds were spent on further tries."""

    def __init__(self, address: str, cause: str, advice: str, tried: float = 0.0) -> None:
        self.facts = address, cause, advice
        patience = f" It was tried again for {tried:.0f} s." if tried >= 1 else ""
        super().__init__(f"No answer from Splunk at {address}: {cause}.{patience} {advice}")

    def after(self, tried: float) -> SplunkUnreachable:
        """The same after further tries."""
        return SplunkUnreachable(*self.facts, tried)


class SplunkBusy(SplunkError):
    """Splunk answers that it cannot do it now; `pause` is what it asked for, in seconds."""

    http_status = 503

    def __init__(self, address: str, answer: str, pause: float = 0.0, tried: float = 0.0) -> None:
        self.facts = address, answer, pause
        self.pause = pause
        patience = f" It was tried again for {tried:.0f} s." if tried >= 1 else ""
        super().__init__(f"Splunk at {address} is busy: {answer}.{patience} Try again later.")

    def after(self, tried: float) -> SplunkBusy:
        """The same after further tries."""
        return SplunkBusy(*self.facts, tried)


class CertificateRefused(SplunkError):
    """The certificate is not one that we trust, or not this host's."""

    def __init__(self, address: str, cause: str) -> None:
        super().__init__(
            f"The certificate of Splunk at {address} is refused: {cause}. Name the certificate (PEM) of the authority "
            "that signed it in DLTK_SPLUNK_CAFILE, and use the host name that stands in the certificate."
        )


class TokenRefused(SplunkError):
    """401 and its relatives."""

    http_status = 401

    def __init__(self, address: str, answer: str, variable: str) -> None:
        super().__init__(
            f"Splunk at {address} refuses the token: {answer}. It is missing, wrong, disabled or expired: make a new "
            f"one in Splunk, and put it into {variable}."
        )


class RightMissing(SplunkError):
    """403."""

    http_status = 403

    def __init__(self, address: str, answer: str) -> None:
        super().__init__(
            f"The token's owner may not do this in Splunk at {address}: {answer}. Give one of the owner's roles the "
            "capability, or the right in the app's metadata."
        )


class NotThere(SplunkError):
    """404: `what` is a whole noun phrase."""

    http_status = 404

    def __init__(self, address: str, what: str, answer: str) -> None:
        super().__init__(f"Splunk at {address} has no {what} ({answer}). Check its name, and its app and sharing.")


class SplunkRefused(SplunkError):
    """An answer that says no, and is none of the others."""

    def __init__(self, address: str, status: int, answer: str) -> None:
        super().__init__(f"Splunk at {address} answered HTTP {status}: {answer}.")
        self.status = status
        self.answer = answer


class AnswerUnreadable(SplunkError):
    """An answer that is not what Splunk's REST API gives: another service, a proxy, a sign-in page."""

    def __init__(self, address: str, begins: str) -> None:
        super().__init__(
            f"What answers at {address} is not Splunk's REST API; its answer begins {shown(begins, 100)}. "
            "Check host and port: the API is splunkd's management port, 8089 as a rule, not Splunk Web's 8000."
        )


class SearchFailed(SplunkError):
    """The search ran into an error; `texts` are Splunk's messages."""

    http_status = 400

    def __init__(self, search: str, texts: list[str]) -> None:
        super().__init__(f"The search {shown(search, 200)} failed in Splunk: {' · '.join(texts)}")
        self.texts = texts


class SearchInterrupted(SplunkError):
    """The search was ended before its last row."""

    def __init__(self, search: str, reason: str) -> None:
        super().__init__(f"The search {shown(search, 200)} {reason}; its rows were thrown away.")


class ResultsCut(SplunkError):
    """Splunk keeps fewer rows than the search found."""

    def __init__(self, have: int, found: int) -> None:
        super().__init__(
            f"Splunk gives {have:,} of the {found:,} rows that the search found: limits.conf cuts what a job keeps. "
            "Read it with search(), which exports all rows, or take smaller time ranges."
        )


class RecordInvalid(SplunkError):
    """A record for, or from, the KV store."""

    http_status = 400


class EventRefused(SplunkError):
    """The HTTP Event Collector does not take it; `code` is its own, `sent` counts the events that it took before."""

    http_status = 400

    def __init__(self, address: str, code: int, answer: str, advice: str, sent: int = 0) -> None:
        before = f" {sent:,} events before it were taken." if sent else ""
        super().__init__(f"The HTTP Event Collector at {address} answered code {code}: {answer}.{before} {advice}")
        self.facts = address, code, answer, advice
        self.code = code
        self.sent = sent

    def after(self, sent: int) -> EventRefused:
        """The same with `sent` events taken before it."""
        return EventRefused(*self.facts, sent)
