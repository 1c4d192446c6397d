"""Exit with 0 if the server in this container is ready, for the image's HEALTHCHECK."""

from __future__ import annotations

import ssl
import sys
import urllib.request

from dltk_runtime.settings import Settings


def main() -> None:
    """Request ``/readyz``; exit with its error if it does not answer with success."""
    settings = Settings.from_env()
    # Not verified: the certificate may be self-signed, and this is the loopback interface.
    context = ssl._create_unverified_context() if settings.https else None
    url = f"{'https' if settings.https else 'http'}://127.0.0.1:{settings.port}/readyz"
    try:
        urllib.request.urlopen(url, timeout=4, context=context).close()
    except OSError as error:
        sys.exit(f"{url}: {error}")


if __name__ == "__main__":
    main()
