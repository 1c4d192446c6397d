"""Inside the kernel of a batch run: data for `stage`, names for `save` and `load`, and what is left at the end.

The run's client calls `begin` before the first cell, `Run.take_over` after each and `Run.finish` after the last one,
all silently: the notebook's own text stays as its author wrote it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import pickle
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import msgspec
import pandas as pd

from dltk_runtime.batch import task as files
from dltk_runtime.batch.task import Report, Task
from dltk_runtime.notebook import parameters
from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.notebook.source import pack
from dltk_runtime.tables import table
from dltk_runtime.tables.feature import Feature
from dltk_runtime.worker import describe

Namespace = dict[str, Any]


def begin(task: str, namespace: Namespace) -> Run:
    """Start to serve a run in this kernel."""
    run = Run(files.read_task(Path(task)), namespace)
    run.take_over()
    return run


class Run:
    """One run in its kernel. `record` is what its functions were called with and answered, last of all."""

    def __init__(self, task: Task, namespace: Namespace) -> None:
        self.task = task
        self.namespace = namespace
        self.record: dict[str, Any] = {}
        self._taken: dict[str, Callable[..., Any]] = {}

    # ------------------------------------------------------------ before and after cells

    def take_over(self) -> None:
        """Stand before the notebook's functions, as far as its cells have defined them so far."""
        for name in ("fit", "apply", "save", "load"):
            function = self.namespace.get(name)
            if callable(function) and not isinstance(function, type) and function is not self._taken.get(name):
                self._taken[name] = self.namespace[name] = functools.wraps(function)(self._before(name, function))
        self.namespace["stage"] = self.stage
        if self.task.kept_model:
            self.namespace.setdefault("load", self._before("load", None))

    def snapshot(self, path: str) -> None:
        """Keep the variables, for a resumed run that finds the notebook's definitions again by itself.

        Raises:
            Exception: some of them cannot be pickled; then nothing is kept.
        """
        content = pickle.dumps({"record": self.record, "variables": _variables(self.namespace)})
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.touch(mode=0o600)
        target.write_bytes(content)

    def restore(self, path: str) -> None:
        """Take the variables of a snapshot up again; what the cells have defined since wins."""
        kept = pickle.loads(Path(path).read_bytes())  # noqa: S301 - we wrote it ourselves, in our own home
        self.record = kept["record"]
        self.namespace.update({name: value for name, value in kept["variables"].items() if name not in self.namespace})

    def finish(self) -> None:
        """Write the results, what a version needs, and the report, which is last."""
        fitted = "info" in self.record
        kept = self._save_at_last() if fitted and self.task.save_name else False
        description, notices = self._describe()
        folder = Path(self.task.folder)
        (folder / files.DESCRIPTION).write_bytes(description)
        (folder / files.HELPERS).write_bytes(pack(_helpers()))
        frame = self.record.get("frame", pd.DataFrame())
        report = Report(
            fitted=fitted,
            rows=len(frame),
            results=self._write_results(),
            columns=tuple(Feature(str(name), table.kind(column)) for name, column in frame.items()),
            targets=tuple(self.record.get("param", {}).get("target_variables", ())),
            info=msgspec.json.decode(describe.to_json(self.record.get("info"))),
            metrics=describe.metrics(self.record.get("info")),
            libraries=describe.libraries(),
            kept_by_runtime=kept,
            notices=(*describe.warnings(self.record.get("info")), *notices),
        )
        files.write(folder, files.REPORT, report)

    # ------------------------------------------------------------ in place of the notebook's functions

    def stage(self, name: str = "") -> tuple[pd.DataFrame, dict[str, Any]]:  # noqa: ARG002 - notebooks name their data
        """The run's data and `param`, whatever name the notebook asks for."""
        task = self.task
        frame = _read(Path(task.data))
        param = self._meta(frame)
        if task.declared:
            param["parameters"] = parameters.parameters(self.namespace)
        return frame[_sent(frame, param)] if task.alone else frame, param

    def _before(self, name: str, function: Callable[..., Any] | None) -> Callable[..., Any]:
        return functools.partial(getattr(self, f"_{name}"), function)

    def _fit(self, function: Callable[..., Any], model: Any, df: pd.DataFrame, param: dict[str, Any]) -> Any:
        columns = df.copy()  # as they came, whatever fit does
        info = function(model, df, param)
        self.record.update(model=model, frame=columns, param=param, info=info, saved=False)
        return info

    def _apply(self, function: Callable[..., Any], model: Any, df: pd.DataFrame, param: dict[str, Any]) -> Any:
        results = function(model, df, param)
        self.record["results"] = results
        return results

    def _save(self, function: Callable[..., Any], model: Any, name: str) -> Any:
        if not self.task.save_name or "info" not in self.record:
            return function(model, name)
        self.record["saved"] = True
        return function(model, self.task.save_name)

    def _load(self, function: Callable[..., Any] | None, name: str) -> Any:
        if self.record.get("saved"):
            if function is not None and _stored(self.task):
                return function(self.task.save_name)
            return self.record["model"]
        if self.task.kept_model:
            with open(self.task.kept_model, "rb") as file:
                return cloudpickle.load(file)
        if function is None:
            raise RuntimeError("the notebook defines no load function, and no model was kept for it")
        return function(self.task.load_name or name)

    # ------------------------------------------------------------ the data

    def _meta(self, frame: pd.DataFrame) -> dict[str, Any]:
        """`param` as a search would have sent it."""
        task = self.task
        if task.staged_meta:
            meta: dict[str, Any] = json.loads(Path(task.staged_meta).read_bytes())
        else:
            meta = {"options": {}, "feature_variables": _features(frame, task)}
            if task.targets and not task.applying:
                meta["options"]["target_variable"] = list(task.targets)
                meta["target_variables"] = list(task.targets)
        meta["options"]["params"] = {"algo": task.algorithm, **task.parameters}
        meta["options"]["model_name"] = task.model
        if task.applying:
            meta.pop("target_variables", None)
        return meta

    # ------------------------------------------------------------ the end

    def _save_at_last(self) -> bool:
        """Save a model that no cell has saved; True when `save` stores nothing and the model is kept as it is."""
        save, model = self.namespace.get("save"), self.record["model"]
        if not _stored(self.task) and callable(save):
            save(model, self.task.save_name)
        if _stored(self.task):
            return False
        with open(self.task.keep_model_at, "wb") as file:
            cloudpickle.dump(model, file)
        return True

    def _describe(self) -> tuple[bytes, tuple[str, ...]]:
        model, summary = self.record.get("model"), self.namespace.get("summary")
        said: Any = None
        notices: tuple[str, ...] = ()
        if callable(summary):
            try:
                said = summary(model)
            except Exception as error:  # noqa: BLE001 - a summary that raises must not cost the model
                notices = (f"summary failed: {type(error).__name__}: {error}",)
        return describe.description(model, said), notices

    def _write_results(self) -> int | None:
        """Put the results of the last apply where they are wanted; how many rows they have."""
        if "results" not in self.record:
            if self.task.out:
                raise RuntimeError("no cell called apply, so that there are no results to write")
            return None
        results = table.to_frame(self.record["results"])
        if self.task.out:
            target = Path(self.task.out)
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_name(f".{target.name}.unfinished")
            _write(results, unfinished, target.suffix)
            unfinished.replace(target)
        return len(results)


def _read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def _write(frame: pd.DataFrame, path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        frame.rename(columns=str).to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)


def _features(frame: pd.DataFrame, task: Task) -> list[str]:
    """The columns that are features, in the frame's order.

    Raises:
        ValueError: a name or glob that no column has.
    """
    columns = [str(name) for name in frame.columns]
    wanted = task.features or ("*",)
    lacking = [each for each in wanted if not any(fnmatchcase(name, each) for name in columns)]
    lacking += [] if task.applying else [name for name in task.targets if name not in columns]
    if lacking:
        raise ValueError(f"The data has no column {', '.join(lacking)}; it has {', '.join(columns)}.")
    return [name for name in columns if name not in task.targets and any(fnmatchcase(name, each) for each in wanted)]


def _sent(frame: pd.DataFrame, param: dict[str, Any]) -> list[str]:
    """The columns that a search sends: those that are named, in the frame's order."""
    named = {*param["feature_variables"], *param.get("target_variables", ())}
    return [name for name in frame.columns if str(name) in named]


def _stored(task: Task) -> bool:
    return any(entry.is_file() for entry in Path(task.version_folder).rglob("*"))


def _helpers() -> list[Any]:
    """What the notebook has imported as ``app.model.…``."""
    return [source for finder in sys.meta_path if isinstance(finder, CodeFinder) for source in finder.sources]


def _variables(namespace: Namespace) -> Namespace:
    """The variables of a notebook's cells: no definitions, nothing of IPython's or ours."""
    left_out = {"In", "Out", "exit", "quit", "get_ipython", "open"}
    with contextlib.suppress(KeyError):
        left_out |= set(namespace["get_ipython"]().user_ns_hidden)
    return {
        name: value
        for name, value in namespace.items()
        if not name.startswith("_")
        and name not in left_out
        and not isinstance(value, ModuleType | type | functools.partial)
        and not inspect.isroutine(value)
    }
