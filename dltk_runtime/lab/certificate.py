"""The extension of Jupyter's server that serves a renewed certificate without a restart, as the API does.

By itself tornado reads both files anew for each connection, so half of a renewal would break every new one.
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
    """Called by Jupyter's server before it has the HTTP server, which this is about."""


async def _start_jupyter_server_extension(server: Any) -> None:
    """Called by Jupyter's server when it has begun to listen."""
    context = ssl_options_to_context(server.ssl_options, server_side=True)
    server.http_server.ssl_options = context
    watch = renewal.Renewal(context, Path(server.certfile), Path(server.keyfile))
    PeriodicCallback(lambda: asyncio.to_thread(watch.look), renewal.CHECK_SECONDS * 1000).start()
