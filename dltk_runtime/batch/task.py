"""What a run's kernel is told, and what it answers: two files, the two halves of one conversation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from dltk_runtime.files import atomic
from dltk_runtime.tables.feature import Feature

TASK, REPORT = "task.json", "report.json"
DESCRIPTION, HELPERS = "description.json", "helpers.json"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel does for a run; paths are absolute, "" stands for none."""

    folder: str  # where the answer goes
    data: str  # CSV or parquet
    algorithm: str
    model: str
    applying: bool = False  # the notebook only applies the current version
    alone: bool = False  # the algorithm alone runs, and gets the columns that a search would send
    staged_meta: str = ""  # the JSON that `mode=stage` wrote beside the rows
    parameters: dict[str, str] = {}  # as they were given; a secret by its name
    declared: bool = False  # whether the notebook declares parameters
    features: tuple[str, ...] = ()  # names and globs; none: all columns but the target
    targets: tuple[str, ...] = ()
    out: str = ""  # where the results go
    save_name: str = ""  # what `save` is called with
    version_folder: str = ""  # where the version's files must lie afterwards
    keep_model_at: str = ""  # where the model goes when `save` stores nothing
    load_name: str = ""  # what `load` is called with for the current version
    kept_model: str = ""  # the current version's model, when its `save` stored nothing


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended that came to its end."""

    fitted: bool = False
    rows: int = 0  # that were fitted
    results: int | None = None  # rows of the last apply
    columns: tuple[Feature, ...] = ()
    targets: tuple[str, ...] = ()
    info: Any = None
    metrics: dict[str, float] = {}
    libraries: dict[str, str] = {}
    kept_by_runtime: bool = False
    notices: tuple[str, ...] = ()


def write(folder: Path, name: str, content: Task | Report) -> None:
    """Put one of the two files in place."""
    atomic.write(folder / name, msgspec.json.encode(content))


def read_task(path: Path) -> Task:
    return msgspec.json.decode(path.read_bytes(), type=Task)


def read_report(folder: Path) -> Report:
    return msgspec.json.decode((folder / REPORT).read_bytes(), type=Report)
