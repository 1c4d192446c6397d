"""Compare a request's Authorization header with the container's tokens."""

from __future__ import annotations

import hmac

SCHEMES = ("", "Bearer ", "Splunk ")


def token_matches(header: str, token: str) -> bool:
    """Return whether an Authorization header carries `token`, alone or behind ``Bearer`` or ``Splunk``.

    Every form is compared whole, in a time that does not depend on where they differ.
    """
    given = header.encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(given, (scheme + token).encode()) for scheme in SCHEMES]
    return bool(token) and any(matches)
