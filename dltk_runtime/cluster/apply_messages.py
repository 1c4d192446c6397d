"""The messages about applies on nodes: front → helper process → a node's actor, and back."""

from __future__ import annotations

from dltk_runtime.cluster.report import DeathReport
from dltk_runtime.store.manifest import StoredFile
from dltk_runtime.worker.messages import (
    Applied,
    AppliedTogether,
    Apply,
    ApplyTogether,
    Counts,
    Failed,
    Load,
    Loaded,
    Message,
)

# ---------------------------------------------------------------- front → helper → node


class Copy(Message, frozen=True):
    """A version whose files a node keeps."""

    files_id: str
    algorithm: str
    model: str
    number: int


class Serve(Message, frozen=True):
    """Have a version loaded on a node. Rows: code to run in place of the version's own, if any.

    Answered by one `ApplyEnded` or `Lost`, as `Ask` is.
    """

    key: str
    node: str
    served: str  # names what is loaded: the version's files, how they are loaded, and the code
    files_id: str  # names the version's files, by which a node keeps them
    load: Load  # with the paths of the front
    folder: str  # of the version, on the front's machine
    files: tuple[StoredFile, ...]
    imports: tuple[str, ...]
    work: str
    client: str  # whose turn it is; means nothing elsewhere
    seconds: float  # until the deadline
    setting: str  # that sets it
    copy: Copy | None = None  # of which version the files are
    origin: str = ""  # names the home that has it


class Drop(Message, frozen=True):
    """Have a node drop its copies of versions that this home has no more; it is not answered."""

    node: str
    files_ids: tuple[str, ...]


class Ask(Message, frozen=True):
    """Apply what a node has loaded. Rows: the request's."""

    key: str
    node: str
    served: str
    what: Apply | ApplyTogether
    client: str
    seconds: float
    setting: str


# ---------------------------------------------------------------- node → helper → front


class ApplyOutcome(Message, frozen=True):
    """How a `Serve` or an `Ask` ended: one of `answer`, `death`, `busy` and `unknown`. Rows: the results."""

    answer: Loaded | Applied | AppliedTogether | Failed | None = None
    death: DeathReport | None = None
    busy: str = ""  # why no worker had time for it
    unknown: bool = False  # whether the node lacks the version: its files, or what was to be loaded
    printed: bytes = b""
    counts: tuple[Counts, ...] = ()
    escaped: bool = False  # of the results


class ApplyEnded(Message, frozen=True):
    """The answer to a `Serve` or an `Ask`. Rows: the results."""

    key: str
    outcome: ApplyOutcome


class Counted(Message, frozen=True):
    """Rows that a node has counted while nobody asked it."""

    served: str
    counts: Counts


class Copies(Message, frozen=True):
    """The versions of this home whose files a node keeps."""

    node: str
    copies: tuple[Copy, ...]
