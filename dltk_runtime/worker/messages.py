"""Every message between the front process and a worker, in two sections by direction.

A message may come with a *blob*: bytes too large to be copied into it (`channel.py`).
"""

from __future__ import annotations

import signal

import msgspec

from dltk_runtime.files.state import FileState
from dltk_runtime.tables.feature import Feature


class Message(msgspec.Struct, frozen=True, tag=True):
    """The base: immutable, and tagged with its class's name on the way."""


class ErrorReport(Message, frozen=True):
    """A failure of notebook code, as text: exceptions never cross the boundary."""

    step: str  # the step of `steps.py` in which it happened: "init", "fit", …
    sentence: str  # "ValueError: could not convert …"
    coordinates: str = ""  # "umap.ipynb, cell 22 (mltkc_fit), line 7: `x = float(s)`"
    traceback: str = ""
    note: str = ""  # what the front process knows besides

    def __str__(self) -> str:
        text = f"{self.sentence} (at {self.coordinates})" if self.coordinates else self.sentence
        return f"{text}. {self.note}" if self.note else text


# ---------------------------------------------------------------- front process → worker

# The blob of `Fit`, `Apply`, `Score` and `Stage` is the request's `data`: a JSON string literal, or, when
# `plain` says so, the CSV itself, unescaped while it arrived.

DUMP_SIGNAL = signal.SIGRTMIN + 1  # asks a worker where it is, before it is ended


class Options(msgspec.Struct, frozen=True):
    """What a worker gets on its command line, as JSON."""

    parent: int  # the front process's id
    channel: int  # descriptor of the socket
    dump: int  # descriptor of the memory file for faulthandler
    board: int  # descriptor of the page for the steps of applies
    imports: tuple[str, ...] = ()  # modules to import before the first request


class Fit(Message, frozen=True):
    """Fit a model and save it. Blob: `data`."""

    algorithm: str
    load_name: str  # what save() is called with
    folder: str  # where the version's files must lie afterwards
    kept_model: str  # where the runtime keeps the model when save() stores nothing
    meta: bytes  # JSON
    device: str = ""  # the one GPU to see, as CUDA names it; nothing where there is no choice
    holdout: float = 0.0  # share of the rows that `fit` must not see
    version_column: int = 0  # the number for a last result column `model_version`; 0 for none
    plain: bool = False


class Load(Message, frozen=True):
    """Make a model ready for applies. Answered by `Loaded` or `Failed`."""

    algorithm: str
    load_name: str  # what load() is called with
    device: str = ""  # as in `Fit`
    code: str = ""  # the version's code.json, to go on with when the notebook does not load
    kept_model: str = ""  # the model as the runtime stored it, when save() stored nothing
    targets: tuple[str, ...] = ()  # the fit's target_variables: apply requests carry none
    features: tuple[Feature, ...] = ()  # the columns that the model was fitted on, targets left out


class Apply(Message, frozen=True):
    """Apply the loaded model. Blob: `data`."""

    meta: bytes
    version_column: int = 0  # as in `Fit`
    refuse_missing: bool = False  # whether a missing feature is an error of its own
    plain: bool = False
    ahead: int = 0  # the number of the `ReadAhead` that was for these rows; 0 for none


OVER = 2**32  # more than anybody counts one by one


class ReadAhead(Message, frozen=True):
    """Rows that are still on their way, and for which an `Apply` may come. Not answered.

    Its own files: the memory file that the rows are written to, and an eventfd that counts how often there were
    more of them, and to `OVER` when nobody wants the rows any more, or after that `Apply`.
    """

    number: int
    expected: int  # bytes of all rows, about


class Score(Message, frozen=True):
    """Apply the loaded model to held-out rows and compare with the target. Blob: all of the fit's `data`."""

    meta: bytes
    holdout: float
    target: str
    plain: bool = False


class Stage(Message, frozen=True):
    """Check that `data` can become a frame and write it as CSV. Blob: `data`."""

    csv: str  # path to write to
    plain: bool = False


class Describe(Message, frozen=True):
    """Ask for `Described` of the loaded model."""


# ---------------------------------------------------------------- worker → front process


class Ready(Message, frozen=True):
    """The worker has started and done its imports."""


class Entered(Message, frozen=True):
    """A step begins; told before each, so that a death can be blamed on it: sent, or put on the board by an apply."""

    step: str
    at: str = ""  # coordinates of the function it calls


class Progress(Message, frozen=True):
    """How far a fit is, as its notebook says; `total` 0 means that nobody knows."""

    step: float
    total: float
    metrics: dict[str, float]


class Code(Message, frozen=True):
    """The code that runs from now on, as `notebook.loader.pack` makes it: a death is told with its lines."""

    code: bytes


class Loaded(Message, frozen=True):
    """The model is ready. `states` says later whether the code on disk is still this one."""

    states: tuple[FileState, ...]
    notice: str = ""  # why the kept code runs instead of the notebook's


class Fitted(Message, frozen=True):
    """A fit came to its end. Blob: the results as a JSON string literal, none after `apply_error`.

    `info` and `description` are JSON, `code` is what `dltk_runtime.notebook.loader.pack` made.
    """

    rows: int
    features: tuple[Feature, ...]
    info: bytes
    metrics: dict[str, float]
    description: bytes
    code: bytes
    libraries: dict[str, str]
    kept_by_runtime: bool
    apply_error: ErrorReport | None = None
    notices: tuple[str, ...] = ()
    held_out: int = 0  # rows that `fit` did not see


class Saved(Message, frozen=True):
    """A fit's model is saved: all that a version needs, should the process not live through the fit's own apply."""

    fitted: Fitted


class Applied(Message, frozen=True):
    """An apply came to its end. Blob: the results as a JSON string literal."""

    rows: int
    result_rows: int
    notices: tuple[str, ...] = ()  # features that are missing or of another kind, parameters that cannot be used
    in_vain: bool = False  # whether rows were read ahead that only pandas can read, whole
    phases: dict[str, float] = {}  # seconds of each step, which no `Entered` told


class Counts(Message, frozen=True):
    """After an apply's answer, while nobody waits: how its rows are spread over the bins of the features' baselines."""

    rows: int  # that were counted
    features: dict[str, list[int]]


class Scored(Message, frozen=True):
    """How the model did on `rows` held-out rows; metrics that do not apply are missing."""

    rows: int
    metrics: dict[str, float]


class Staged(Message, frozen=True):
    """The CSV file is written."""

    rows: int


class Described(Message, frozen=True):
    """`description` is JSON: ``{"model": str(model), "model_summary": …}``."""

    description: bytes


class Failed(Message, frozen=True):
    """The request failed; the worker itself is well."""

    error: ErrorReport


Answered = Fit | Load | Apply | Score | Stage | Describe
ToWorker = Answered | ReadAhead
FromWorker = (
    Ready
    | Entered
    | Progress
    | Code
    | Loaded
    | Saved
    | Fitted
    | Applied
    | Counts
    | Scored
    | Staged
    | Described
    | Failed
)
