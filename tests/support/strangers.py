"""Clients without a token that hold and send what they can: ``python -m tests.support.strangers HOST PORT COUNT FROM``.

Each of COUNT connections comes from an address of its own, from 127.0.0.2 on, or all from the one given as FROM. A
quarter is idle, a quarter sends a head byte by byte, a quarter sends requests and reads no answer, and a quarter ends
in the middle of a body; each connects again when it was ended. It goes on until its input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import Awaitable, Callable

REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
PAUSE_SECONDS = 0.5
AGAIN_SECONDS = 2.0  # until an ended connection is made again

Kind = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def idle(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /livez HTTP/1.1\r\nX: ")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(PAUSE_SECONDS)


async def pipelining(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    while True:
        writer.write(REQUEST * 1000)
        await writer.drain()


async def torn(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"POST /fit HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * random.randrange(2000))
    await writer.drain()
    await asyncio.sleep(PAUSE_SECONDS)
    writer.transport.abort()


KINDS: tuple[Kind, ...] = (idle, slow, pipelining, torn)


async def stranger(number: int, host: str, port: int, source: str) -> None:
    """Connect again and again."""
    address = source or f"127.{number // 62500}.{number // 250 % 250}.{number % 250 + 2}"
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port, local_addr=(address, 0))
            try:
                await KINDS[number % len(KINDS)](reader, writer)
            finally:
                writer.transport.abort()
        await asyncio.sleep(AGAIN_SECONDS)


async def main(host: str, port: int, count: int, source: str) -> None:
    tasks = [asyncio.create_task(stranger(number, host, port, source)) for number in range(count)]
    await asyncio.sleep(PAUSE_SECONDS)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), (sys.argv[4:] or [""])[0]))
