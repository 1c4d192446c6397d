"""Arrow IPC streams: to a frame without copying columns of numbers, and back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dltk_runtime.errors import DataInvalid, FormUnavailable, shown
from dltk_runtime.tables import plain, table
from dltk_runtime.tables.arrow_bound import check_buffers, check_columns
from dltk_runtime.tables.plain import Scrub
from dltk_runtime.texts import printable

if TYPE_CHECKING:
    import pyarrow as pa

MAX_SHOWN_CHARACTERS = 200  # of pyarrow's own words in an error
MAX_TYPE_CHARACTERS = 100  # of a type: one with fields repeats the names that a client gave them


def read(data: memoryview, most: int = sys.maxsize) -> pd.DataFrame:
    """Read the frame in an IPC stream, whose rows take `most` bytes at most, decompressed and decoded.

    Numbers keep their type; those with gaps become float64 (float32 stays), as in a frame that was
    read from CSV. Text of any kind is text, a decimal is float64, moments stay moments.

    Raises:
        DataInvalid: it is no IPC stream, it is too large, or a column has a type that no frame from
            CSV could have.
        FormUnavailable: pyarrow is not installed.
    """
    pa = _pyarrow()
    try:
        check_buffers(pa, data, most)
        with pa.ipc.open_stream(pa.py_buffer(data)) as stream:
            rows = stream.read_all()
        rows.validate(full=True)  # offsets and text of strangers, before anything follows them
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        text = str(error)[:MAX_SHOWN_CHARACTERS]
        raise DataInvalid(f"The body is no Arrow IPC stream that can be read: {text}.") from error
    check_columns(pa, rows, most)
    names = rows.schema.names
    plain.checked_names(names)
    return plain.frame_of([(name, _converted(pa, name, rows.column(place))) for place, name in enumerate(names)])


def write(frame: pd.DataFrame, scrub: Scrub | None = None) -> memoryview:
    """Write a frame as an IPC stream; missing values are null, moments keep their type."""
    pa = _pyarrow()
    arrays = []
    columns = plain.columns_of(frame, scrub)
    for place, (_, values) in enumerate(columns):
        column = frame.iloc[:, place]
        if isinstance(values, np.ndarray):
            arrays.append(pa.array(values, from_pandas=True))
        elif pd.api.types.is_datetime64_any_dtype(column):
            arrays.append(pa.array(column, from_pandas=True))
        else:
            arrays.append(pa.array(values, pa.string()))
    rows = pa.Table.from_arrays(arrays, names=[name for name, _ in columns])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return memoryview(sink.getvalue())


def _pyarrow() -> Any:
    try:
        import pyarrow.compute
    except ImportError as error:
        raise FormUnavailable("Arrow", "pyarrow", "arrow") from error
    return pyarrow


def _converted(pa: Any, name: str, values: pa.ChunkedArray) -> Any:
    """Return the values of a column.

    Raises:
        DataInvalid: naming the column and its type.
    """
    try:
        return _column(pa, name, values)
    except (pa.ArrowException, OSError, ValueError, OverflowError, KeyError) as error:  # a time zone is unknown, too
        raise _refused(name, values.type) from error


def _refused(name: str, kind: pa.DataType) -> DataInvalid:
    return DataInvalid(
        f"The column {shown(name)} has Arrow's type {printable(str(kind)[:MAX_TYPE_CHARACTERS])}: "
        "cast it to numbers, booleans, texts or moments."
    )


def _column(pa: Any, name: str, values: pa.ChunkedArray) -> Any:
    kind, types = values.type, pa.types
    if types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if types.is_decimal(kind):
        values = values.cast(pa.float64())
        kind = values.type
    if types.is_integer(kind) or types.is_floating(kind):
        return _array(values)
    if types.is_boolean(kind):
        return _booleans(values)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return plain.text_column(_array(values.cast(pa.large_string())))
    if types.is_timestamp(kind) or types.is_date(kind):
        return values.to_pandas(date_as_object=False)
    if types.is_null(kind):
        return np.full(len(values), np.nan)
    raise _refused(name, kind)


def _array(values: pa.ChunkedArray) -> Any:
    """Return the values as an array: the stream's own bytes where they lie in one piece without gaps."""
    whole = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    array = whole.to_numpy(zero_copy_only=False)
    # A notebook may write into it; the stream's own bytes are read-only.
    return array if table.COPIES_ON_WRITE else array.copy()


def _booleans(values: pa.ChunkedArray) -> Any:
    found = values.to_numpy(zero_copy_only=False)
    if values.null_count:
        found[values.is_null().to_numpy(zero_copy_only=False)] = np.nan
    return found
