"""CSV bytes ↔ DataFrame, exactly as ``pandas.read_csv`` and ``DataFrame.to_csv`` do it.

Imported in workers and kernels only: the front process parses no data.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from dltk_runtime.errors import DataInvalid
from dltk_runtime.tables import csv_reader, csv_writer

Blob = bytes | memoryview
COPIES_ON_WRITE = int(pd.__version__.partition(".")[0]) >= 3  # pandas does since its third release
MAX_SMALL_CELLS = 4096  # of frames that are cheap to convert to one array


def unescape(literal: Blob) -> bytes:
    """Decode a JSON string literal, quotes included, into UTF-8 bytes.

    Raises:
        DataInvalid: it is not UTF-8, not JSON, or holds a lone surrogate.
    """
    try:
        return msgspec.json.decode(literal, type=str).encode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        # msgspec refuses some texts that Python's json, which the reference system uses, accepts.
        return _unescape_leniently(bytes(literal))


def _unescape_leniently(literal: bytes) -> bytes:
    try:
        return str(json.loads(literal.decode())).encode()
    except UnicodeDecodeError as error:
        raise DataInvalid(
            f"The field 'data' is not UTF-8 from its byte {error.start} on. Send the request's JSON in UTF-8."
        ) from error
    except UnicodeEncodeError as error:
        raise DataInvalid(
            f"The field 'data' holds a lone surrogate at character {error.start}, which is not valid Unicode. "
            "Remove the broken characters from the events, for example with eval and replace()."
        ) from error
    except ValueError as error:
        raise DataInvalid(f"The field 'data' is not a JSON string: {error}.") from error


def read(csv: Blob) -> pd.DataFrame:
    """Parse `csv` as ``pandas.read_csv`` does with its defaults.

    Raises:
        DataInvalid: the text is not valid CSV, or a single newline: Splunk's search found nothing.
    """
    try:
        return csv_reader.read(csv)
    except pd.errors.EmptyDataError as error:
        raise DataInvalid(
            "The search sent no rows and no fields: its base search found nothing, or every row had a null "
            "in a used field and was dropped before sending."
        ) from error
    except (ValueError, OverflowError) as error:  # ParserError is a ValueError
        raise DataInvalid(f"The field 'data' is not valid CSV: {error}".strip()) from error


def kept(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame as it is now, whatever a notebook then writes into `frame`.

    From pandas 3 on it costs no copy: what is written into is copied then.
    """
    return frame.copy(deep=not COPIES_ON_WRITE)


def to_frame(result: Any) -> pd.DataFrame:
    """Convert the result of `apply` to a frame.

    It may be a DataFrame, Series, ndarray, list, dict of lists or tensor.

    Raises:
        TypeError: ``pandas.DataFrame`` does not accept the result; the text names its type.
    """
    if isinstance(result, pd.DataFrame):
        return result
    if result is None:
        raise TypeError("apply returned None; return the results, for example as a pandas DataFrame")
    if hasattr(result, "detach"):  # a PyTorch tensor
        result = result.detach().cpu()
    if hasattr(result, "numpy") and not isinstance(result, pd.Series):  # a tensor of either framework
        result = result.numpy()
    try:
        return pd.DataFrame(result)
    except (ValueError, TypeError) as error:
        raise TypeError(
            f"apply returned {type(result).__name__}, which pandas.DataFrame does not accept ({error}); "
            "return a DataFrame, Series, array, or a list or dict of columns"
        ) from error


def write(frame: pd.DataFrame) -> bytes:
    """Encode the CSV of ``to_csv(index=False)`` as a JSON string literal, quotes included."""
    return csv_writer.literal(frame)


def numbers(frame: pd.DataFrame, most: int = MAX_SMALL_CELLS) -> np.ndarray[Any, Any] | None:
    """Return the values of a frame of numbers, shape (rows, columns).

    None for a frame with any other column or with more than `most` cells.
    """
    size = cells(frame)
    if size > most or (size > MAX_SMALL_CELLS and any(dtype.kind not in "iuf" for dtype in frame.dtypes)):
        return None
    values = frame.to_numpy()
    return values if values.dtype.kind in "iuf" else None


def cells(frame: pd.DataFrame) -> int:
    """Return the number of cells, as ``frame.size`` does in many times the time."""
    rows, width = frame.shape
    return rows * width


def kind(column: pd.Series[Any]) -> str:
    """Return ``number``, ``boolean`` or ``text``.

    int and float are one kind: the chunks of one search mix them.
    """
    return kind_of(column.dtype)


def kind_of(dtype: Any) -> str:
    """Return the `kind` of a column with this dtype."""
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean"
    return "number" if pd.api.types.is_numeric_dtype(dtype) else "text"
