"""``makeresults``: rows out of nothing, or out of CSV or JSON in the search."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.mltk.results import Result
from dltk_runtime.emulator.spl import options
from dltk_runtime.emulator.spl.context import Context, Step
from dltk_runtime.emulator.spl.options import Reader, flag, whole
from dltk_runtime.emulator.spl.rows import Row, frame_of
from dltk_runtime.errors import shown

# Bounds the memory of one search.
MAX_MADE_ROWS = 10_000_000
MAX_INLINE_CHARACTERS = 29_999  # makeresults in the Search Reference
SERVER = "localhost"


def _server(value: str) -> str:
    """Read the name of the one server that is here, as ``annotate`` gives it, or ``local``."""
    if value not in {"local", SERVER}:
        raise SearchInvalid(f"there is one server here, local; {shown(value)} runs in Splunk only")
    return value


_READERS: Mapping[str, Reader] = {
    "annotate": flag,
    "count": whole,
    "data": str,
    "format": str.lower,
    "splunk_server": _server,
}


def makeresults(arguments: str, context: Context) -> Step:
    """Create rows with the field ``_time``, or those of ``format=csv data="…"``."""
    given, words = options.split(arguments, _READERS)
    if words:
        raise SearchInvalid(
            f"only {', '.join(f'{key}=' for key in _READERS)} are understood here, got {shown(words[0])}"
        )
    if given.keys() & {"format", "data"}:
        return _inline(given, context)
    rows = given.get("count", 1)
    if rows > MAX_MADE_ROWS:
        raise SearchInvalid(f"count={rows} exceeds the maximum of {MAX_MADE_ROWS:,} rows")
    names = ("_raw", "host", "source", "sourcetype", "splunk_server_group")
    extra = {**dict.fromkeys(names), "splunk_server": SERVER} if given.get("annotate") else {}

    def step(_: pd.DataFrame) -> Result:
        made = pd.DataFrame({"_time": [int(context.clock())] * rows})
        return Result(made.assign(**extra) if extra else made)

    return step


def _inline(given: dict[str, Any], context: Context) -> Step:
    if not {"format", "data"} <= given.keys():
        raise SearchInvalid("format= and data= go together")
    if len(given) > 2:
        raise SearchInvalid("there may be no other option beside format= and data=")
    if len(given["data"]) > MAX_INLINE_CHARACTERS:
        raise SearchInvalid(f"data= has more than {MAX_INLINE_CHARACTERS:,} characters")
    if given["format"] == "csv":
        columns, rows = _csv(given["data"])
        return lambda _: Result(frame_of(rows, columns))
    if given["format"] == "json":
        objects = _json(given["data"])
        return lambda _: Result(frame_of([_row(each, context) for each in objects], ["_raw", "_time"]))
    raise SearchInvalid(f"format= is csv or json, got {shown(given['format'])}")


def _csv(data: str) -> tuple[list[str], list[Row]]:
    """Return the fields of the first line, and the rows; an empty cell is null, a further one is dropped."""
    lines = list(csv.reader(io.StringIO(data)))
    columns = [name.strip() for name in lines[0]] if lines else []
    rows: list[Row] = [dict(zip(columns, (cell or None for cell in line), strict=False)) for line in lines[1:] if line]
    return columns, rows


def _json(data: str) -> list[dict[str, Any]]:
    """Return the objects of a JSON array.

    Raises:
        SearchInvalid: it is none.
    """
    try:
        found = json.loads(data)
    except ValueError as error:
        raise SearchInvalid(f"data= is not JSON: {error}") from error
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise SearchInvalid("data= must be an array of JSON objects, from [ to ]")
    return found


def _row(made: dict[str, Any], context: Context) -> Row:
    row: Row = {"_raw": _compact(made), "_time": int(context.clock())}
    for name, value in made.items():
        row[name] = _compact(value) if isinstance(value, dict | list) else _scalar(value)
    return row


def _scalar(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
