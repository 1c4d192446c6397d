"""What an Arrow stream would take in memory, known before the memory is taken.

A few bytes of a stream can stand for very many: compressed buffers, coded texts, views that share
one text, columns of nothing but nulls.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from dltk_runtime.errors import DataInvalid

if TYPE_CHECKING:
    import pyarrow as pa

CELL_BYTES = 8  # of a float64, and of a reference to an object
NOT_COMPRESSED = -1  # in place of a buffer's length: its bytes follow as they are
# Fields of Arrow's tables, by place: `Message.fbs` of its format.
HEADER, BATCH, BUFFERS, COMPRESSION = 2, 1, 2, 3
_LENGTH = struct.Struct("<q")


def check_buffers(pa: Any, data: memoryview, most: int) -> None:
    """Refuse a stream whose compressed buffers would become more than `most` bytes.

    Raises:
        DataInvalid: they would, or a buffer is not where the stream says.
        ArrowException, OSError: it is no IPC stream.
    """
    messages, size = pa.ipc.MessageReader.open_stream(pa.py_buffer(data)), 0
    while size <= most:
        try:
            message = messages.read_next_message()
        except StopIteration:
            return
        if message.type in ("record batch", "dictionary"):
            size += _decompressed(memoryview(message.metadata), message.type, message.body)
    raise _too_large(size, most)


def check_columns(pa: Any, rows: pa.Table, most: int) -> None:
    """Refuse rows whose columns would take more than `most` bytes in a frame.

    Raises:
        DataInvalid: they would.
    """
    size = sum(_size(pa, column) for column in rows.columns)
    if size > most:
        raise _too_large(size, most)


def _too_large(size: int, most: int) -> DataInvalid:
    return DataInvalid(
        f"The rows of the Arrow stream would take {size:,} bytes once decompressed and decoded: the limit is "
        f"{most:,}. Send fewer rows or fields, or raise DLTK_MAX_BODY on the container."
    )


# ---------------------------------------------------------------- compressed buffers


def _decompressed(head: memoryview, kind: str, body: Any) -> int:
    """Return how many bytes the buffers of one message become; 0 for one that is not compressed."""
    try:
        batch = _followed(head, _field(head, _followed(head, 0), HEADER))
        if kind == "dictionary":
            batch = _followed(head, _field(head, batch, BATCH))
        if not _field(head, batch, COMPRESSION) or not (place := _field(head, batch, BUFFERS)) or body is None:
            return 0
        place = _followed(head, place)
        (count,) = struct.unpack_from("<I", head, place)
        places = np.frombuffer(head, "<i8", 2 * count, place + 4).reshape(-1, 2)
    except (struct.error, ValueError) as error:
        raise DataInvalid("The body is no Arrow IPC stream that can be read: its header is damaged.") from error
    return _sum_of_lengths(np.frombuffer(body, "u1"), places[places[:, 1] > 0])


def _sum_of_lengths(body: np.ndarray[Any, Any], places: np.ndarray[Any, Any]) -> int:
    """Add up the lengths that stand before the buffers at `places`, each a row of offset and length."""
    begins, lengths = places[:, 0], places[:, 1]
    last = len(body) - _LENGTH.size
    if (begins < 0).any() or (begins > last).any() or (lengths < _LENGTH.size).any():
        raise DataInvalid("The body is no Arrow IPC stream that can be read: a buffer is outside of it.")
    told = body[begins[:, None] + np.arange(_LENGTH.size)].view("<i8").reshape(-1)
    if (told < NOT_COMPRESSED).any():
        raise DataInvalid("The body is no Arrow IPC stream that can be read: a buffer has a negative length.")
    sizes = np.where(told == NOT_COMPRESSED, lengths, told)
    return int(sizes.astype(np.float64).sum())  # a float, as the sum may be beyond 64 bits


def _followed(head: memoryview, place: int) -> int:
    """Return the place that the offset at `place` leads to."""
    return int(place + struct.unpack_from("<I", head, place)[0])


def _field(head: memoryview, table: int, number: int) -> int:
    """Return the place of a field of a table; 0 where the table does not have it."""
    (back,) = struct.unpack_from("<i", head, table)
    entries = table - back
    (size,) = struct.unpack_from("<H", head, entries)
    entry = 4 + 2 * number
    if entry >= size:
        return 0
    (offset,) = struct.unpack_from("<H", head, entries + entry)
    return table + offset if offset else 0


# ---------------------------------------------------------------- columns


def _size(pa: Any, column: pa.ChunkedArray) -> int:
    """Return the bytes that a column takes in a frame; those of text without Python's own."""
    kind, types = column.type, pa.types
    if types.is_null(kind) or (types.is_boolean(kind) and column.null_count):
        return CELL_BYTES * len(column)
    if types.is_boolean(kind):
        return len(column)
    if types.is_dictionary(kind):
        return sum(_coded_size(pa, chunk) for chunk in column.chunks)
    if types.is_string_view(kind):
        return sum(int(_view_lengths(chunk).sum()) for chunk in column.chunks) + CELL_BYTES * len(column)
    return int(column.nbytes)


def _coded_size(pa: Any, values: pa.DictionaryArray) -> int:
    words, types = values.dictionary, pa.types
    rows = CELL_BYTES * len(values)
    if not (types.is_string(words.type) or types.is_large_string(words.type)):
        return rows
    lengths = pa.compute.binary_length(words).fill_null(0).to_numpy(zero_copy_only=False)
    used = np.bincount(values.indices.drop_null().to_numpy(zero_copy_only=False), minlength=len(lengths))
    return rows + int((lengths.astype(np.float64) * used).sum())


def _view_lengths(views: Any) -> np.ndarray[Any, Any]:
    """Return the length of each text in bytes; 0 for a missing one."""
    words = np.frombuffer(views.buffers()[1], "<i4")  # of 16 bytes each, whose first 4 are the length
    lengths = words[4 * views.offset : 4 * (views.offset + len(views)) : 4].astype(np.int64)
    lengths[views.is_null().to_numpy(zero_copy_only=False)] = 0
    return lengths
