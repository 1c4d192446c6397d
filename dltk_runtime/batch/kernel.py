"""The kernel's side of a batch run: data for `stage`, names for `save` and `load`, and the report.

The client of the run (`engine.py`) calls `begin` before the first cell, `Run.take_over` after each
cell and `Run.finish` after the last one. The calls leave no trace in the executed notebook.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pandas as pd

from dltk_runtime.batch import columns
from dltk_runtime.batch import task as files
from dltk_runtime.batch.task import Report, Task
from dltk_runtime.notebook import parameters
from dltk_runtime.notebook.algorithm import ROW_WISE
from dltk_runtime.notebook.file_names import file_name
from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.notebook.source import pack
from dltk_runtime.scrub import Scrubber
from dltk_runtime.tables import arrow, table
from dltk_runtime.worker.fit import Meta, ModelFit, SaveTarget
from dltk_runtime.worker.model import read_pickle

Namespace = dict[str, Any]
Function = Callable[..., Any]


def begin(task: str, namespace: Namespace) -> Run:
    """Begin a run in this kernel.

    `task` is the path of the task file, `namespace` holds the variables of the notebook's cells.
    """
    run = Run(files.read_task(Path(task)), namespace)
    run.take_over()
    return run


class Run:
    """One run in its kernel. `fit` is the last fit that succeeded."""

    def __init__(self, task: Task, namespace: Namespace) -> None:
        self.task = task
        self.namespace = namespace
        self.fit: ModelFit | None = None
        self._begun: ModelFit | None = None  # by `init`, of a fit of the algorithm alone
        self._results: list[Any] = []  # of the last apply, if there was one
        self._calls = _Calls()
        self._replaced: dict[str, Function] = {}  # by the name of the notebook's function
        self._target = SaveTarget(task.save_name, task.version_folder, task.keep_model_at, task.seen, task.pictures)
        if task.pictures:
            os.environ["DLTK_PICTURES"] = task.pictures

    # ------------------------------------------------------------ before and after cells

    def take_over(self) -> None:
        """Replace the functions that the notebook's cells have defined since the last call."""
        if self.task.data:
            self.namespace["stage"] = self.stage
        if self.task.plain:
            return
        for name in ("init", "fit", "apply", "save", "load"):
            function = self.namespace.get(name)
            if callable(function) and not isinstance(function, type) and function is not self._replaced.get(name):
                self._replaced[name] = self.namespace[name] = functools.wraps(function)(self._around(name, function))
        if self.task.kept_model:
            self.namespace.setdefault("load", self._around("load", None))
        if self.task.fits_alone:
            self.namespace.setdefault("save", self._around("save", None))

    def snapshot(self, path: str) -> None:
        """Pickle the variables for a resumed run; its cells define functions again.

        Raises:
            Exception: some of them cannot be pickled; then nothing is written.
        """
        state = (self.fit, self._begun, self._results, self._calls)
        content = pickle.dumps({"state": state, "variables": _variables(self.namespace)})
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.touch(mode=0o600)
        target.write_bytes(content)

    def restore(self, path: str) -> None:
        """Restore the variables of a snapshot, except those that cells have defined since."""
        kept = pickle.loads(Path(path).read_bytes())  # noqa: S301 - we wrote it ourselves, in our own home
        self.fit, self._begun, self._results, self._calls = kept["state"]
        self.namespace.update({name: value for name, value in kept["variables"].items() if name not in self.namespace})

    def finish(self, secrets: Sequence[str] = ()) -> None:
        """Save the model if no cell has, describe it, and write the report, and the results without `secrets`."""
        fit = self.fit if self.task.save_name else None
        if fit is not None:
            if not fit.saved:
                fit.save(self._notebooks("save"), fit.model, self._target)
            fit.describe(self.namespace.get("summary"))
            apply = self._notebooks("apply")
            if self.namespace.get(ROW_WISE) is True and self.task.fits_alone and self._results and apply is not None:
                fit.check_row_wise(apply, self._results[0])
        files.write(Path(self.task.folder), files.REPORT, self._report(fit, Scrubber(secrets)))

    # ------------------------------------------------------------ replaced functions

    def stage(self, name: str = "") -> tuple[pd.DataFrame, Meta]:  # noqa: ARG002 - notebooks name their data
        """Return the run's data and `param`, for any `name`."""
        task = self.task
        frame = _read(Path(task.data))
        param = files.meta_of(task, () if task.staged_meta else columns.features(frame, task))
        if task.declared:
            param["parameters"] = parameters.parameters(self.namespace)
        return frame[columns.sent(frame, param)] if task.alone else frame, param

    def _around(self, name: str, function: Function | None) -> Function:
        """Return the replacement of `function`, which nested calls of the notebook bypass."""
        replacement = getattr(self, f"_{name}")

        def around(*arguments: Any, **named: Any) -> Any:
            if function is not None and self._calls.nested:
                return function(*arguments, **named)
            return replacement(function, *arguments, **named)

        return around

    def _notebooks(self, name: str) -> Function | None:
        """Return the notebook's own function of this name; None if it has none."""
        function = getattr(self.namespace.get(name), "__wrapped__", None)
        return function if callable(function) else None

    def _init(self, function: Function, df: pd.DataFrame, param: Meta) -> Any:
        if not self.task.fits_alone:
            return self._calls("init", function, df, param)
        self._begun = ModelFit(df, param, self._calls, self.task.holdout)
        return self._begun.init(function, self.namespace.get("summary"))

    def _fit(self, function: Function, model: Any, df: pd.DataFrame, param: Meta) -> Any:
        fit = self._begun or ModelFit(df, param, self._calls)
        info = fit.fit(function, model)
        self.fit = fit
        return info

    def _apply(self, function: Function, model: Any, df: pd.DataFrame, param: Meta) -> Any:
        if self.task.fits_alone and self.fit is not None:
            results = self.fit.apply(function)
            self.fit.measure(results)
        else:
            results = self._calls("apply", function, model, df, param)
        self._results = [results]
        return results

    def _save(self, function: Function | None, model: Any, name: str) -> Any:
        if self.fit is not None and self.task.save_name:
            return self.fit.save(function, model, self._target)
        return self._calls("save", function, model, name) if function is not None else None

    def _load(self, function: Function | None, name: str) -> Any:
        if self.fit is not None and self.fit.saved:
            kept = function is None or self.fit.fitted.kept_by_runtime
            return (
                self.fit.model
                if kept or function is None
                else self._calls("load", function, file_name(self.task.save_name))
            )
        if self.task.kept_model:
            return read_pickle(self.task.kept_model)
        if function is None:
            raise RuntimeError("the notebook defines no load function, and no model was kept for it")
        return self._calls("load", function, file_name(self.task.load_name or name))

    # ------------------------------------------------------------ the end

    def _report(self, fit: ModelFit | None, scrubber: Scrubber) -> Report:
        results = self._write_results(scrubber)
        if fit is None:
            return Report(results=results)
        fitted = msgspec.structs.replace(fit.fitted, code=pack(_imported_modules()))
        return Report(fitted=fitted, targets=tuple(fit.meta.get("target_variables", ())), results=results)

    def _write_results(self, scrubber: Scrubber) -> int | None:
        """Write the results of the last apply, if any, to `out`; returns their number of rows."""
        if not self._results:
            if self.task.out:
                raise RuntimeError("no cell called apply, so that there are no results to write")
            return None
        results = self._with_kept(table.to_frame(self._results[0]))
        if self.task.out:
            target = Path(self.task.out)
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_name(f".{target.name}.unfinished")
            _write(results, unfinished, target.suffix, scrubber)
            unfinished.replace(target)
        return len(results)

    def _with_kept(self, results: pd.DataFrame) -> pd.DataFrame:
        """Return the results behind the columns of the rows that are kept; a result of that name replaces one."""
        if not self.task.keep:
            return results
        frame = _read(Path(self.task.data))
        names = columns.matching(frame, self.task.keep)
        if len(frame) != len(results):
            raise ValueError(
                f"--keep: apply returned {len(results)} rows for {len(frame)}, which belong to none of them"
            )
        kept = frame[[name for name in names if name not in results.columns]]
        return pd.concat([kept.reset_index(drop=True), results.reset_index(drop=True)], axis=1)


class _Calls:
    """Calls functions of the notebook. `nested` is true while one runs."""

    def __init__(self) -> None:
        self.nested = False

    def __call__(self, phase: str, function: Function, /, *arguments: Any) -> Any:  # noqa: ARG002 - a worker's has it
        before, self.nested = self.nested, True
        try:
            return function(*arguments)
        finally:
            self.nested = before


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".arrow":
        return arrow.read(memoryview(path.read_bytes()))
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


def _write(frame: pd.DataFrame, path: Path, suffix: str, scrubber: Scrubber) -> None:
    if suffix == ".parquet":
        frame = frame.rename(columns=lambda name: scrubber.text(str(name)))
        if scrubber:
            frame = frame.apply(_scrubbed, args=(scrubber,))
        frame.to_parquet(path, index=False)
    elif suffix == ".arrow":
        path.write_bytes(arrow.write(frame, scrubber.text if scrubber else None))
    else:
        path.write_text(scrubber.text(frame.to_csv(index=False)), encoding="utf-8", newline="")


def _scrubbed(column: pd.Series[Any], scrubber: Scrubber) -> pd.Series[Any]:
    kind = column.dtype
    if pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind):
        return column
    return column.map(scrubber.value, na_action="ignore")


def _imported_modules() -> list[Any]:
    """Return the sources that the notebook has imported as ``app.model.…``."""
    return [source for finder in sys.meta_path if isinstance(finder, CodeFinder) for source in finder.sources]


def _variables(namespace: Namespace) -> Namespace:
    """Return the variables of a notebook's cells, without definitions and IPython's own."""
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
