"""Compare a request's Authorization header with the container's tokens."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

SCHEMES = ("", "Bearer ", "Splunk ")


def token_matches(header: str, token: str) -> bool:
    """Return whether an Authorization header has `token`, alone or after a scheme.

    The schemes are ``Bearer`` and ``Splunk``.

    Every form is compared whole, in a time that does not depend on where they differ.
    """
    given = header.encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(given, (scheme + token).encode()) for scheme in SCHEMES]
    return bool(token) and any(matches)


def matches_any(header: str, tokens: Iterable[str]) -> bool:
    """Return whether an Authorization header has one of `tokens`, as `token_matches` does."""
    matches = [token_matches(header, token) for token in tokens]
    return any(matches)


def are_accepted(headers: Iterable[tuple[bytes, bytes]], tokens: Iterable[str]) -> bool:
    """Return whether the headers of a request, in lower case, carry one of `tokens`."""
    header = only_header(value.decode("latin-1") for name, value in headers if name == b"authorization")
    return matches_any(header, tokens)


def only_header(values: Iterable[str]) -> str:
    """Return the only Authorization header of a request; nothing if there are several."""
    found = list(values)
    return found[0] if len(found) == 1 else ""
