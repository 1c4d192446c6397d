"""Reading ahead in a worker: what it says of rows that it could not, or not yet, parse in pieces."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dltk_runtime.apply.read_ahead import Headers
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.worker.messages import ReadAhead
from dltk_runtime.worker.read_ahead import AheadReader, Incoming

ROWS = 600_000  # three of the smallest pieces
PLAIN = b"a,b\n" + b"1,2.5\n" * ROWS
TEXT = b"a,b\n" + b"x,2.5\n" * ROWS


@pytest.fixture
def reader() -> Iterator[AheadReader]:
    yield (reader := AheadReader())
    reader.take_frame()


def begun(reader: AheadReader, text: bytes) -> Incoming:
    file, growth = os.memfd_create("rows"), os.eventfd(0)
    os.write(file, text)
    incoming = Incoming(ReadAhead(number=1, expected=len(text)), file, growth)
    reader.begin(incoming)
    return incoming


def test_rows_that_were_parsed_in_pieces_are_a_frame(reader: AheadReader) -> None:
    assert begun(reader, PLAIN)._parse()
    frame, in_vain = reader.take_frame()
    assert frame is not None
    assert (len(frame), in_vain) == (ROWS, False)


def test_a_request_that_is_quicker_than_the_first_piece_was_not_read_ahead_in_vain(reader: AheadReader) -> None:
    begun(reader, PLAIN)
    assert reader.take_frame() == (None, False)


def test_rows_that_can_only_be_parsed_whole_were_read_ahead_in_vain(reader: AheadReader) -> None:
    assert not begun(reader, TEXT)._parse()
    assert reader.take_frame() == (None, True)
    assert begun(reader, PLAIN + b"x,1\n")._parse()  # which the last piece alone shows
    assert reader.take_frame() == (None, True)


def test_a_header_is_read_ahead_until_its_rows_cannot_be() -> None:
    headers, version = Headers(), VersionId(ModelName("a", "m"), 1)
    for _ in range(2):
        headers.learn(b"a,b", version, in_vain=False)
        assert headers.version_for(b"a,b") == version
    headers.learn(b"a,b", version, in_vain=True)
    assert headers.version_for(b"a,b") is None
