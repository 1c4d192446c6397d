"""Apply a loaded model: for one request, or for several that came while the worker was busy."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from dltk_runtime.tables import table
from dltk_runtime.worker import features, row_wise
from dltk_runtime.worker.door import Visit
from dltk_runtime.worker.failure import PhaseFailed, fault
from dltk_runtime.worker.fit import Meta
from dltk_runtime.worker.loaded_model import LoadedModel
from dltk_runtime.worker.messages import Applied, Apply, ErrorReport, Failed
from dltk_runtime.worker.phase import Phases

Blob = bytes | memoryview
Answer = tuple[Applied | Failed, Blob]
Encode = Callable[[pd.DataFrame], Blob]


class ModelApply:
    """Applies a model for requests that differ in their rows alone.

    Attributes:
        shown: the model as the notebook's `apply` left it; None before.
        rows: the rows of each request as they came.
    """

    def __init__(
        self, loaded: LoadedModel, phases: Phases, request: Apply, meta: Callable[[], tuple[Meta, tuple[str, ...]]]
    ) -> None:
        """Prepare.

        Args:
            loaded: the model and its code.
            phases: runs the calls.
            request: what the requests have in common.
            meta: returns the notebook's `param`, anew for each call, and warnings about it.
        """
        self.shown: Any = None
        self.rows: list[pd.DataFrame] = []
        self._loaded = loaded
        self._phases = phases
        self._request = request
        self._meta = meta
        self._called = False

    def one(
        self, frame: pd.DataFrame, visit: Visit | None = None, encode: Encode = table.write
    ) -> tuple[Applied, Blob]:
        """Apply the model to a request's rows, and encode the result.

        Raises:
            PhaseFailed: the notebook or the request is at fault.
        """
        meta, notices = self._meta()
        rows = table.kept(frame)
        self.rows.append(rows)
        lacking, changed = self._looks(frame, splunks=visit is None)
        try:
            results = self._result(frame, meta)
            written = encoded(self._phases, results, encode)
        except PhaseFailed as failure:
            raise failure.led_by(lacking) from failure
        return self._answer(rows, len(results), (*notices, lacking, changed)), written

    def together(self, frames: Sequence[pd.DataFrame]) -> list[Answer]:
        """Apply the model once to the rows of requests with the same columns and types; else to each.

        What fails together is applied one by one, so that each request gets its own error. So are
        results with other columns or types than those of the fit: each might be of another type alone.
        """
        if len(frames) > 1:
            with contextlib.suppress(Exception):  # whatever it is, a request alone may go well
                return self._joined(frames)
        return [self._alone(each) for each in frames]

    def _alone(self, frame: pd.DataFrame) -> Answer:
        try:
            return self.one(frame)
        except PhaseFailed as failure:
            return Failed(failure.report), b""
        except Exception as error:  # noqa: BLE001 - a fault of our own costs this request alone
            return Failed(fault(error)), b""

    def _joined(self, frames: Sequence[pd.DataFrame]) -> list[Answer]:
        meta, notices = self._meta()
        kept = [table.kept(each) for each in frames]
        looks = [self._looks(each) for each in frames]
        results = self._result(pd.concat(frames, ignore_index=True), meta)
        parts = row_wise.cut(results, [len(each) for each in frames])
        if not row_wise.as_at_fit(results, parts, self._loaded.outputs, versions=bool(self._request.version_column)):
            raise PhaseFailed(ErrorReport("apply", "the results have other columns or types than those of the fit"))
        written = [encoded(self._phases, each) for each in parts]
        self.rows.extend(kept)
        answers = (self._answer(rows, len(rows), (*notices, *found)) for rows, found in zip(kept, looks, strict=True))
        return list(zip(answers, written, strict=True))

    def _looks(self, frame: pd.DataFrame, *, splunks: bool = True) -> tuple[str, str]:
        """Return the warnings of missing fields, and of others than the fit's.

        Raises:
            PhaseFailed: a field is missing, and the request refuses that.
        """
        lacking = features.missing(frame, self._loaded.features, splunks=splunks)
        if lacking and self._request.refuse_missing:
            raise PhaseFailed(ErrorReport("apply", lacking))
        return lacking, features.changed(frame, self._loaded.features)

    def _result(self, frame: pd.DataFrame, meta: Meta) -> pd.DataFrame:
        self.shown = self._loaded.copy(again=self._called)
        self._called = True
        result = self._phases.call("apply", self._loaded.algorithm.apply, self.shown, frame, meta)
        return as_frame(self._phases, result, self._request.version_column)

    @staticmethod
    def _answer(rows: pd.DataFrame, results: int, notices: Sequence[str]) -> Applied:
        lost = features.without_result(rows, results)
        return Applied(len(rows), results, tuple(filter(None, (*notices, lost))))


def as_frame(phases: Phases, result: Any, version_column: int) -> pd.DataFrame:
    """Return the result of `apply` as a frame, with a last column `model_version` unless that is 0.

    Raises:
        PhaseFailed: it cannot be made one.
    """
    with phases.entered("encode", function="apply"):
        results = table.to_frame(result)
        return results.assign(model_version=version_column) if version_column else results


def encoded(phases: Phases, results: pd.DataFrame, encode: Encode = table.write) -> Blob:
    """Encode a result, in the phase that `as_frame` entered.

    Raises:
        PhaseFailed: it cannot be encoded.
    """
    with phases.failing("apply"):
        return encode(results)
