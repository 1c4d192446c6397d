"""Whether the rows of an apply have the fields that the model was fitted on."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from dltk_runtime.errors import nearest
from dltk_runtime.tables import table
from dltk_runtime.tables.feature import Feature
from dltk_runtime.worker.model import Meta


def missing(frame: pd.DataFrame, features: Sequence[Feature]) -> str:
    """What to say of features that the frame lacks; nothing when it has them all."""
    gone = [each.name for each in features if each.name not in frame.columns]
    if not gone:
        return ""
    known = {each.name for each in features}
    others = [str(name) for name in frame.columns if name not in known]
    named = ", ".join(
        f"'{name}'{nearest(name, others).rstrip('?').replace(' Did you mean', '; sent was')}" for name in gone
    )
    return (
        f"the request lacks the field{'s' if len(gone) > 1 else ''} {named}, which the model was fitted on "
        "(Splunk does not send a column that is empty in the whole chunk)"
    )


def changed(frame: pd.DataFrame, features: Sequence[Feature]) -> str:
    """What to say of features whose kind is another one than at the fit; a column without any value has none."""
    if all(each.kind == "number" for each in features) and table.numbers(frame) is not None:
        return ""
    kinds = {name: table.kind_of(dtype) for name, dtype in zip(frame.columns, frame.dtypes, strict=True)}
    texts = [
        f"'{each.name}' holds {kinds[each.name]}s and held {each.kind}s at the fit"
        for each in features
        if kinds.get(each.name, each.kind) != each.kind and frame[each.name].notna().any()
    ]
    return f"the field {'; the field '.join(texts)}" if texts else ""


def features_of(meta: Meta, frame: pd.DataFrame) -> list[str]:
    """The names of the features in a frame: those that `meta` lists, else all columns but the target."""
    listed = meta.get("feature_variables")
    targets = meta.get("target_variables") or []
    names = listed if isinstance(listed, list) and listed else list(frame.columns)
    return [str(name) for name in names if name in frame.columns and name not in targets]
