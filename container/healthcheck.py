"""Exit with 0 if the server in this container is ready, for the image's HEALTHCHECK."""

from __future__ import annotations

import ssl
import sys

from dltk_runtime.http_client import HttpClient
from dltk_runtime.settings import Settings

SECONDS = 4.0  # less than the HEALTHCHECK's own limit


def main() -> None:
    """Request ``/readyz``; exit with its error if it does not answer with success."""
    settings = Settings.from_env()
    url = f"{'https' if settings.https else 'http'}://127.0.0.1:{settings.port}/readyz"
    # Not verified: the certificate may be self-signed, and this is the loopback interface. Not by a
    # proxy either, which the container may have a variable for.
    client = HttpClient(ssl._create_unverified_context, lambda _, error: error, SECONDS, SECONDS)
    try:
        status = client.request("GET", url, {}).status
    except OSError as error:
        sys.exit(f"{url}: {error}")
    if status != 200:
        sys.exit(f"{url}: HTTP {status}")


if __name__ == "__main__":
    main()
