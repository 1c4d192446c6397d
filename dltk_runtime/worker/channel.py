"""How messages travel: datagrams over one pair of Unix sockets, large bytes in memory files.

A datagram is ``flags, length of the message, message, blob``. What is larger than `INLINE` goes
into a memory file whose descriptor travels with the datagram: the bytes are written once, and
read in place by the other side.
"""

from __future__ import annotations

import mmap
import os
import socket
import struct
from typing import TypeVar

import msgspec

from dltk_runtime.worker.messages import FromWorker, ToWorker

INLINE = 32 * 1024  # bytes; well under the smallest default socket buffer (208 KiB)
_HEADER = struct.Struct("<BI")
_MESSAGE_IN_FILE = 1
_BLOB_IN_FILE = 2
_DATAGRAM = _HEADER.size + 2 * INLINE

Blob = bytes | memoryview

_encoder = msgspec.msgpack.Encoder()
TO_WORKER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
FROM_WORKER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
Wanted = TypeVar("Wanted")


class ChannelClosed(Exception):
    """The other side is gone, or talks nonsense."""


def memory_file(data: Blob | bytearray) -> int:
    """The descriptor of a new memory file that holds `data`."""
    descriptor = os.memfd_create("dltk", os.MFD_CLOEXEC)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    return descriptor


def contents(descriptor: int) -> memoryview:
    """The bytes of a memory file, mapped, not copied. Closes the descriptor."""
    try:
        size = os.fstat(descriptor).st_size
        return memoryview(mmap.mmap(descriptor, size, prot=mmap.PROT_READ)) if size else memoryview(b"")
    finally:
        os.close(descriptor)


def send(sock: socket.socket, message: ToWorker | FromWorker, blob: Blob = b"") -> None:
    """Send one message; the other side is at rest, so that a datagram always fits.

    Raises:
        ChannelClosed: the other side is gone.
    """
    text = _encoder.encode(message)
    length, flags, files = len(text), 0, []
    try:
        if length > INLINE:
            files.append(memory_file(text))
            text, flags = b"", _MESSAGE_IN_FILE
        if len(blob) > INLINE:
            files.append(memory_file(blob))
            blob, flags = b"", flags | _BLOB_IN_FILE
        _send(sock, _HEADER.pack(flags, length) + text + blob, files)
    finally:
        for descriptor in files:
            os.close(descriptor)


def _send(sock: socket.socket, datagram: bytes, files: list[int]) -> None:
    try:
        socket.send_fds(sock, [datagram], files)
    except OSError as error:  # closed by the other side, or on ours: by its end, or by the notebook
        raise ChannelClosed from error


def receive(sock: socket.socket, kind: msgspec.msgpack.Decoder[Wanted]) -> tuple[Wanted, Blob]:
    """The next message, which must be one of `kind`, and its blob.

    Raises:
        ChannelClosed: the other side is gone, or sent what no message is.
        BlockingIOError: `sock` does not block and nothing has arrived.
    """
    try:
        datagram, files, _, _ = socket.recv_fds(sock, _DATAGRAM, 2, socket.MSG_CMSG_CLOEXEC)
    except BlockingIOError:
        raise
    except OSError as error:
        raise ChannelClosed from error
    if not datagram:
        raise ChannelClosed
    try:
        text, blob = _parts(datagram, files)
        return kind.decode(text), blob
    except (struct.error, IndexError, msgspec.DecodeError) as error:
        raise ChannelClosed from error
    finally:
        for descriptor in files:  # those that nothing was made of
            os.close(descriptor)


def _parts(datagram: bytes, files: list[int]) -> tuple[Blob, Blob]:
    """The message and the blob of a datagram and its memory files."""
    flags, length = _HEADER.unpack_from(datagram)
    inline = datagram[_HEADER.size :]
    if flags & _MESSAGE_IN_FILE:
        text: Blob = contents(files.pop(0))
        blob: Blob = inline
    else:
        text, blob = inline[:length], inline[length:]
    if flags & _BLOB_IN_FILE:
        blob = contents(files.pop(0))
    return text, blob
