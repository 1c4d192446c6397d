"""Rows in the forms of `payload.Form`: bytes to frame, and frame to bytes.

| form | rows | results |
|---|---|---|
| ``csv`` | as `table.read` | the text of ``to_csv``, not escaped |
| ``arrow`` | an IPC stream; columns of numbers are not copied | an IPC stream |
| ``json`` | records, or an object with one of the forms of `json_rows` | records |
| ``tensors`` | named tensors, text or binary, with parameters | tensors, as the request wants them |

Other than in Splunk's CSV the fields of the fit come first in the frame, in the order of the fit:
a client names its columns, and their order means nothing to it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pandas as pd

from dltk_runtime.errors import DataInvalid
from dltk_runtime.payload import Form
from dltk_runtime.tables import csv_reader, json_rows, plain, table, tensors
from dltk_runtime.tables.plain import Scrub
from dltk_runtime.tables.sheet import Outputs, Sheet

Blob = bytes | memoryview


def read(form: str, data: memoryview, fields: Sequence[str], most: int = sys.maxsize) -> Sheet:
    """Read the rows of a request; `fields` are those of the fit, which name a matrix.

    A stream that stands for more than `most` bytes is refused before they are in memory.

    Raises:
        DataInvalid: naming the first thing that is not as the form has it.
        FormUnavailable: this installation cannot read the form.
    """
    sheet = _read(Form(form), data, fields, most)
    return Sheet(plain.in_order(sheet.frame, fields), sheet.parameters, sheet.outputs)


def _read(form: Form, data: memoryview, fields: Sequence[str], most: int) -> Sheet:
    match form:
        case Form.CSV:
            return Sheet(_csv(data))
        case Form.ARROW:
            from dltk_runtime.tables import arrow

            return Sheet(arrow.read(data, most))
        case Form.JSON:
            return json_rows.read(data, fields)
        case Form.TENSORS:
            return tensors.read(data, fields)


def _csv(data: memoryview) -> pd.DataFrame:
    try:
        return csv_reader.read(data)
    except (ValueError, OverflowError) as error:  # ParserError and EmptyDataError are ValueErrors
        raise DataInvalid(f"The body is no CSV: {error}".strip()) from error


def write(form: str, frame: pd.DataFrame, outputs: Outputs, scrub: Scrub | None = None) -> Blob:
    """Write results; `scrub` removes secrets from texts.

    Raises:
        DataInvalid: a tensor is wanted that the results do not have.
        FormUnavailable: this installation cannot write the form.
        TypeError: two columns have one name, and the form has no place for both.
    """
    match Form(form):
        case Form.CSV:
            text = table.unescape(table.write(frame))
            return scrub(text.decode()).encode() if scrub is not None else text
        case Form.ARROW:
            from dltk_runtime.tables import arrow

            return arrow.write(frame, scrub)
        case Form.JSON:
            return json_rows.write(plain.told_apart(plain.columns_of(frame, scrub)))
        case Form.TENSORS:
            return tensors.write(plain.told_apart(plain.columns_of(frame, scrub)), outputs)
