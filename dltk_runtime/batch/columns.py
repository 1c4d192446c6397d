"""Which columns of a batch run's data are features, targets, or what a search would send."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import pandas as pd

from dltk_runtime.batch.task import Task
from dltk_runtime.worker.fit import Meta


def features(frame: pd.DataFrame, task: Task) -> list[str]:
    """Return the columns that are features, in the frame's order.

    Raises:
        ValueError: a name or glob matches no column.
    """
    needed = () if task.applying else task.targets
    return [name for name in matching(frame, task.features or ("*",), needed) if name not in task.targets]


def matching(frame: pd.DataFrame, wanted: Sequence[str], needed: Sequence[str] = ()) -> list[str]:
    """Return the columns that match one of the `wanted` globs.

    Raises:
        ValueError: a glob matches no column, or a `needed` one is missing.
    """
    columns = [str(name) for name in frame.columns]
    lacking = [each for each in wanted if not any(fnmatchcase(name, each) for name in columns)]
    lacking += [name for name in needed if name not in columns]
    if lacking:
        raise ValueError(f"The data has no column {', '.join(lacking)}; it has {', '.join(columns)}.")
    return [name for name in columns if any(fnmatchcase(name, each) for each in wanted)]


def sent(frame: pd.DataFrame, param: Meta) -> list[str]:
    """Return the columns that a search sends: features and targets, in the frame's order."""
    named = {*param["feature_variables"], *param.get("target_variables", ())}
    return [name for name in frame.columns if str(name) in named]
