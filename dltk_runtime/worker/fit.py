"""One fit, in the order of protocol 1.4: the same in a worker and in the kernel of a batch run.

::

    worker/handler.py ──┐  each function is a phase of the request
                        ├──> ModelFit: init, fit, save, apply, describe ──> Fitted
    batch/kernel.py ────┘  a cell calls each function; the end of the run calls what no cell has

Baselines are counted before the notebook sees the rows, held-out rows are removed before `init`,
the model is saved before the fit's own `apply`, and that `apply` gets the rows as they came.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pandas as pd

from dltk_runtime.notebook.file_names import file_name
from dltk_runtime.settings import keeps_values
from dltk_runtime.tables import plain, table
from dltk_runtime.worker import describe, row_wise
from dltk_runtime.worker.baselines import features_of
from dltk_runtime.worker.failure import worded
from dltk_runtime.worker.features import feature_names
from dltk_runtime.worker.holdout import held_out, scores
from dltk_runtime.worker.measuring import pictures_thrown_away
from dltk_runtime.worker.messages import Fitted
from dltk_runtime.worker.model import own_copy, write_pickle
from dltk_runtime.worker.seen import SeenRows
from dltk_runtime.worker.space import saving_to

Function = Callable[..., Any]
Meta = dict[str, Any]
NOT_DESCRIBED = "The process ended in the fit's own apply, before it could describe the model."


class SaveTarget(NamedTuple):
    """Where a model is saved."""

    load_name: str  # the `name` for the notebook's `save`
    folder: str  # of the version: `save` stores its files below it
    kept_model: str  # path of the runtime's own pickle, for a `save` that stores nothing
    seen: str = ""  # path for the file that tells which rows were seen; "" for none
    pictures: str = ""  # folder of the version's pictures; "" for none


class ModelFit:
    """One fit of a model to `frame`, whose rows it does not change.

    `call(phase, function, *arguments)` calls a function of the notebook. `holdout` is the share of
    rows, from 0 to below 1, that `init` and `fit` do not see. `fitted` is complete after
    `describe`; `done` and `saved` say whether `fit` and `save` have returned.
    """

    def __init__(self, frame: pd.DataFrame, meta: Meta, call: describe.NotebookCall, holdout: float = 0.0) -> None:
        self._call = call
        self.meta = meta
        self._asked = _copied(meta)  # before the notebook changes it
        self._rows = frame.copy()  # `fit` may write into the arrays of its own frame
        self._held_out = held_out(frame, feature_names(meta, frame), holdout) if holdout else None
        self._frame = frame if self._held_out is None else frame[~self._held_out].reset_index(drop=True)
        self._seen = SeenRows.of(self._frame, feature_names(meta, frame)) if _target(meta, frame) else None
        self.model: Any = None
        self.done = False
        self.saved = False
        self.fitted = Fitted(
            rows=len(frame),
            features=features_of(frame, keep_values=keeps_values()),
            info=b"null",
            metrics={},
            description=describe.description(NOT_DESCRIBED, None),
            code=b"",
            libraries={},
            kept_by_runtime=False,
            held_out=len(frame) - len(self._frame),
        )

    def init(self, init: Function, summary: Function | None) -> Any:
        """Make the model.

        Published notebooks rely on one call of `summary` before `init` and one after it.
        """
        self._asked = _copied(self.meta)
        self._summarize(summary)
        self.model = self._call("init", init, self._frame, self.meta)
        self._summarize(summary, self.model)
        return self.model

    def fit(self, fit: Function, model: Any) -> Any:
        """Train `model`, which need not come from `init`; returns what `fit` returns."""
        info = self._call("fit", fit, model, self._frame, self.meta)
        self.model, self.done = model, True
        self.fitted = msgspec.structs.replace(
            self.fitted,
            info=describe.to_json(info),
            metrics=describe.metrics(info),
            libraries=describe.libraries(),
            notices=describe.warnings(info),
        )
        return info

    def save(self, save: Function | None, model: Any, target: SaveTarget) -> Any:
        """Store `model` with the notebook's `save`, or pickle it if that stores nothing.

        Returns what `save` returns. If nothing was stored and the model cannot be pickled, `call`
        raises or reports a TypeError.
        """
        with saving_to(Path(target.folder)):
            returned = None if save is None else self._call("save", save, model, file_name(target.load_name))
            kept = not _is_stored(target)
            if kept:
                self._call("save", write_pickle, model, target.kept_model)
            if self._seen is not None and target.seen:
                self._seen.write(Path(target.seen))
        self.model, self.saved = model, True
        self.fitted = msgspec.structs.replace(self.fitted, kept_by_runtime=kept)
        return returned

    def apply(self, apply: Function) -> Any:
        """Apply the model to all rows as they came; returns what `apply` returns."""
        self.model = own_copy(self.model)
        return self._call("apply", apply, self.model, table.kept(self._rows), self.meta)

    def measure(self, results: Any) -> None:
        """Add the columns of `results` to `fitted`, which are those of `apply`.

        With a hold-out also the figures of held-out rows, and of the others if `fit` returned none.
        They need a row for each row that was sent.
        """
        with contextlib.suppress(Exception):  # that the results cannot be written is found, and said, elsewhere
            columns = plain.result_columns(table.to_frame(results))
            self.fitted = msgspec.structs.replace(self.fitted, outputs=tuple(columns))
        if self._held_out is None or not (name := _target(self.meta, self._rows)):
            return
        try:
            predicted, truth = table.to_frame(results).iloc[:, 0], self._rows[name]
            own, unseen = (
                scores(predicted[rows], truth[rows]) if len(predicted) == len(truth) else {}
                for rows in (~self._held_out, self._held_out)
            )
        except Exception as error:  # noqa: BLE001 - figures that cannot be computed must not cost the model
            self.note(f"the held-out rows were not measured: {type(error).__name__}")
            return
        metrics = self.fitted.metrics or own
        self.fitted = msgspec.structs.replace(self.fitted, metrics=metrics, holdout_metrics=unseen)

    def check_row_wise(self, apply: Function, results: Any) -> None:
        """Note in `fitted` whether each of the `results` depends on its row alone, as the notebook says.

        Its own rows show it, as `row_wise.dependence` says; otherwise there is a notice. The model
        may be changed: call it when that is described.
        """

        def again(frame: pd.DataFrame) -> pd.DataFrame:
            return table.to_frame(self._call("apply", apply, own_copy(self.model), frame, _copied(self._asked)))

        try:
            with pictures_thrown_away():
                found = row_wise.dependence(again, self._rows, table.to_frame(results))
        except Exception as error:  # noqa: BLE001 - what an apply of few rows raises must not cost the model
            found = worded(error)
        self.fitted = msgspec.structs.replace(self.fitted, row_wise=not found)
        if found:
            self.note(f"small applies are not joined although the notebook has row_wise = True: {found}")

    @property
    def rows(self) -> pd.DataFrame:
        """The rows as they came."""
        return self._rows

    def note(self, notice: str) -> None:
        """Add a notice to `fitted`, unless it is empty."""
        if notice:
            self.fitted = msgspec.structs.replace(self.fitted, notices=(*self.fitted.notices, notice))

    def describe(self, summary: Function | None) -> None:
        """Add the model's text and summary, and the libraries imported meanwhile, to `fitted`."""
        description, notice = describe.described(self.model, summary, self._call)
        self.fitted = msgspec.structs.replace(
            self.fitted,
            description=description,
            libraries=describe.libraries(),
            notices=(*self.fitted.notices, *filter(None, [notice])),
        )

    def _summarize(self, summary: Function | None, *model: Any) -> None:
        if summary is not None:
            with contextlib.suppress(Exception):  # the result is not used
                self._call("summary", summary, *model)


def _target(meta: Meta, frame: pd.DataFrame) -> str:
    """Return the name of the target's column; "" without one."""
    return next((str(name) for name in meta.get("target_variables") or () if str(name) in frame), "")


def _copied(meta: Meta) -> Meta:
    """Copy `meta`, unless a cell of a batch run has put something into it that cannot be copied."""
    try:
        return copy.deepcopy(meta)
    except Exception:  # noqa: BLE001 - whatever an object of the notebook's raises
        return meta


def _is_stored(target: SaveTarget) -> bool:
    """Return whether there is any file of the model but those of an earlier `save` of the runtime's own."""
    own = {Path(target.kept_model), Path(target.seen)}
    files = (entry for entry in Path(target.folder).rglob("*") if entry.is_file())
    return any(entry not in own and Path(target.pictures or target.seen) not in entry.parents for entry in files)
