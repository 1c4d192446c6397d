"""Compare a request's Authorization header with the container's tokens."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from dltk_runtime.setting_types import HASH_MARK

SCHEMES = ("", "Bearer ", "Splunk ")


def token_matches(header: str, token: str) -> bool:
    """Return whether an Authorization header has `token`, alone or after a scheme.

    The schemes are ``Bearer`` and ``Splunk``. Every form is compared whole, in a time that does not
    depend on where they differ.

    Args:
        header: The header's value.
        token: The token, or ``sha256:`` and its hash; the hash itself, sent as a token, does not match.
    """
    given = header.encode("utf-8", "surrogatepass")
    digest = token.removeprefix(HASH_MARK) if token.startswith(HASH_MARK) else ""
    matches = [
        _hash_matches(given, scheme.encode(), digest)
        if digest
        else hmac.compare_digest(given, (scheme + token).encode())
        for scheme in SCHEMES
    ]
    return bool(token) and any(matches)


def _hash_matches(given: bytes, scheme: bytes, digest: str) -> bool:
    """Return whether `given` is the scheme and a token with this SHA-256, in hex."""
    token = given[len(scheme) :]
    return hmac.compare_digest(hashlib.sha256(token).hexdigest(), digest) and given.startswith(scheme)


def matches_any(header: str, tokens: Iterable[str]) -> bool:
    """Return whether an Authorization header has one of `tokens`, as `token_matches` does."""
    matches = [token_matches(header, token) for token in tokens]
    return any(matches)


def only_header(values: Iterable[str]) -> str:
    """Return the only Authorization header of a request; nothing if there are several."""
    found = list(values)
    return found[0] if len(found) == 1 else ""
