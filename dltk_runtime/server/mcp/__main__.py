"""The helper process, the only one that imports the protocol's SDK: ``python -m dltk_runtime.server.mcp``.

Each request is answered for itself: no session, no stream. So a restart of this process or another
replica behind the same address makes no difference to a client.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sys

import msgspec

from dltk_runtime import handover, landlock
from dltk_runtime.server.mcp import wire
from dltk_runtime.server.mcp.helper import Front
from dltk_runtime.server.mcp.wire import Opening
from dltk_runtime.units import GIB

MAX_MEMORY_BYTES = 4 * GIB  # of addresses: a request that makes the SDK take more fails alone
MAX_BODY_BYTES = 2**31  # that the SDK takes: the front has a bound of its own


async def run(descriptor: int) -> None:
    """Serve on a socket until its other end closes."""
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    opening = await wire.read(reader, msgspec.msgpack.Decoder(Opening))
    landlock.hide(opening.hidden)  # before other threads start
    from mcp.server.transport_security import TransportSecuritySettings

    from dltk_runtime.server.mcp import offered

    front = Front(reader, writer)
    server = offered.server(front, opening.version)
    security = TransportSecuritySettings(allowed_hosts=hosts(opening.hosts), allowed_origins=origins(opening.hosts))
    application = server.streamable_http_app(
        json_response=True, stateless_http=True, max_request_body_size=MAX_BODY_BYTES, transport_security=security
    )
    async with server.session_manager.run():
        await front.serve(application)


def hosts(names: list[str]) -> list[str]:
    """Return what the Host header may be, for the SDK: each name alone and with any port."""
    plain = [f"[{name}]" if ":" in name else name for name in names]
    return [form for name in plain for form in (name, f"{name}:*")]


def origins(names: list[str]) -> list[str]:
    """Return what the Origin header of a page in a browser may be."""
    return [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts(names)]


def main() -> None:
    """Serve on the descriptor that the command line names."""
    handover.hide()
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    try:
        asyncio.run(run(int(sys.argv[1])))
    except (asyncio.IncompleteReadError, OSError):
        os._exit(0)  # the front has gone


if __name__ == "__main__":
    main()
