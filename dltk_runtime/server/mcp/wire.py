"""The messages between the front and the helper process: msgpack, each behind its length."""

from __future__ import annotations

import asyncio
import struct
from typing import TypeVar

import msgspec

from dltk_runtime.units import MIB

MAX_FRAME_BYTES = 128 * MIB  # of one message
_LENGTH = struct.Struct("<I")


class Opening(msgspec.Struct, frozen=True):
    """The first message to the helper: allowed hosts, the runtime's version, and files that it must not read."""

    hosts: list[str]
    version: str
    hidden: list[str]


class HelperRequest(msgspec.Struct, frozen=True, tag=True):
    """A request, without its token."""

    number: int
    headers: list[tuple[str, str]]
    body: bytes


class Gone(msgspec.Struct, frozen=True, tag=True):
    """Nobody waits for the answer to a request any more."""

    number: int


class Done(msgspec.Struct, frozen=True, tag=True):
    """What a tool returned, as JSON, or why it failed."""

    number: int
    result: bytes = b""
    error: str = ""


class HelperAnswer(msgspec.Struct, frozen=True, tag=True):
    """The answer to a request."""

    number: int
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Do(msgspec.Struct, frozen=True, tag=True):
    """Call a tool for the request `ask`; `arguments` are a JSON object."""

    number: int
    ask: int
    tool: str
    arguments: bytes


ToHelper = HelperRequest | Gone | Done
FromHelper = HelperAnswer | Do
TO_HELPER: msgspec.msgpack.Decoder[ToHelper] = msgspec.msgpack.Decoder(ToHelper)
FROM_HELPER: msgspec.msgpack.Decoder[FromHelper] = msgspec.msgpack.Decoder(FromHelper)
Message = TypeVar("Message")


async def read(stream: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[Message]) -> Message:
    """Read one message.

    Raises:
        asyncio.IncompleteReadError, OSError: the other end has gone.
    """
    (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    if length > MAX_FRAME_BYTES:
        raise OSError(f"a message of {length:,} bytes")
    return decoder.decode(await stream.readexactly(length))


def write(stream: asyncio.StreamWriter, message: msgspec.Struct) -> None:
    """Write one message of at most `MAX_FRAME_BYTES`."""
    data = msgspec.msgpack.encode(message)
    stream.write(_LENGTH.pack(len(data)) + data)
