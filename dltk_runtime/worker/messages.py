"""Every message between the front process and a worker, in two sections by direction.

A message may have rows, a `payload.Payload`; large ones are not copied into it (`channel.py`).
Those of a fit by several workers alone are in `gang_messages.py`.
"""

from __future__ import annotations

import msgspec

from dltk_runtime.files.state import FileState
from dltk_runtime.onnx.difference import Difference
from dltk_runtime.payload import Door
from dltk_runtime.tables.feature import Feature
from dltk_runtime.tables.figures import TableFigures
from dltk_runtime.tables.result_column import ResultColumn
from dltk_runtime.worker.gang_messages import Gang, Kept, Listens, Trained


class Message(msgspec.Struct, frozen=True, tag=True):
    """The base class: frozen, and tagged with the class's name when encoded."""


SUMMARY_FAILED = "summary failed: "  # begins the notice of a summary that raised


class ErrorReport(Message, frozen=True):
    """A failure of notebook code, as text: exceptions never cross the boundary."""

    phase: str  # in which it happened: "init", "fit", …
    sentence: str  # "ValueError: could not convert …"
    coordinates: str = ""  # "umap.ipynb, cell 22 (mltkc_fit), line 7: `x = float(s)`"
    traceback: str = ""
    note: str = ""  # a sentence with the next step
    kind: str = ""  # "ValueError": the type alone

    def __str__(self) -> str:
        text = f"{self.sentence} (at {self.coordinates})" if self.coordinates else self.sentence
        return f"{text.rstrip('.')}. {self.note}" if self.note else text


# ---------------------------------------------------------------- front process → worker

CANCELLED = 2**32  # eventfd value that ends a read-ahead; larger than any count of chunks


class Fit(Message, frozen=True):
    """Fit a model and save it. Rows: the request's. Answered by `Fitted` or `Failed`, by other ranks by `Trained`."""

    algorithm: str
    load_name: str  # the `name` for save()
    folder: str  # of the version: save() stores its files below it
    kept_model: str  # path of the runtime's own pickle, for a save() that stores nothing
    meta: bytes  # JSON
    device: str = ""  # the only GPU to be visible, as CUDA names it; "" for no restriction
    holdout: float = 0.0  # share of the rows that `fit` must not see
    seen: str = ""  # path for the file that tells which rows `fit` has seen; "" for none
    pictures: str = ""  # folder for pictures: those of a version that is not promoted are not shown
    version_column: int = 0  # the value of a last column `model_version`; 0 for no such column
    refuse_unknown: bool = False  # whether a parameter that the notebook does not declare is an error
    code: str = ""  # path of a code.json to run in place of the notebook; "" where the notebook is
    curves: str = ""  # folder for the reported metrics, as TensorBoard reads them; "" for none
    variables: dict[str, str] = {}  # for the environment: where the notebook's own runs of MLflow go
    gang: Gang | None = None  # None: it fits alone


class Load(Message, frozen=True):
    """Load a model for applies. Answered by `Loaded` or `Failed`."""

    algorithm: str
    load_name: str  # the `name` for load()
    device: str = ""  # as in `Fit`
    code: str = ""  # path of the version's code.json, used if the notebook does not load
    pinned: bool = False  # whether to run that code, and not the notebook's
    kept_model: str = ""  # path of the runtime's own pickle, if save() stored nothing
    targets: tuple[str, ...] = ()  # the fit's target_variables: apply requests have none
    features: tuple[Feature, ...] = ()  # that the model was fitted on, without targets
    outputs: tuple[ResultColumn, ...] = ()  # of the fit's own apply
    row_wise: bool = False  # whether the fit has seen that each result depends on its row alone


class Apply(Message, frozen=True):
    """Apply the loaded model. Rows: the request's. Answered by `Applied` or `Failed`."""

    meta: bytes  # JSON
    version_column: int = 0  # as in `Fit`
    refuse_missing: bool = False  # whether a missing feature is an error
    ahead: int = 0  # the number of the `ReadAhead` for these rows; 0 for none
    door: Door | None = None  # None: rows and results are CSV, as Splunk's


class ApplyTogether(Message, frozen=True):
    """Apply the loaded model to the rows of several requests that differ in nothing else.

    Answered by `AppliedTogether` or `Failed`.
    """

    apply: Apply  # of each of them
    rows: tuple[bytes, ...]
    escaped: bool  # as `Payload.escaped`, of all of them


class ReadAhead(Message, frozen=True):
    """Announce rows that are still arriving, and for which an `Apply` may follow. Not answered.

    Files: the memory file that the rows are written to, and an eventfd. The front process adds 1
    to the eventfd for each chunk, and `CANCELLED` after that `Apply` or when the rows will not be
    applied here.
    """

    number: int
    expected: int  # bytes of all rows, approximately


class Score(Message, frozen=True):
    """Apply the loaded model to the rows that no version has seen; compare with the target.

    Answered by `Scored` or `Failed`.
    """

    meta: bytes  # JSON
    target: str
    seen: tuple[str, ...]  # paths: a row in any of these files is left out


class Stage(Message, frozen=True):
    """Parse the rows, and write them as CSV. Answered by `Staged` or `Failed`."""

    csv: str  # path to write to


class Compare(Message, frozen=True):
    """Compare two tables. Rows: both, as JSON string literals one behind the other.

    Answered by `Compared` or `Failed`.
    """

    first: int  # bytes of the first one


class Convert(Message, frozen=True):
    """Make an ONNX file of the loaded model, and compare it with apply on the rows.

    Answered by `Converted` or `Failed`.
    """

    meta: bytes  # JSON, as an apply's
    features: tuple[str, ...]  # in the order of the fit, without targets
    opset: int  # 0 for the default
    known: dict[str, str]  # further entries for the file's metadata


class Describe(Message, frozen=True):
    """Describe the loaded model. Answered by `Described` or `Failed`."""


# ---------------------------------------------------------------- worker → front process


class Ready(Message, frozen=True):
    """The worker has started and done its imports."""


class Entered(Message, frozen=True):
    """A phase begins: sent before it runs or, by an apply, entered on the board."""

    phase: str
    at: str = ""  # coordinates of the notebook's function


class Progress(Message, frozen=True):
    """The progress of a fit, as its notebook reports it; `total` 0 means unknown."""

    step: float
    total: float
    metrics: dict[str, float]  # of this step


class Code(Message, frozen=True):
    """The code that runs from now on; the report of a death quotes its lines."""

    code: bytes  # as `notebook.source.pack` encodes it


class Loaded(Message, frozen=True):
    """The model is loaded."""

    states: tuple[FileState, ...]  # of the code's files: to detect a later change
    notice: str = ""  # why the version's code was loaded in place of the notebook's
    row_wise: bool = False  # whether requests may be applied together


class Fitted(Message, frozen=True):
    """The result of a fit. Rows: the results, escaped; none after `apply_error`."""

    rows: int  # held-out ones included
    features: tuple[Feature, ...]  # all columns, targets included
    info: bytes  # JSON of what `fit` returned
    metrics: dict[str, float]  # `train`: what `fit` returned, else with a hold-out computed
    description: bytes  # as in `Described`
    code: bytes  # as `notebook.source.pack` encodes it
    libraries: dict[str, str]  # releases by distribution name
    kept_by_runtime: bool  # whether `save` stored nothing, so that the runtime pickled the model
    apply_error: ErrorReport | None = None
    notices: tuple[str, ...] = ()  # warnings for the fit's message
    held_out: int = 0  # rows that `fit` did not see
    holdout_metrics: dict[str, float] = {}  # on these rows
    outputs: tuple[ResultColumn, ...] = ()  # of the fit's own apply
    row_wise: bool = False  # whether each result of that apply depends on its row alone, as far as was seen


class Saved(Message, frozen=True):
    """A fit's model is saved; `fitted` suffices for a version if the fit's own apply dies."""

    fitted: Fitted


class Applied(Message, frozen=True):
    """The result of an apply. Rows: the results, escaped, or in the form of the `Door`."""

    rows: int
    result_rows: int
    notices: tuple[str, ...] = ()  # of features and parameters
    in_vain: bool = False  # whether rows were read ahead that can only be parsed as a whole
    phases: dict[str, float] = {}  # seconds of each phase, which were not sent as `Entered`


class Failed(Message, frozen=True):
    """The request failed; the worker can serve others."""

    error: ErrorReport


class AppliedTogether(Message, frozen=True):
    """The results of several requests, in their order."""

    answers: tuple[Applied | Failed, ...]
    results: tuple[bytes, ...]  # of each, escaped
    phases: dict[str, float] = {}  # as in `Applied`, of all of them


class Counts(Message, frozen=True):
    """The distribution of applied rows over the features' bins; sent between two requests."""

    rows: int  # that were counted
    features: dict[str, list[int]]  # rows in each bin, as `Baseline.counts`


class Scored(Message, frozen=True):
    """Metrics of the model on the `rows` rows that were left; those that do not apply are left out."""

    rows: int
    metrics: dict[str, float]


class Staged(Message, frozen=True):
    """The CSV file is written."""

    rows: int


class Compared(Message, frozen=True):
    """How the two tables compare."""

    figures: TableFigures


class Converted(Message, frozen=True):
    """The comparison of an ONNX file. Rows: the file; none where a difference is too large."""

    by: str  # what converted it, with releases
    opset: int
    differences: tuple[Difference, ...]  # one for each column of apply


class Described(Message, frozen=True):
    """The model's texts."""

    description: bytes  # JSON: ``{"model": str(model), "model_summary": …}``


Answered = Fit | Load | Apply | ApplyTogether | Score | Stage | Compare | Convert | Describe
ToWorker = Answered | ReadAhead
Unasked = Ready | Entered | Progress | Listens | Kept | Code | Saved | Counts
Reply = (
    Loaded | Trained | Fitted | Applied | AppliedTogether | Scored | Staged | Compared | Converted | Described | Failed
)
FromWorker = Unasked | Reply
