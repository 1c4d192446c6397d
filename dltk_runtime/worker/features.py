"""Check the rows of an apply against the fields that the model was fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from dltk_runtime.errors import closest
from dltk_runtime.tables import table
from dltk_runtime.tables.feature import Feature


def missing(frame: pd.DataFrame, features: Sequence[Feature], *, splunks: bool = True) -> str:
    """Return a warning that names the features that the frame lacks; "" if it has them all.

    `splunks` says whether the rows may lack them because Splunk leaves out empty columns.
    """
    sent = set(frame.columns.tolist())
    lacking = [each.name for each in features if each.name not in sent]
    if not lacking:
        return ""
    known = {each.name for each in features}
    others = [str(name) for name in frame.columns if name not in known]
    named = ", ".join(_with_closest(name, others) for name in lacking)
    text = f"the request lacks the field{'s' if len(lacking) > 1 else ''} {named}, which the model was fitted on"
    return f"{text} (Splunk does not send a column that is empty in the whole chunk)" if splunks else text


def changed(frame: pd.DataFrame, features: Sequence[Feature]) -> str:
    """Return a warning naming the features whose kind differs from the fit's; "" without any.

    A column without any value has no kind.
    """
    if all(each.kind == "number" for each in features) and table.numbers(frame) is not None:
        return ""
    kinds = {name: table.kind_of(dtype) for name, dtype in zip(frame.columns, frame.dtypes, strict=True)}
    texts = [
        f"'{each.name}' holds {kinds[each.name]}s and held {each.kind}s at the fit"
        for each in features
        if kinds.get(each.name, each.kind) != each.kind and frame[each.name].notna().any()
    ]
    return f"the field {'; the field '.join(texts)}" if texts else ""


def without_result(frame: pd.DataFrame, results: int) -> str:
    """Return a warning when rows with empty fields were sent and fewer rows came back; else "".

    Rows that Splunk leaves out before it sends them are not known here.
    """
    missing = len(frame) - results
    empty = int(frame.isna().any(axis="columns").sum()) if missing > 0 else 0
    if not empty:
        return ""
    return (
        f"{missing:,} of the {len(frame):,} rows that were sent have no result, and {empty:,} have an empty field: "
        "fill them in the search, for example with fillnull"
    )


def feature_names(meta: dict[str, Any], frame: pd.DataFrame) -> list[str]:
    """Return the features in a frame: the columns that `meta` lists, else all but the target."""
    listed = meta.get("feature_variables")
    targets = meta.get("target_variables") or []
    names = listed if isinstance(listed, list) and listed else list(frame.columns)
    return [str(name) for name in names if name in frame.columns and name not in targets]


def _with_closest(name: str, others: Sequence[str]) -> str:
    found = closest(name, others)
    return f"'{name}'" if found is None else f"'{name}'; sent was {found!r}"
