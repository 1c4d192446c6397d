"""The transport of messages: datagrams over one pair of Unix sockets, large bytes in memory files.

A datagram is ``flags, length of the message, message, rows``. A message or rows of more than
`MAX_INLINE_BYTES` are sent as a memory file whose descriptor is passed with the datagram: its
bytes are written once, and read in place by the peer. A message may have files of its own, too.

Requests have a pair of sockets of their own, whose reading end both processes hold. Who receives a
datagram has it, and nobody else: so the front process can take one back that the worker has not
begun (`take_back`), and never wonders whether it runs.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from dltk_runtime.files.atomic import without_surrogates
from dltk_runtime.payload import NO_ROWS, Payload
from dltk_runtime.worker.memory_file import MemoryFile, mapped
from dltk_runtime.worker.messages import FromWorker, ToWorker

MAX_INLINE_BYTES = 32 * 1024  # well under the smallest default socket buffer (208 KiB)
_HEADER = struct.Struct("<BI")
_MESSAGE_IN_FILE = 1
_ROWS_IN_FILE = 2
_OWN_FILES = 4
_ROWS_ESCAPED = 8
_FOLLOWS = 16
_MAX_FILES = 4
_MAX_DATAGRAM_BYTES = _HEADER.size + 2 * MAX_INLINE_BYTES

Bytes = bytes | memoryview

_encoder = msgspec.msgpack.Encoder()
TO_WORKER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
FROM_WORKER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
Wanted = TypeVar("Wanted")


class ChannelClosed(Exception):
    """The peer closed the connection or sent an invalid message."""


class FilesLost(ChannelClosed):
    """A message came without some of its files: the receiver has no descriptor left for them."""

    def __init__(self) -> None:
        super().__init__("no file descriptor was left for the memory files of a message")


class Received(NamedTuple, Generic[Wanted]):
    """A message, its rows, and the descriptors of its files, which the receiver has to close."""

    message: Wanted
    rows: Payload = NO_ROWS
    files: tuple[int, ...] = ()
    follows: bool = False  # it was sent before the request ahead of it was answered


class Unread(NamedTuple):
    """A datagram that was taken back."""

    datagram: bytes
    files: tuple[int, ...]  # which the holder has to close
    lost: bool = False  # whether no descriptor was left for some of its files

    @property
    def is_request(self) -> bool:
        """Whether an answer is due; none is to a message with files of its own."""
        return not self.datagram[0] & _OWN_FILES


def send(
    sock: socket.socket,
    message: msgspec.Struct,
    rows: Payload = NO_ROWS,
    files: Sequence[int] = (),
    *,
    follows: bool = False,
) -> None:
    """Send one message; `follows` says that the one before has not been answered.

    The peer waits for it, or has one other before it, so that a datagram always fits into the
    socket's buffer.

    Raises:
        ChannelClosed: the connection is closed.
    """
    text, data = _encoded(message), rows.data
    flags = (_OWN_FILES if files else 0) | (_ROWS_ESCAPED if rows.escaped else 0) | (_FOLLOWS if follows else 0)
    length, held = len(text), list[MemoryFile]()
    if length > MAX_INLINE_BYTES:
        held.append(_in_file(text))
        text, flags = b"", flags | _MESSAGE_IN_FILE
    if isinstance(data, MemoryFile) or len(data) > MAX_INLINE_BYTES:
        held.append(data if isinstance(data, MemoryFile) else _in_file(rows.view()))
        inline, flags = memoryview(b""), flags | _ROWS_IN_FILE
    else:
        inline = rows.view()
    _send(sock, b"".join((_HEADER.pack(flags, length), text, inline)), [*(each.descriptor for each in held), *files])


def _in_file(data: Bytes) -> MemoryFile:
    file = MemoryFile()
    file.write(data)
    return file


def _send(sock: socket.socket, datagram: bytes, files: list[int]) -> None:
    try:
        socket.send_fds(sock, [datagram], files)
    except OSError as error:  # closed by the peer, by the end of this process, or by the notebook
        raise ChannelClosed from error


def _encoded(message: msgspec.Struct) -> bytes:
    """Encode the message; a lone surrogate in an error's text becomes a question mark."""
    try:
        return _encoder.encode(message)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(message, builtin_types=(bytes,))
        return _encoder.encode(without_surrogates(plain))


def receive(sock: socket.socket, kind: msgspec.msgpack.Decoder[Wanted]) -> Received[Wanted]:
    """Receive the next message, which must be one of `kind`.

    Raises:
        ChannelClosed: the peer closed the connection or sent an invalid message, or its files are lost.
        BlockingIOError: `sock` does not block and nothing has arrived.
    """
    try:
        datagram, files, lost = _received(sock)
    except BlockingIOError:
        raise
    except OSError as error:
        raise ChannelClosed from error
    if not datagram:
        raise ChannelClosed
    try:
        if lost:
            raise FilesLost
        flags, text, rows = _parts(datagram, files)
        message = kind.decode(text)
        own = tuple(files) if flags & _OWN_FILES else ()
        del files[: len(own)]
        return Received(message, Payload(rows, escaped=bool(flags & _ROWS_ESCAPED)), own, bool(flags & _FOLLOWS))
    except (struct.error, IndexError, ValueError, RecursionError) as error:  # what notebook code can send
        raise ChannelClosed from error
    finally:
        for descriptor in files:  # those that the message does not own
            os.close(descriptor)


def take_back(reading_end: socket.socket) -> list[Unread]:
    """Take all datagrams that the peer has not received, in their order."""
    unread = list[Unread]()
    with contextlib.suppress(OSError):  # there are no more
        while True:
            datagram, files, lost = _received(reading_end, socket.MSG_DONTWAIT)
            if not datagram:
                break
            unread.append(Unread(datagram, tuple(files), lost))
    return unread


def put_back(sock: socket.socket, unread: Unread) -> None:
    """Send a datagram again that was taken back.

    Raises:
        ChannelClosed: the connection is closed, or the files of the datagram are lost.
    """
    if unread.lost:
        raise FilesLost
    _send(sock, unread.datagram, list(unread.files))


def _received(sock: socket.socket, flags: int = 0) -> tuple[bytes, list[int], bool]:
    """Receive a datagram with its descriptors, and whether some are lost.

    `socket.recv_fds` of Python 3.11 ignores all flags.
    """
    files = array.array("i")
    space = socket.CMSG_LEN(_MAX_FILES * files.itemsize)
    datagram, ancillary, came, _ = sock.recvmsg(_MAX_DATAGRAM_BYTES, space, flags | socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            files.frombytes(data[: len(data) - len(data) % files.itemsize])
    return datagram, list(files), bool(came & socket.MSG_CTRUNC)


def _contents(files: list[int]) -> memoryview:
    descriptor = files.pop(0)
    try:
        return mapped(descriptor)
    finally:
        os.close(descriptor)


def _parts(datagram: bytes, files: list[int]) -> tuple[int, Bytes, Bytes]:
    """Split a datagram into flags, message and rows; removes their memory files from `files`."""
    flags, length = _HEADER.unpack_from(datagram)
    inline = datagram[_HEADER.size :]
    if flags & _MESSAGE_IN_FILE:
        text: Bytes = _contents(files)
        rows: Bytes = inline
    else:
        text, rows = inline[:length], inline[length:]
    if flags & _ROWS_IN_FILE:
        rows = _contents(files)
    return flags, text, rows
