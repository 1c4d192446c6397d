"""The requests of one worker: each is a method that runs it phase by phase (protocol 1.4)."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from dltk_runtime import gang
from dltk_runtime.errors import NotStaged
from dltk_runtime.notebook import parameters
from dltk_runtime.notebook.places import clash
from dltk_runtime.paths import Paths
from dltk_runtime.payload import Payload
from dltk_runtime.tables import comparing, table
from dltk_runtime.tables.plain import Scrub
from dltk_runtime.worker import describe, features, row_wise
from dltk_runtime.worker.applying import ModelApply, as_frame, encoded
from dltk_runtime.worker.baselines import BinTally
from dltk_runtime.worker.code import LoadedCode
from dltk_runtime.worker.converting import OnnxCandidate, as_float32
from dltk_runtime.worker.door import Visit
from dltk_runtime.worker.failure import PhaseFailed
from dltk_runtime.worker.fit import Meta, ModelFit, SaveTarget
from dltk_runtime.worker.gang_messages import Gang, Kept, Listens, Trained
from dltk_runtime.worker.holdout import scores
from dltk_runtime.worker.loaded_model import LoadedModel
from dltk_runtime.worker.measuring import pictures_thrown_away, unseen
from dltk_runtime.worker.messages import (
    Applied,
    AppliedTogether,
    Apply,
    ApplyTogether,
    Code,
    Compare,
    Compared,
    Convert,
    Converted,
    Counts,
    Described,
    Entered,
    ErrorReport,
    Failed,
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
from dltk_runtime.worker.model import own_copy
from dltk_runtime.worker.phase import Phases
from dltk_runtime.worker.read_ahead import AheadReader

Blob = bytes | memoryview


class Handler:
    """Handles the requests for one algorithm; holds its code, its model and counts of rows.

    A method that runs a request raises `PhaseFailed` if the notebook or the request is at fault.
    """

    def __init__(
        self,
        paths: Paths,
        send: Callable[[Entered | Code | Saved | Listens | Kept], None],
        reader: AheadReader,
        scrub: Scrub | None = None,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a handler.

        `scrub` removes the notebook's secrets from results that are not Splunk's; `settle` is that of
        `LoadedModel`.
        """
        self._paths = paths
        self._scrub = scrub
        self._send = send
        self._reader = reader
        self._code = LoadedCode(paths, send)
        self._phases = Phases(send, self._code.place, self._code.advice)
        self._loaded = LoadedModel(self._code, self._phases, settle)
        self._shown: Any = None  # the model after the last apply
        self._uncounted: list[pd.DataFrame] = []  # the rows of the last apply
        self._tally = BinTally(())

    # ------------------------------------------------------------ requests

    def fit(self, request: Fit, sent: Payload) -> tuple[Fitted | Trained, Blob]:
        """Fit and save a model, apply it to the same rows, and describe it, as `ModelFit` says.

        A rank other than 0 of a gang only fits.
        """
        meta: Meta = json.loads(request.meta)
        gang.be(_rank(request.gang, self._send))
        if request.pictures:
            self._code.keep_pictures_in(Path(request.pictures))
        fit = ModelFit(self._decode(sent), meta, self._phases.call, request.holdout)
        algorithm = self._loaded.load_code(request.algorithm, kept=Path(request.code) if request.code else None)
        with self._phases.failing("parameters"):
            problems = parameters.add_parameters(meta, algorithm.parameters)
            refused = problems.all if request.refuse_unknown else problems.invalid
            parameters.refuse(algorithm.name, refused, algorithm.parameters)
        model = fit.init(algorithm.init, algorithm.summary)
        fit.fit(algorithm.fit, model)
        if request.gang is not None and request.gang.rank:
            return Trained(), b""
        places = (request.folder, request.kept_model, request.seen, request.pictures)
        fit.save(algorithm.save, model, SaveTarget(request.load_name, *places))
        self._send(Saved(msgspec.structs.replace(fit.fitted, code=self._code.packed())))
        apply_error: ErrorReport | None = None
        results: Blob = b""
        try:
            result = fit.apply(algorithm.apply)
            frame = as_frame(self._phases, result, request.version_column)
            results = encoded(self._phases, frame)
            fit.measure(result)
            fit.note(features.without_result(fit.rows, len(frame)))
        except PhaseFailed as failure:
            apply_error = failure.report
        fit.describe(algorithm.summary)
        if algorithm.row_wise and apply_error is None:  # last: it may change the model that was described
            fit.check_row_wise(algorithm.apply, result)
        ignored = [each.rstrip(".") for each in problems.unknown]
        notices = (*fit.fitted.notices, *ignored, *filter(None, [clash(algorithm.name, self._paths)]))
        fitted = msgspec.structs.replace(fit.fitted, code=self._code.packed(), apply_error=apply_error, notices=notices)
        return fitted, results

    def load(self, request: Load) -> Loaded:
        """Load the model with the notebook's code, or with the version's if that fails."""
        self._tally = BinTally(request.features)
        return self._loaded.load(request)

    def apply(self, request: Apply, sent: Payload) -> tuple[Applied, Blob]:
        """Apply the loaded model to the rows of the request."""
        frame, in_vain, visit = self._rows_of_apply(request, sent)
        encode = functools.partial(visit.write, scrub=self._scrub) if visit else table.write
        with self._applying(request, visit) as apply:
            answer, results = apply.one(frame, visit, encode)
        return msgspec.structs.replace(answer, in_vain=in_vain), results

    def apply_together(self, request: ApplyTogether) -> AppliedTogether:
        """Apply the loaded model to the rows of several requests, as one where their columns are alike."""
        answers: dict[int, tuple[Applied | Failed, Blob]] = {}
        frames: dict[int, pd.DataFrame] = {}
        for number, rows in enumerate(request.rows):
            try:
                frames[number] = self._decode(Payload(rows, escaped=request.escaped))
            except PhaseFailed as failure:
                answers[number] = Failed(failure.report), b""
        with self._applying(request.apply) as apply:
            for group in row_wise.groups(frames) if self._loaded.row_wise else [[number] for number in frames]:
                found = apply.together([frames[number] for number in group])
                answers.update(zip(group, found, strict=True))
        inorder = [answers[number] for number in range(len(request.rows))]
        return AppliedTogether(tuple(each for each, _ in inorder), tuple(bytes(results) for _, results in inorder))

    def score(self, request: Score, sent: Payload) -> Scored:
        """Compute the loaded model's metrics on the rows that no version has seen."""
        meta, _ = self._loaded.meta(request.meta)
        frame, algorithm = self._decode(sent), self._loaded.algorithm
        with self._phases.entered("select"):
            rows = unseen(frame, request.seen)
        if rows.empty:
            return Scored(rows=0, metrics={})
        with pictures_thrown_away():
            result = self._phases.call("apply", algorithm.apply, own_copy(self._loaded.model), rows.copy(), meta)
        with self._phases.entered("score", function="apply"):
            predicted = table.to_frame(result).iloc[:, 0].reset_index(drop=True)
            return Scored(rows=len(rows), metrics=scores(predicted, rows[request.target]))

    def convert(self, request: Convert, sent: Payload) -> tuple[Converted, Blob]:
        """Make an ONNX file of the loaded model and compare it with apply on the rows."""
        meta, _ = self._loaded.meta(request.meta)
        algorithm = self._loaded.algorithm
        with self._phases.entered("decode"):
            rows = as_float32(table.read(_csv(sent)), request.features)
        candidate = OnnxCandidate(request, own_copy(self._loaded.model), algorithm.to_onnx)
        with self._phases.entered("to_onnx"):
            candidate.convert()
        with pictures_thrown_away():
            result = self._phases.call("apply", algorithm.apply, own_copy(self._loaded.model), rows.copy(), meta)
        with self._phases.entered("to_onnx"):
            return candidate.compared(table.to_frame(result).reset_index(drop=True), rows)

    def stage(self, request: Stage, sent: Payload) -> Staged:
        """Write the rows to the file that the request names, once they are known to be a frame."""
        with self._phases.entered("decode"):
            csv = bytes(_csv(sent))
            rows = len(table.read(csv))
        with self._phases.entered("stage"):
            try:
                Path(request.csv).write_bytes(csv)
            except OSError as error:
                raise NotStaged(Path(request.csv).parent, error) from error
        return Staged(rows=rows)

    def compare(self, request: Compare, sent: Payload) -> Compared:
        """Compare the two tables that were sent one behind the other."""
        with self._phases.entered("compare"):
            both = sent.view()
            parts = (both[: request.first], both[request.first :])
            return Compared(comparing.compare(*map(table.unescape, parts)))

    def describe(self) -> Described:
        """Describe the model as the last apply left it."""
        shown = self._loaded.model if self._shown is None else self._shown
        description, _ = describe.described(shown, self._loaded.algorithm.summary, self._phases.call)
        return Described(description)

    # ------------------------------------------------------------ between requests

    def restore(self) -> None:
        """Undo what an apply changed in the model; call it once the answer is sent."""
        self._loaded.restore()

    @property
    def counted(self) -> int:
        """The number of rows that were counted since the last `counts`."""
        return self._tally.rows

    def count(self) -> None:
        """Count the rows of the last apply, once; call it when the answer is sent."""
        frames, self._uncounted = self._uncounted, []
        for frame in frames:
            self._tally.add(frame)

    def counts(self) -> Counts:
        """Return the distribution of the rows counted since the last call."""
        return Counts(*self._tally.take())

    # ------------------------------------------------------------ phases

    def _decode(self, sent: Payload) -> pd.DataFrame:
        with self._phases.entered("decode"):
            return table.read(_csv(sent))

    def _rows_of_apply(self, request: Apply, sent: Payload) -> tuple[pd.DataFrame, bool, Visit | None]:
        """Return the frame, whether such rows can only be read whole, and what else came with them."""
        if request.door is not None:
            with self._phases.entered("decode"):
                visit = Visit.of(request.door, sent)
            return visit.sheet.frame, False, visit
        if not self._reader.has(request.ahead):
            return self._decode(sent), False, None
        with self._phases.entered("decode"):
            frame, in_vain = self._reader.take_frame()
        return self._decode(sent) if frame is None else frame, in_vain, None

    @contextlib.contextmanager
    def _applying(self, request: Apply, visit: Visit | None = None) -> Iterator[ModelApply]:
        """Yield what applies the model; its rows are counted, and the model is shown, also after a failure."""
        meta = functools.partial(self._loaded.meta, request.meta, visit)
        apply = ModelApply(self._loaded, self._phases, request, meta)
        try:
            yield apply
        finally:
            self._uncounted = apply.rows
            self._shown = self._shown if apply.shown is None else apply.shown


def _rank(asked: Gang | None, send: Callable[[Listens | Kept], None]) -> gang.Rank | None:
    """Return this worker's rank as its notebook sees it."""
    if asked is None:
        return None
    return gang.Rank(
        asked.rank,
        asked.ranks,
        asked.address,
        Path(asked.folder),
        listens=lambda port: send(Listens(port)),
        kept=lambda step: send(Kept(step)),
    )


def _csv(rows: Payload) -> bytes | memoryview:
    """Return rows as plain CSV."""
    return table.unescape(rows.view()) if rows.escaped else rows.view()
