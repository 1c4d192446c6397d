"""The transport of messages: datagrams over one pair of Unix sockets, large bytes in memory files.

A datagram is ``flags, length of the message, message, blob``. A message or blob of more than `MAX_INLINE_BYTES`
is sent as a memory file whose descriptor is passed with the datagram: its bytes are written once, and read in
place by the peer. A message may have files of its own, too.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from dltk_runtime.files.atomic import without_surrogates
from dltk_runtime.files.memory import MemoryFile, mapped
from dltk_runtime.worker.messages import FromWorker, ToWorker

MAX_INLINE_BYTES = 32 * 1024  # well under the smallest default socket buffer (208 KiB)
_HEADER = struct.Struct("<BI")
_MESSAGE_IN_FILE = 1
_BLOB_IN_FILE = 2
_OWN_FILES = 4
_MAX_FILES = 4
_MAX_DATAGRAM_BYTES = _HEADER.size + 2 * MAX_INLINE_BYTES

Blob = bytes | memoryview

_encoder = msgspec.msgpack.Encoder()
TO_WORKER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
FROM_WORKER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
Wanted = TypeVar("Wanted")


class ChannelClosed(Exception):
    """The peer closed the connection or sent an invalid message."""


class Received(NamedTuple, Generic[Wanted]):
    """A message, its blob, and the descriptors of its own files, which the receiver has to close."""

    message: Wanted
    blob: Blob = b""
    files: tuple[int, ...] = ()


def send(
    sock: socket.socket, message: ToWorker | FromWorker, blob: Blob | MemoryFile = b"", files: Sequence[int] = ()
) -> None:
    """Send one message. The peer waits for it, so that a datagram always fits into the socket's buffer.

    Raises:
        ChannelClosed: the connection is closed.
    """
    text = _encoded(message)
    length, flags, held = len(text), _OWN_FILES if files else 0, list[MemoryFile]()
    if length > MAX_INLINE_BYTES:
        held.append(_in_file(text))
        text, flags = b"", flags | _MESSAGE_IN_FILE
    if isinstance(blob, MemoryFile) or len(blob) > MAX_INLINE_BYTES:
        held.append(blob if isinstance(blob, MemoryFile) else _in_file(blob))
        blob, flags = b"", flags | _BLOB_IN_FILE
    _send(sock, _HEADER.pack(flags, length) + text + blob, [*(each.descriptor for each in held), *files])


def _in_file(data: Blob) -> MemoryFile:
    file = MemoryFile()
    file.write(data)
    return file


def _send(sock: socket.socket, datagram: bytes, files: list[int]) -> None:
    try:
        socket.send_fds(sock, [datagram], files)
    except OSError as error:  # closed by the peer, by the end of this process, or by the notebook
        raise ChannelClosed from error


def _encoded(message: ToWorker | FromWorker) -> bytes:
    """Encode the message; a lone surrogate, which the text of an error can hold, becomes a question mark."""
    try:
        return _encoder.encode(message)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(message, builtin_types=(bytes,))
        return _encoder.encode(without_surrogates(plain))


def receive(sock: socket.socket, kind: msgspec.msgpack.Decoder[Wanted]) -> Received[Wanted]:
    """Receive the next message, which must be one of `kind`.

    Raises:
        ChannelClosed: the peer closed the connection or sent an invalid message.
        BlockingIOError: `sock` does not block and nothing has arrived.
    """
    try:
        datagram, files, _, _ = socket.recv_fds(sock, _MAX_DATAGRAM_BYTES, _MAX_FILES, socket.MSG_CMSG_CLOEXEC)
    except BlockingIOError:
        raise
    except OSError as error:
        raise ChannelClosed from error
    if not datagram:
        raise ChannelClosed
    try:
        flags, text, blob = _parts(datagram, files)
        message = kind.decode(text)
        own = tuple(files) if flags & _OWN_FILES else ()
        del files[: len(own)]
        return Received(message, blob, own)
    except (struct.error, IndexError, msgspec.DecodeError) as error:
        raise ChannelClosed from error
    finally:
        for descriptor in files:  # those that the message does not own
            os.close(descriptor)


def _contents(files: list[int]) -> memoryview:
    descriptor = files.pop(0)
    try:
        return mapped(descriptor)
    finally:
        os.close(descriptor)


def _parts(datagram: bytes, files: list[int]) -> tuple[int, Blob, Blob]:
    """Split a datagram into flags, message and blob; their memory files are removed from `files`."""
    flags, length = _HEADER.unpack_from(datagram)
    inline = datagram[_HEADER.size :]
    if flags & _MESSAGE_IN_FILE:
        text: Blob = _contents(files)
        blob: Blob = inline
    else:
        text, blob = inline[:length], inline[length:]
    if flags & _BLOB_IN_FILE:
        blob = _contents(files)
    return flags, text, blob
