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
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pandas as pd

from dltk_runtime.notebook.file_names import file_name
from dltk_runtime.worker import describe
from dltk_runtime.worker.baselines import features_of
from dltk_runtime.worker.features import feature_names
from dltk_runtime.worker.holdout import held_out
from dltk_runtime.worker.messages import Fitted
from dltk_runtime.worker.model import own_copy, write_pickle

Function = Callable[..., Any]
Meta = dict[str, Any]
NOT_DESCRIBED = "The process ended in the fit's own apply, before it could describe the model."


class Target(NamedTuple):
    """Where a model is saved."""

    load_name: str  # the `name` for the notebook's `save`
    folder: str  # of the version: `save` stores its files below it
    kept_model: str  # path of the runtime's own pickle, for a `save` that stores nothing


class ModelFit:
    """One fit of a model to `frame`, whose rows it does not change.

    `call(phase, function, *arguments)` calls a function of the notebook. `holdout` is the share of
    rows, from 0 to below 1, that `init` and `fit` do not see. `fitted` is complete after
    `describe`; `done` and `saved` say whether `fit` and `save` have returned.
    """

    def __init__(self, frame: pd.DataFrame, meta: Meta, call: describe.Call, holdout: float = 0.0) -> None:
        self._call = call
        self.meta = meta
        self._rows = frame.copy()  # `fit` may write into the arrays of its own frame
        self._frame = _without_held_out(frame, meta, holdout) if holdout else frame
        self.model: Any = None
        self.done = False
        self.saved = False
        self.fitted = Fitted(
            rows=len(frame),
            features=features_of(frame),
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

    def save(self, save: Function | None, model: Any, target: Target) -> Any:
        """Store `model` with the notebook's `save`, or pickle it if that stores nothing.

        Returns what `save` returns. If nothing was stored and the model cannot be pickled, `call`
        raises or reports a TypeError.
        """
        returned = None if save is None else self._call("save", save, model, file_name(target.load_name))
        kept = not _is_stored(target)
        if kept:
            self._call("save", write_pickle, model, target.kept_model)
        self.model, self.saved = model, True
        self.fitted = msgspec.structs.replace(self.fitted, kept_by_runtime=kept)
        return returned

    def apply(self, apply: Function) -> Any:
        """Apply the model to all rows as they came; returns what `apply` returns."""
        self.model = own_copy(self.model)
        return self._call("apply", apply, self.model, self._rows, self.meta)

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


def _without_held_out(frame: pd.DataFrame, meta: Meta, share: float) -> pd.DataFrame:
    return frame[~held_out(frame, feature_names(meta, frame), share)].reset_index(drop=True)


def _is_stored(target: Target) -> bool:
    """Return whether there is any file of the model but a pickle of an earlier `save`."""
    kept_model = Path(target.kept_model)
    return any(entry.is_file() and entry != kept_model for entry in Path(target.folder).rglob("*"))
