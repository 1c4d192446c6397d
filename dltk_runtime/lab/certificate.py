"""Extension of Jupyter's server: serve a renewed TLS certificate without a restart.

Without it, tornado reads both files for each connection, so that connections fail while only one
of the files is renewed. The API reloads its certificate in the same way.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tornado.ioloop import PeriodicCallback
from tornado.netutil import ssl_options_to_context

from dltk_runtime import renewal

MODULE = __name__


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": MODULE}]


def _load_jupyter_server_extension(_: Any) -> None:
    """Do nothing: Jupyter calls this before the HTTP server exists."""


async def _start_jupyter_server_extension(server: Any) -> None:
    """Install the TLS context and check for renewals; Jupyter calls this when it listens."""
    context = ssl_options_to_context(server.ssl_options, server_side=True)
    server.http_server.ssl_options = context
    watch = renewal.Renewal(context, Path(server.certfile), Path(server.keyfile))
    PeriodicCallback(lambda: asyncio.to_thread(watch.look), renewal.CHECK_SECONDS * 1000).start()
