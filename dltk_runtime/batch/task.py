"""The files between a run and its kernel: the task, read first, and the report, written last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from dltk_runtime.files import atomic
from dltk_runtime.worker.messages import Fitted

TASK, REPORT = "task.json", "report.json"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel does for a run. Paths are absolute; "" stands for none."""

    folder: str  # of the report
    data: str  # path of a CSV file, a parquet file or an Arrow stream
    algorithm: str
    model: str
    applying: bool = False  # the notebook only applies the current version
    plain: bool = False  # the notebook is no algorithm: none of its functions is replaced
    keep: tuple[str, ...] = ()  # names and globs of columns of the rows that stand before the results in `out`
    alone: bool = False  # only the algorithm's cells run, with the columns that a search would send
    staged_meta: str = ""  # path of the JSON that `mode=stage` wrote beside the rows
    parameters: dict[str, str] = {}  # as they were given; a secret by its name
    declared: bool = False  # whether the notebook declares parameters
    features: tuple[str, ...] = ()  # names and globs; none: all columns but the target
    targets: tuple[str, ...] = ()
    holdout: float = 0.0  # share of the rows that `fit` must not see; needs `alone`
    out: str = ""  # path of the results
    save_name: str = ""  # the `name` for `save`
    version_folder: str = ""  # `save` stores its files below it
    keep_model_at: str = ""  # path of the runtime's own pickle, for a `save` that stores nothing
    pictures: str = ""  # folder for the fit's pictures, where the algorithm alone is fitted
    seen: str = ""  # path for the file that tells which rows the fit has seen
    load_name: str = ""  # the `name` for `load` of the current version
    kept_model: str = ""  # path of the current version's pickle, if its `save` stored nothing

    @property
    def fits_alone(self) -> bool:
        """Whether the algorithm alone is fitted, in the order of a search's fit."""
        return self.alone and not self.applying


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a run that reached its end."""

    fitted: Fitted | None = None  # its `code` holds imported modules only
    targets: tuple[str, ...] = ()
    results: int | None = None  # rows of the last apply


def meta_of(task: Task, features: Sequence[str]) -> dict[str, Any]:
    """Return the `meta` that a search with these features would have sent for the task."""
    if task.staged_meta:
        meta: dict[str, Any] = json.loads(Path(task.staged_meta).read_bytes())
    else:
        meta = {"options": {}, "feature_variables": list(features)}
        if task.targets and not task.applying:
            meta["options"]["target_variable"] = list(task.targets)
            meta["target_variables"] = list(task.targets)
    meta["options"]["params"] = {"algo": task.algorithm, **task.parameters}
    meta["options"]["model_name"] = task.model
    if task.applying:
        meta.pop("target_variables", None)
    return meta


def write(folder: Path, name: str, content: Task | Report) -> None:
    """Write one of the two files atomically."""
    atomic.write(folder / name, atomic.to_json(content))


def read_task(path: Path) -> Task:
    return msgspec.json.decode(path.read_bytes(), type=Task)


def read_report(folder: Path) -> Report:
    return msgspec.json.decode((folder / REPORT).read_bytes(), type=Report)
