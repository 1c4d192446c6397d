"""Messages of any size arrive whole; an invalid one closes the channel."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from dltk_runtime.payload import Payload
from dltk_runtime.worker import channel
from dltk_runtime.worker.channel import FROM_WORKER, MAX_INLINE_BYTES, TO_WORKER, ChannelClosed, FilesLost
from dltk_runtime.worker.memory_file import MemoryFile
from dltk_runtime.worker.messages import Apply, Entered
from tests.support.descriptors import descriptors, no_descriptor_left

Pair = tuple[socket.socket, socket.socket]
SIZES = st.one_of(
    st.integers(0, 9), st.integers(MAX_INLINE_BYTES - 99, MAX_INLINE_BYTES + 99), st.integers(0, 10 * MAX_INLINE_BYTES)
)


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


@examples(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(text=SIZES, blob=SIZES, escaped=st.booleans())
def test_messages_of_any_size_arrive_whole(pair: Pair, text: int, blob: int, escaped: bool) -> None:
    ours, theirs = pair
    message, data = Apply(meta=b"m" * text), os.urandom(blob)
    before = descriptors()
    channel.send(ours, message, Payload(data, escaped))
    received, got, *_ = channel.receive(theirs, TO_WORKER)
    assert received == message
    assert (bytes(got.view()), got.escaped) == (data, escaped)
    del received, got
    assert descriptors() <= before


def test_receiving_from_an_empty_channel_does_not_block(pair: Pair) -> None:
    with pytest.raises(BlockingIOError):
        channel.receive(pair[0], FROM_WORKER)


@pytest.mark.parametrize("closed", [0, 1])
def test_a_closed_channel_is_reported(pair: Pair, closed: int) -> None:
    pair[closed].close()
    with pytest.raises(ChannelClosed):
        channel.send(pair[0], Entered("fit"))
    with pytest.raises(ChannelClosed):
        channel.receive(pair[0], FROM_WORKER)


ENTERED = b"\x82\xa4type\xa7Entered"
NO_TEXT, NESTED = ENTERED + b"\xa5phase\xa1\xff", ENTERED + b"\xa1x" + b"\x91" * 5000


@pytest.mark.parametrize(
    "datagram",
    [
        *(b"x", struct.pack("<BI", 0, 3) + b"\xc1\xc1\xc1", struct.pack("<BI", 3, 9), struct.pack("<BI", 0, 0)),
        *(struct.pack("<BI", 0, len(text)) + text for text in (NO_TEXT, NESTED)),
    ],
    ids=["short", "no message", "files that did not come", "empty", "no text", "nested too deeply"],
)
@pytest.mark.parametrize("files", [0, 2])
def test_an_invalid_message_closes_the_channel_and_its_files(pair: Pair, datagram: bytes, files: int) -> None:
    held = [MemoryFile() for _ in range(files)]
    before = descriptors()
    socket.send_fds(pair[1], [datagram], [each.descriptor for each in held])
    with pytest.raises(ChannelClosed):
        channel.receive(pair[0], FROM_WORKER)
    assert descriptors() <= before


@pytest.mark.parametrize("files", [1, 2])
def test_a_message_whose_files_are_lost_is_told_apart_and_leaves_none_open(pair: Pair, files: int) -> None:
    rows = Payload(bytes(MAX_INLINE_BYTES + 1), escaped=False)
    held = [MemoryFile() for _ in range(files - 1)]
    before = descriptors()
    for _ in range(2):
        channel.send(pair[1], Apply(b"{}"), rows, [each.descriptor for each in held])
    with no_descriptor_left():
        with pytest.raises(FilesLost, match="no file descriptor"):
            channel.receive(pair[0], TO_WORKER)
        (unread,) = channel.take_back(pair[0])
    assert unread.lost
    with pytest.raises(FilesLost):
        channel.put_back(pair[1], unread)
    assert descriptors() <= before
