"""Build requests as MLTK does, from a frame and a parsed command (protocol 1.1, 1.2)."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from dltk_runtime.emulator.mltk.grammar import ApplyCommand, FitCommand
from dltk_runtime.emulator.mltk.results import SearchMessage, warn
from dltk_runtime.emulator.mltk.stub import Stub

# Rows per call, as in MLTK.
CHUNK_ROWS = 50_000

# Defaults of MLTK's mlspl.conf; the values are text, as in recorded requests.
LIMITS: Mapping[str, str] = {
    "handle_new_cat": "default",
    "max_distinct_cat_values": "100",
    "max_distinct_cat_values_for_classifiers": "100",
    "max_distinct_cat_values_for_scoring": "100",
    "max_fit_time": "600",
    "max_inputs": "100000",
    "max_memory_usage_mb": "4000",
    "max_model_size_mb": "30",
    "max_score_time": "600",
    "use_sampling": "true",
}


def infer(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert the columns of a frame as MLTK does, with the defaults of `pandas.read_csv`.

    ``007`` becomes 7, also in identifiers; ``NA`` and empty text become missing. The index starts at 0.
    """
    if frame.columns.empty:
        return frame.reset_index(drop=True)
    with warnings.catch_warnings():
        # In Splunk, too, a column with mixed types is read without a warning.
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        return pd.read_csv(io.StringIO(frame.to_csv(index=False)))


def chunks(frame: pd.DataFrame, rows: int) -> Iterator[pd.DataFrame]:
    """Yield the frame in pieces of at most `rows` rows; a frame without rows is one piece."""
    for start in range(0, max(len(frame), 1), rows):
        yield frame.iloc[start : start + rows]


def expand_globs(names: Iterable[str], columns: Sequence[str]) -> list[str]:
    """Replace each glob in `names` with the columns that match, in column order; each name once.

    A glob without a match stays as it is. The only wildcard is ``*``.
    """
    found: list[str] = []
    for name in names:
        found += (_matches(name, columns) if "*" in name else []) or [name]
    return list(dict.fromkeys(found))


def glob(name: str) -> re.Pattern[str]:
    """Compile a pattern for whole field names, in which ``*`` is the only wildcard."""
    return re.compile(".*".join(re.escape(part) for part in name.split("*")), re.DOTALL)


def _matches(name: str, columns: Sequence[str]) -> list[str]:
    pattern = glob(name)
    return [column for column in columns if pattern.fullmatch(column) and not column.startswith("__mv_")]


def fit_meta(fit: FitCommand, columns: Sequence[str], limits: Mapping[str, Any] = LIMITS) -> dict[str, Any]:
    """Build `meta` of a fit on a frame with these `columns`."""
    options = fit.options | {"algo_name": fit.algorithm, "mlspl_limits": dict(limits), "kfold_cv": None}
    target = expand_globs(fit.options.get("target_variable", []), columns)
    features = [name for name in expand_globs(fit.options.get("feature_variables", []), columns) if name not in target]
    meta: dict[str, Any] = {"options": options, "feature_variables": features}
    return meta | {"target_variables": target} if target else meta


def apply_meta(apply: ApplyCommand, stub: Stub) -> dict[str, Any]:
    """Build `meta` of an apply: options of the fit and the command, without a target."""
    own = {"params": apply.params, "output_name": apply.output_name}
    options = stub.options | {key: value for key, value in own.items() if value is not None}
    return {"options": options, "feature_variables": list(stub.features)}


def used(meta: Mapping[str, Any]) -> list[str]:
    """Return the fields that a request with this `meta` needs."""
    split_by = meta["options"].get("split_by", [])
    return [*meta.get("target_variables", []), *meta["feature_variables"], *split_by]


def select(frame: pd.DataFrame, names: Iterable[str]) -> tuple[pd.DataFrame, list[SearchMessage]]:
    """Select the columns `names` in frame order, without empty columns and rows with a null.

    Returns the selection and warnings about missing and dropped columns.
    """
    names = list(dict.fromkeys(names))
    messages = []
    if missing := [name for name in names if name not in frame.columns]:
        messages.append(warn(f"Missing field(s): {', '.join(missing)}"))
    data = frame[[column for column in frame.columns if column in names]]
    empty = [column for column in data.columns if data[column].isna().all()] if len(data) else []
    if empty:
        messages.append(warn(f"Dropping field(s) without any value: {', '.join(empty)}"))
    return data.drop(columns=empty).dropna(), messages


def draw_sample(
    frame: pd.DataFrame, fit: FitCommand, limits: Mapping[str, Any] = LIMITS
) -> tuple[pd.DataFrame, list[SearchMessage]]:
    """Draw at most `max_inputs` or ``sample_count=`` rows by ``sample_seed=``, in their order.

    Returns the rows and a warning if any were left out.
    """
    limit = min(int(limits["max_inputs"]), fit.sample_count or len(frame))
    if len(frame) <= limit:
        return frame, []
    text = (
        f"Input event count exceeds max_inputs for {fit.algorithm} ({limit}), "
        f"model will be fit on a sample of the {len(frame)} events."
    )
    return frame.sample(limit, random_state=fit.sample_seed).sort_index().reset_index(drop=True), [warn(text)]


def body(data: pd.DataFrame, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Build the JSON body. The CSV of a frame without columns is a single newline."""
    return {"data": data.to_csv(index=False) if len(data.columns) else "\n", "meta": meta}
