"""The messages between a front and its helper process, and between the helper and a node's actor.

Both ways are msgspec's; what is large (rows, files) travels beside them: between front and helper
as a memory file, over Ray as an object of its own.
"""

from __future__ import annotations

import msgspec

from dltk_runtime.cluster.apply_messages import ApplyEnded, Ask, Copies, Counted, Drop, Serve
from dltk_runtime.cluster.report import DeathReport
from dltk_runtime.worker.gang_messages import Kept, Listens, Trained
from dltk_runtime.worker.messages import Entered, Failed, Fit, Fitted, Message, Progress


class Facts(Message, frozen=True):
    """A node as its actor describes it; `same` are the releases that have to be the front's."""

    cpus: int
    memory: int  # bytes
    gpus: int
    same: dict[str, str]  # of Python, this runtime and every library, by name
    token: bool  # whether Ray asks for a token there
    shown: bool  # whether the token is in an environment, where notebooks could read it
    monitor: bool  # whether Ray's own memory monitor is on there
    apply_places: int = 0  # for apply workers


class Running(Message, frozen=True):
    """One fit on a node, and what it takes of it."""

    key: str
    cpus: int
    memory: int
    gpu: bool


class Usage(Message, frozen=True):
    """What runs on a node now, of all fronts together."""

    fits: tuple[Running, ...] = ()
    applies: int = 0  # apply workers
    versions: tuple[str, ...] = ()  # by their files, that these have loaded


class Seen(Message, frozen=True):
    """A node that the helper sees; `refused` says why no fit may run there, empty if one may."""

    name: str
    labels: tuple[str, ...]
    address: str = ""  # by which other nodes reach it
    cpus: int = 0
    memory: int = 0
    gpus: int = 0
    fits: tuple[Running, ...] = ()
    refused: str = ""
    apply_places: int = 0
    applies: int = 0
    versions: tuple[str, ...] = ()
    releases: str = ""  # of what people ask for first
    silent: bool = False  # whether it does not answer


# ---------------------------------------------------------------- front → helper


class Begin(Message, frozen=True):
    """Run a fit on a node. Rows: the request's. Answered by `Event`s and one `Ended` or `Lost`."""

    key: str
    node: str
    fit: Fit
    code: bytes  # of the notebook and what it imports, as `notebook.source.pack` encodes it
    imports: tuple[str, ...]
    work: str
    cpus: int
    memory: int
    gpu: bool
    seconds: float  # until its deadline
    setting: str  # that sets the deadline
    keep: str = ""  # path where rank 0 of a gang has its state kept, and from which it goes on; "" for none


class Meet(Message, frozen=True):
    """Tell a rank of a gang, on a node, where rank 0 listens."""

    key: str
    node: str
    text: str


class Cancel(Message, frozen=True):
    """End a fit, or an apply that no worker has begun; it is not answered any more."""

    key: str


# ---------------------------------------------------------------- helper → front


class Nodes(Message, frozen=True):
    """The nodes that the helper sees; `problem` says why it sees none, empty if it does."""

    nodes: tuple[Seen, ...] = ()
    problem: str = ""
    address: str = ""  # of the front's machine, by which nodes reach it


class Printed(Message, frozen=True):
    """What the notebook printed."""

    data: bytes


class Event(Message, frozen=True):
    """What a running fit reports."""

    key: str
    what: Entered | Progress | Printed | Listens | Kept


class Outcome(Message, frozen=True):
    """How a fit ended on its node: with an answer, or by the death of its worker.

    Rows: the results. `files` are those of the version, by their path in its folder, with sizes.
    """

    answer: Fitted | Trained | Failed | None = None
    death: DeathReport | None = None
    saved: Fitted | None = None
    files: tuple[tuple[str, int], ...] = ()
    escaped: bool = False  # of the results
    full: bool = False  # whether the node had no place for it: a rank of a gang does not wait there


class Ended(Message, frozen=True):
    """A fit has ended, and its files are in the version's folder. Rows: the results."""

    key: str
    outcome: Outcome


class Lost(Message, frozen=True):
    """A fit's node is lost, or the way to it."""

    key: str
    cause: str


ToHelper = Begin | Cancel | Meet | Serve | Ask | Drop
FromHelper = Nodes | Event | Ended | Lost | ApplyEnded | Counted | Copies
TO_HELPER: msgspec.msgpack.Decoder[ToHelper] = msgspec.msgpack.Decoder(ToHelper)
FROM_HELPER: msgspec.msgpack.Decoder[FromHelper] = msgspec.msgpack.Decoder(FromHelper)


# ---------------------------------------------------------------- node → helper


class Batch(Message, frozen=True):
    """Events of a fit, from the one that was asked for on; `ended` once there is an outcome."""

    events: tuple[Entered | Progress | Printed | Listens | Kept, ...] = ()
    ended: bool = False
