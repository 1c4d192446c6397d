"""What a worker does for a request, step by step, in the order of protocol 1.4.

Every call into notebook code goes through `Steps.call`, which first tells the front process
which step begins and where its function stands, so that even a death has coordinates.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from dltk_runtime.errors import NotStaged, cut
from dltk_runtime.notebook import parameters
from dltk_runtime.notebook.algorithm import Algorithm
from dltk_runtime.notebook.coordinates import coordinates, format_traceback
from dltk_runtime.paths import Paths
from dltk_runtime.tables import table
from dltk_runtime.worker import describe, features
from dltk_runtime.worker.ahead import Reading
from dltk_runtime.worker.baselines import Tally, kinds_of
from dltk_runtime.worker.code import LoadedCode
from dltk_runtime.worker.failure import StepFailed, leave_fork, sentence
from dltk_runtime.worker.features import features_of
from dltk_runtime.worker.holdout import held_out, scores
from dltk_runtime.worker.messages import (
    Applied,
    Apply,
    Code,
    Counts,
    Described,
    Entered,
    ErrorReport,
    FeatureKind,
    Fit,
    Fitted,
    Load,
    Loaded,
    Saved,
    Score,
    Scored,
    Stage,
    Staged,
)
from dltk_runtime.worker.model import led_by, own_copy, pickle_into, unpickle
from dltk_runtime.worker.pristine import Pristine

Blob = bytes | memoryview
Meta = dict[str, Any]
UNDESCRIBED = "The process ended in the fit's own apply, before it could describe the model."


class Steps:
    """One algorithm's life in this worker: its code, the loaded model, and the requests for it."""

    def __init__(self, paths: Paths, tell: Callable[[Entered | Code | Saved], None], reading: Reading) -> None:
        self._tell = tell
        self._reading = reading
        self._code = LoadedCode(paths, tell)
        self._process = os.getpid()
        self._model: Any = None
        self._shown: Any = None  # the model as the last apply left it
        self._pristine: Pristine | None = None
        self._tally = Tally(())
        self._counted: pd.DataFrame | None = None  # the rows of the last apply, until they are counted
        self._targets: tuple[str, ...] = ()
        self._features: tuple[FeatureKind, ...] = ()

    # ------------------------------------------------------------ requests

    def fit(self, request: Fit, blob: Blob) -> tuple[Fitted, bytes]:
        """Decode, init, fit, save, apply and describe; see the module's text for the order."""
        meta: Meta = json.loads(request.meta)
        frame = self._decode(blob, request.plain)
        kinds = kinds_of(frame)
        untouched = frame.copy()  # apply sees the rows as they came, whatever fit writes into arrays behind its frame
        if request.holdout:
            frame = frame[~held_out(frame, features_of(meta, frame), request.holdout)].reset_index(drop=True)
        held = len(untouched) - len(frame)
        algorithm = self._load_code(request.algorithm, kept=None)
        with self._failing("parameters"):
            problems = parameters.add_parameters(meta, algorithm.parameters)
            parameters.refuse(algorithm.name, problems, algorithm.parameters)
        self._summarize_quietly(algorithm)
        model = self.call("init", algorithm.init, frame, meta)
        self._summarize_quietly(algorithm, model)
        info = self.call("fit", algorithm.fit, model, frame, meta)
        fitted = Fitted(
            rows=len(untouched),
            features=kinds,
            info=describe.to_json(info),
            metrics=describe.metrics(info),
            description=describe.description(UNDESCRIBED, None),
            code=self._code.packed(),
            libraries=describe.libraries(),
            kept_by_runtime=self._save(algorithm, model, request),
            notices=describe.warnings(info),
            held_out=held,
        )
        self._tell(Saved(fitted))
        apply_error, results, shown = None, b"", model
        try:
            shown = own_copy(model)
            results, _ = self._apply(algorithm, shown, untouched, meta, request.version_column)
        except StepFailed as failure:
            apply_error = failure.report
        description, notice = self._describe(algorithm, shown)
        return msgspec.structs.replace(
            fitted,
            description=description,
            code=self._code.packed(),
            libraries=describe.libraries(),
            apply_error=apply_error,
            notices=(*fitted.notices, *filter(None, [notice])),
        ), results

    def load(self, request: Load) -> Loaded:
        """Load the model with the notebook's code, or with the version's when that does not load."""
        self._targets, self._features = request.targets, request.features
        self._tally = Tally(request.features)
        try:
            self._load_model(request, kept=None)
            notice = ""
        except StepFailed as failure:
            if not request.code:
                raise
            self._go_on_with_kept_code(request, failure)
            notice = str(failure.report)
        self._pristine = Pristine(self._model)
        return Loaded(states=tuple(self._code.states), notice=notice)

    def apply(self, request: Apply, blob: Blob) -> tuple[Applied, bytes]:
        """Apply the loaded model to the rows of the request."""
        meta, notices = self._meta_of_apply(request.meta)
        frame, in_vain = self._rows_of_apply(request, blob)
        rows, self._counted = len(frame), frame.copy(deep=False)  # copied on write: the notebook's changes stay away
        lacking, changed = features.missing(frame, self._features), features.changed(frame, self._features)
        if lacking and request.refuse_missing:
            raise StepFailed(ErrorReport("apply", lacking))
        self._shown = own_copy(self._model)
        try:
            results, result_rows = self._apply(self._loaded(), self._shown, frame, meta, request.version_column)
        except StepFailed as failure:
            raise led_by(lacking, failure) from failure
        return Applied(rows, result_rows, (*notices, *filter(None, (lacking, changed))), in_vain), results

    def score(self, request: Score, blob: Blob) -> Scored:
        """How the loaded model does on the rows that the fit did not see."""
        meta, _ = self._meta_of_apply(request.meta)
        frame = self._decode(blob, request.plain)
        rows = frame[held_out(frame, features_of(meta, frame), request.holdout)].reset_index(drop=True)
        algorithm = self._loaded()
        result = self.call("apply", algorithm.apply, own_copy(self._model), rows.copy(), meta)
        self._enter("score", "apply")
        with self._failing("apply"):
            predicted = table.to_frame(result).iloc[:, 0].reset_index(drop=True)
            return Scored(rows=len(rows), metrics=scores(predicted, rows[request.target]))

    def undo(self) -> None:
        """Make the model again what it was when it was loaded, after an answer is on its way."""
        if self._pristine is not None:
            self._model = self._pristine.restored(self._model)

    @property
    def counted(self) -> int:
        """The rows that were counted since the last `counts`."""
        return self._tally.rows

    def count(self) -> None:
        """Count the rows of the last apply, once, after its answer."""
        frame, self._counted = self._counted, None
        if frame is not None:
            self._tally.add(frame)

    def counts(self) -> Counts:
        """How the rows of the last applies are spread."""
        return Counts(*self._tally.take())

    def stage(self, request: Stage, blob: Blob) -> Staged:
        """Write the rows to the file that the request names, once they are known to be a frame."""
        self._enter("decode")
        with self._failing("decode"):
            csv = bytes(blob) if request.plain else table.unescape(blob)
            rows = len(table.read(csv))
        self._enter("stage")
        with self._failing("stage"):
            try:
                Path(request.csv).write_bytes(csv)
            except OSError as error:
                raise NotStaged(Path(request.csv).parent, error) from error
        return Staged(rows=rows)

    def describe(self) -> Described:
        """`str(model)` and ``summary(model)`` as the last apply left the model."""
        shown = self._model if self._shown is None else self._shown
        return Described(self._describe(self._loaded(), shown)[0])

    # ------------------------------------------------------------ steps

    def call(self, step: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of the notebook.

        Raises:
            StepFailed: it raised anything at all, SystemExit included.
        """
        self._enter(step)
        with self._failing(step):
            return function(*arguments)

    def _enter(self, step: str, function: str = "") -> None:
        self._tell(Entered(step, self._place(function or step)))

    def _place(self, function: str) -> str:
        return self._code.place(function)

    @contextlib.contextmanager
    def _failing(self, step: str) -> Iterator[None]:
        """Turn whatever is raised inside into `StepFailed` of this step, and end a fork that comes back from it."""
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt too: notebooks raise anything
            failure = error
        if os.getpid() != self._process:
            leave_fork(failure)
        if isinstance(failure, StepFailed):
            raise failure
        if failure is not None:
            raise StepFailed(self._report(step, failure)) from failure

    def _report(self, step: str, error: BaseException) -> ErrorReport:
        """The failure as text, with the coordinates of the innermost notebook line, or those of the step's function."""
        place = coordinates(error)
        return ErrorReport(
            step=step,
            sentence=sentence(error),
            coordinates=str(place) if place else self._place(step),
            traceback=cut(format_traceback(error)),
        )

    def _meta_of_apply(self, text: bytes) -> tuple[Meta, tuple[str, ...]]:
        """`meta` with the fit's target, which no apply carries and some notebooks read, and typed parameters.

        The second value warns of parameters: stored ones return after the notebook was edited.
        """
        meta: Meta = json.loads(text)
        if self._targets:
            meta.setdefault("target_variables", list(self._targets))
        return meta, parameters.add_parameters(meta, self._loaded().parameters)

    def _decode(self, blob: Blob, plain: bool) -> pd.DataFrame:
        self._enter("decode")
        with self._failing("decode"):
            return table.read(blob if plain else table.unescape(blob))

    def _rows_of_apply(self, request: Apply, blob: Blob) -> tuple[pd.DataFrame, bool]:
        """The frame, and whether its rows were read ahead in vain."""
        if not self._reading.has(request.ahead):
            return self._decode(blob, request.plain), False
        self._enter("decode")
        with self._failing("decode"):
            frame = self._reading.frame()
        return (self._decode(blob, request.plain), True) if frame is None else (frame, False)

    def _load_code(self, name: str, kept: Path | None) -> Algorithm:
        self._enter("code")
        with self._failing("code"):
            return self._code.load(name, kept)

    def _load_model(self, request: Load, kept: Path | None) -> None:
        algorithm = self._load_code(request.algorithm, kept)
        if request.kept_model:
            self._model = self.call("load", unpickle, request.kept_model)
        elif algorithm.load is None:
            raise StepFailed(ErrorReport("load", f"the notebook '{request.algorithm}' defines no load function"))
        else:
            self._model = self.call("load", algorithm.load, request.load_name)

    def _go_on_with_kept_code(self, request: Load, failure: StepFailed) -> None:
        states = self._code.states
        try:
            self._load_model(request, kept=Path(request.code))
        except StepFailed:
            raise failure from None  # the notebook's own failure is the one that its author can mend
        self._code.depend_on(states)  # the notebook's next change ends the makeshift

    def _save(self, algorithm: Algorithm, model: Any, request: Fit) -> bool:
        """Save the model; True when `save` stored nothing and the runtime keeps the model itself."""
        if algorithm.save is not None:
            self.call("save", algorithm.save, model, request.load_name)
        if any(entry.is_file() for entry in Path(request.folder).rglob("*")):
            return False
        self._enter("save")
        with self._failing("save"), open(request.kept_model, "wb") as file:
            pickle_into(file, model)
        return True

    def _apply(
        self, algorithm: Algorithm, model: Any, frame: pd.DataFrame, meta: Meta, version_column: int
    ) -> tuple[bytes, int]:
        result = self.call("apply", algorithm.apply, model, frame, meta)
        self._enter("encode", "apply")
        with self._failing("apply"):
            results = table.to_frame(result)
            if version_column:
                results = results.assign(model_version=version_column)
            return table.write(results), len(results)

    def _describe(self, algorithm: Algorithm, model: Any) -> tuple[bytes, str]:
        notice = ""
        summary: Any = None
        if algorithm.summary is not None:
            try:
                summary = self.call("summary", algorithm.summary, model)
            except StepFailed as failure:
                notice = f"summary failed: {failure.report}"
        return describe.description(model, summary), notice

    def _summarize_quietly(self, algorithm: Algorithm, *model: Any) -> None:
        """The two calls of `summary` before a fit that notebooks are used to; what they raise is of no use."""
        if algorithm.summary is not None:
            with contextlib.suppress(StepFailed):
                self.call("summary", algorithm.summary, *model)

    # ------------------------------------------------------------ state

    def _loaded(self) -> Algorithm:
        if self._code.algorithm is None:
            raise StepFailed(ErrorReport("load", "no model is loaded"))
        return self._code.algorithm
