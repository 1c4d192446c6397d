"""Rows of a search and a model's results → records, whose keys are the same in every run."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dltk_runtime.batch.errors import BatchFailed, BatchInvalid
from dltk_runtime.emulator.mltk.reply import merge, rename
from dltk_runtime.splunk.columns import MAX_EXACT_INTEGER, TIME

KEY = "event_key"
# Fields that an event gets anew in its new index: summary indexing renames the old values so.
ORIGINAL_NAMES = {name: f"orig_{name}" for name in ("host", "index", "source", "sourcetype")}


@dataclass(frozen=True, slots=True)
class Record:
    """The record of one row. `time` is the event's, in epoch seconds."""

    key: str
    time: float | None
    fields: dict[str, Any]  # numbers and text


def keyed(rows: pd.DataFrame, fields: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """Add keys as the column ``event_key``; keep one row of each key, and count the others.

    The first row of a key stays, because a search returns the newest first. A single field
    ``event_key`` is the key itself; otherwise the key is a hash of the fields.

    Raises:
        BatchInvalid: a field is missing, or empty in some rows.
    """
    for name in fields:
        if name not in rows.columns:
            there = ", ".join(map(str, rows.columns))
            raise BatchInvalid(
                f"The search returns no field {name!r}; it returns {there}. Add one (| eval {KEY}=…), or name the "
                "fields that identify a row with --key."
            )
        if count := int(rows[name].isna().sum()):
            raise BatchInvalid(
                f"{count:,} of {len(rows):,} rows have no {name} and therefore no key. Fill or filter it."
            )
    keys = rows[KEY] if tuple(fields) == (KEY,) else rows[list(fields)].apply(_hash, axis="columns")
    named = rows.assign(**{KEY: keys.astype(str)})
    once = named.drop_duplicates(KEY).reset_index(drop=True)
    return once, len(rows) - len(once)


def as_csv(rows: pd.DataFrame) -> str:
    """Return the rows as a search sends them to `fit` and `apply`: ``_time`` in epoch seconds."""
    return rows.assign(**{TIME: _seconds(rows)}).to_csv(index=False) if TIME in rows else rows.to_csv(index=False)


def records(rows: pd.DataFrame, results: pd.DataFrame, target: str | None) -> Iterator[Record]:
    """Make a record for each row with a prediction, of the fields of the row and of its result.

    Fields are named as in a search. Fields whose names begin with an underscore are Splunk's own
    and are left out; ``host`` becomes ``orig_host``, and so on.

    Raises:
        BatchFailed: `apply` returned another number of rows than it was given.
    """
    if len(results) != len(rows):
        raise BatchFailed(
            f"apply returned {len(results):,} rows for {len(rows):,}: a result belongs to the row at its position, so "
            "that each row needs one. Nothing was sent."
        )
    predicted = str(rename(results, target, None).columns[0])
    whole = merge(rows, results, target, None)
    times = _seconds(rows) if TIME in rows else pd.Series([None] * len(rows))
    fields = [name for name in whole.columns if name != KEY and not name.startswith("_")]
    values = whole[fields].astype(object).where(whole[fields].notna(), None).to_dict("records")
    for key, time, good, row in zip(rows[KEY], times, whole[predicted].notna(), values, strict=True):
        if good:
            known = {
                ORIGINAL_NAMES.get(str(name), str(name)): _plain(value)
                for name, value in row.items()
                if value is not None
            }
            yield Record(key, None if time is None or pd.isna(time) else float(time), known)


def _hash(row: pd.Series) -> str:
    texts = [str(value.value) if isinstance(value, pd.Timestamp) else str(value) for value in row]
    return "k" + hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:32]


def _seconds(rows: pd.DataFrame) -> pd.Series:
    """Return ``_time`` in epoch seconds, as Splunk writes them: whole ones without a point."""
    stamps = rows[TIME]
    if not isinstance(stamps.dtype, pd.DatetimeTZDtype):
        return stamps
    seconds: pd.Series = stamps.dt.as_unit("us").astype("int64").where(stamps.notna()) / 1e6
    whole = bool((seconds.dropna() % 1 == 0).all())
    return seconds.astype("Int64") if whole else seconds


def _plain(value: Any) -> Any:
    """Convert a value to a JSON type; whole numbers become integers, also in a column of floats."""
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, float) and not math.isfinite(plain):
        return str(plain)
    if isinstance(plain, float) and plain.is_integer() and abs(plain) <= MAX_EXACT_INTEGER:
        return int(plain)
    return plain if isinstance(plain, int | float | str) else str(plain)
