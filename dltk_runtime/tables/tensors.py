r"""Rows as named tensors: JSON, with numbers and texts in it or as bytes behind it.

::

    8 bytes: how many bytes of JSON follow; 0: all    {"inputs": [{"name": …, "shape": [150, 4],
                                                        "datatype": "FP64", …}], …}    bytes of inputs

An input of shape (rows) or (rows, 1) is a column of its name. A single input of shape
(rows, columns) is a matrix, whose columns are the fields of the fit in their order. BYTES is text:
UTF-8, as bytes each behind its length in 4 bytes, the lowest first.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from dltk_runtime.errors import DataInvalid, shown
from dltk_runtime.tables import plain, table
from dltk_runtime.tables.plain import Array
from dltk_runtime.tables.sheet import Outputs, Sheet
from dltk_runtime.tables.tensor_bounds import MAX_SHOWN_CHARACTERS, array_of
from dltk_runtime.tables.tensor_prefix import PREFIX
from dltk_runtime.texts import printable

TEXT = "BYTES"
DTYPES = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
DATATYPES = {np.dtype(code): name for name, code in DTYPES.items()}
# Parameters of the protocol itself, which no notebook gets.
PROTOCOL = ("binary_data_output", "sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "headers")
MAX_DIMENSION = 2**56  # values; numpy cannot hold larger ones, also where another one is 0
UNSERVED_EXTENSIONS = ("classification", "shared_memory_region")  # of outputs, that change what is answered
_LENGTH = struct.Struct("<I")


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: msgspec.Raw = msgspec.Raw(b"")


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Request(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_Output] | None = None


_request = msgspec.json.Decoder(_Request)


# ---------------------------------------------------------------- read


def read(data: memoryview, fields: Sequence[str]) -> Sheet:
    """Read the tensors of a request.

    Raises:
        DataInvalid: naming the first thing that is not as the protocol has it.
    """
    (length,) = PREFIX.unpack_from(data)
    body = data[PREFIX.size :]
    if length > len(body):
        raise DataInvalid(f"The header says that {length:,} bytes of JSON come first, and the body has {len(body):,}.")
    head = _head(body[: length or len(body)])
    arrays = _arrays(head.inputs, body[length:] if length else memoryview(b""))
    parameters = head.parameters or {}
    given = {name: value for name, value in parameters.items() if name not in PROTOCOL}
    return Sheet(_frame(head.inputs, arrays, fields), given, _outputs(head, parameters))


def _head(text: memoryview) -> _Request:
    try:
        return _request.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataInvalid(f"The body is no request for an inference: {error}.") from error


def _outputs(head: _Request, parameters: dict[str, Any]) -> Outputs:
    for each in head.outputs or ():
        for name in UNSERVED_EXTENSIONS:
            if name in (each.parameters or {}):
                raise DataInvalid(
                    f"The output {shown(each.name)} has the parameter {name}, whose extension is not served here: "
                    "GET /v2 lists those that are."
                )
    binary = parameters.get("binary_data_output") is True
    wanted = {each.name: (each.parameters or {}).get("binary_data", binary) is True for each in head.outputs or ()}
    return Outputs(wanted, binary, head.id)


def _arrays(inputs: Sequence[_Input], behind: memoryview) -> list[Array]:
    """Return the values of each input, in its shape.

    Raises:
        DataInvalid: naming the input.
    """
    arrays, at = [], 0
    for each in inputs:
        count = _count(each)
        size = (each.parameters or {}).get("binary_data_size")
        if size is None:
            values = _from_json(each, count)
        else:
            if type(size) is not int or not 0 <= size <= len(behind) - at:
                given = printable(str(size)[:MAX_SHOWN_CHARACTERS])
                raise _invalid(each, f"has binary_data_size {given}, and {len(behind) - at:,} bytes are left")
            values = _from_bytes(each, count, behind[at : at + size])
            at += size
        arrays.append(values.reshape(each.shape))
    if at != len(behind):
        raise DataInvalid(
            f"{len(behind) - at:,} bytes are left behind the inputs: no input's binary_data_size has them."
        )
    return arrays


def _count(tensor: _Input) -> int:
    if tensor.datatype != TEXT and tensor.datatype not in DTYPES:
        raise _invalid(tensor, f"has the datatype {shown(tensor.datatype)}: expected {', '.join(DTYPES)} or {TEXT}")
    if len(tensor.shape) not in (1, 2) or any(size < 0 for size in tensor.shape):
        given = str(tensor.shape)[:MAX_SHOWN_CHARACTERS]
        raise _invalid(tensor, f"has the shape {given}: expected [rows], [rows, 1] or [rows, columns]")
    if any(size > MAX_DIMENSION for size in tensor.shape):
        raise _invalid(tensor, f"has the shape {str(tensor.shape)[:MAX_SHOWN_CHARACTERS]}, which is too large")
    return math.prod(tensor.shape)


def _from_json(tensor: _Input, count: int) -> Array:
    if not bytes(tensor.data):
        raise _invalid(tensor, "has neither data nor binary_data_size")
    kind = _json_type(tensor.datatype)
    try:
        try:
            values = msgspec.json.decode(tensor.data, type=list[kind])  # type: ignore[valid-type]
        except msgspec.ValidationError:
            rows = msgspec.json.decode(tensor.data, type=list[list[kind]])  # type: ignore[valid-type]
            values = _flat(tensor, rows)
        array = array_of(values, np.dtype(DTYPES.get(tensor.datatype, "O")))
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, ValueError) as error:
        raise _invalid(tensor, f"has data that is not {tensor.datatype}: {error}") from error
    if len(array) != count:
        raise _invalid(tensor, f"has {len(array):,} values, and its shape {tensor.shape} has room for {count:,}")
    return array


def _flat(tensor: _Input, rows: list[list[Any]]) -> list[Any]:
    """Return the values of nested data one row after another.

    Raises:
        DataInvalid: a row has more or fewer values than the others, or than the shape says.
    """
    width = tensor.shape[1] if len(tensor.shape) > 1 else len(rows[0])
    for number, row in enumerate(rows):
        if len(row) != width:
            raise _invalid(tensor, f"has {len(row):,} values in row {number} of its data: expected {width:,}")
    return [value for row in rows for value in row]


def _json_type(datatype: str) -> Any:
    if datatype == TEXT:
        return str | None
    if datatype == "BOOL":
        return bool
    return float | None if datatype.startswith("FP") else int


def _from_bytes(tensor: _Input, count: int, data: memoryview) -> Array:
    if tensor.datatype == TEXT:
        return _texts(tensor, count, data)
    kind = np.dtype(DTYPES[tensor.datatype])
    if len(data) != count * kind.itemsize:
        raise _invalid(
            tensor, f"has {len(data):,} bytes, and {tensor.datatype} of shape {tensor.shape} {count * kind.itemsize:,}"
        )
    if kind.kind == "b":
        return np.frombuffer(data, "u1").astype(np.bool_)
    values = np.frombuffer(data, kind)
    # A notebook may write into it; the body's own bytes are read-only.
    return values if values.flags.aligned and table.COPIES_ON_WRITE else values.copy()


def _texts(tensor: _Input, count: int, data: memoryview) -> Array:
    found, at = list[str](), 0
    try:
        while at < len(data):
            (length,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size
            if length > len(data) - at:
                raise _invalid(tensor, f"has a text of {length:,} bytes, and {len(data) - at:,} are left")
            found.append(str(data[at : at + length], "utf-8"))
            at += length
    except (struct.error, UnicodeDecodeError) as error:
        raise _invalid(tensor, f"has bytes that are no texts: {error}") from error
    if len(found) != count:
        raise _invalid(tensor, f"has {len(found):,} texts, and its shape {tensor.shape} has room for {count:,}")
    return np.array(found, dtype=object)


def _frame(inputs: Sequence[_Input], arrays: Sequence[Array], fields: Sequence[str]) -> pd.DataFrame:
    if len(inputs) == 1 and arrays[0].ndim == 2:
        return plain.named(arrays[0], fields, inputs[0].name)
    for each, values in zip(inputs, arrays, strict=True):
        if values.ndim == 2 and values.shape[1] != 1:
            raise _invalid(each, f"has the shape {each.shape}: of several inputs each is one column")
    columns = [(each.name, values.reshape(-1)) for each, values in zip(inputs, arrays, strict=True)]
    return plain.frame_of(
        [(name, plain.text_column(values) if values.dtype == np.object_ else values) for name, values in columns]
    )


def _invalid(tensor: _Input, problem: str) -> DataInvalid:
    return DataInvalid(f"The input {shown(tensor.name)} {problem}.")


# ---------------------------------------------------------------- write


def write(columns: Sequence[tuple[str, plain.Values]], outputs: Outputs) -> bytes:
    """Write one tensor of shape (rows) for each column; a missing text is an empty one.

    Returns:
        The length of the JSON in 8 bytes, the JSON, and the bytes of binary tensors.

    Raises:
        DataInvalid: a tensor is wanted that there is no column for.
    """
    known = dict(columns)
    for name in outputs.wanted:
        if name not in known:
            raise DataInvalid(f"There is no output {shown(name)}: the model returned {', '.join(list(known)[:8])}.")
    described, behind = [], list[bytes]()
    for name in outputs.wanted or known:
        tensor, data = _output(name, known[name], binary=outputs.wanted.get(name, outputs.binary))
        described.append(tensor)
        behind.append(data)
    head = {"id": outputs.id} if outputs.id else {}
    text = msgspec.json.encode(head | {"outputs": described})
    return b"".join([PREFIX.pack(len(text)), text, *behind])


def _output(name: str, values: plain.Values, *, binary: bool) -> tuple[dict[str, Any], bytes]:
    """Describe one tensor; returns the bytes that belong behind the JSON, too."""
    datatype = DATATYPES[values.dtype] if isinstance(values, np.ndarray) else TEXT
    tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": [len(values)]}
    if not binary:
        return tensor | {"data": values.tolist() if isinstance(values, np.ndarray) else _known(values)}, b""
    data = np.ascontiguousarray(values).tobytes() if isinstance(values, np.ndarray) else _packed(_known(values))
    return tensor | {"parameters": {"binary_data_size": len(data)}}, data


def _known(values: Sequence[plain.Text]) -> list[str]:
    return [value or "" for value in values]


def _packed(values: Sequence[str]) -> bytes:
    encoded = [value.encode() for value in values]
    return b"".join([part for each in encoded for part in (_LENGTH.pack(len(each)), each)])
