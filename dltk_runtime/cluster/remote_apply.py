"""An apply worker on another node, as the front sees it. Implements `pool.worker.Worker`."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from dltk_runtime.cluster.apply_messages import ApplyEnded, ApplyOutcome, Ask, Copy, Serve
from dltk_runtime.cluster.errors import ApplyLost, NodeBusy
from dltk_runtime.cluster.live import Live
from dltk_runtime.cluster.messages import Begin, Cancel, Event, FromHelper, Lost, Printed
from dltk_runtime.cluster.remote import LATE_SECONDS, fail
from dltk_runtime.payload import NO_ROWS, Buffer, Payload
from dltk_runtime.pool.outcome import UNSENT_PHASE, Death, WorkerDied
from dltk_runtime.pool.worker import SILENT, Answer, Listener, ReadAhead
from dltk_runtime.store.manifest import StoredFile
from dltk_runtime.worker.messages import (
    Answered,
    Applied,
    AppliedTogether,
    Apply,
    ApplyTogether,
    ErrorReport,
    Failed,
    FromWorker,
    Load,
    Loaded,
)

CARRY = "carry"  # the phase of an apply that is neither of its worker nor before it

Send = Callable[[Begin | Cancel | Serve | Ask, Payload], Coroutine[Any, Any, None]]


class Taker(Protocol):
    """Takes what the helper sends about one call."""

    def take(self, message: FromHelper, rows: Payload) -> None: ...

    def lose(self, cause: str) -> None: ...


class Keeper(Protocol):
    """Passes messages on: the front's helper."""

    async def send(self, message: Serve | Ask | Cancel, rows: Payload = NO_ROWS) -> None: ...

    def register(self, key: str, taker: Taker) -> None: ...

    def release_key(self, key: str) -> None: ...


@dataclass(eq=False)
class Served:
    """A version whose applies run on a node.

    Attributes:
        copy: which version it is.
        loaded: the node's answer to `Load`; None until a request has loaded it.
        live: the code on disk now, which runs in place of the version's own.
        pinned: whether it was to be loaded by its own code.
        listener: of what is counted there.
    """

    node: str
    folder: str
    files: tuple[StoredFile, ...]
    files_id: str
    live: Live
    imports: tuple[str, ...]
    work: str
    copy: Copy | None = None
    loaded: Loaded | None = None
    pinned: bool = False
    served: str = ""  # names what is loaded
    listener: Listener = SILENT
    used: float = field(default_factory=time.monotonic)


class RemoteApply:
    """The worker of one lease. `output` takes what the notebook prints."""

    device = ""  # its own node decides

    def __init__(self, served: Served, keeper: Keeper, output: Callable[[bytes], object], client: str) -> None:
        self.served = served
        self._keeper = keeper
        self._output = output
        self._client = client
        self._phase = ""
        self._phases: Mapping[str, float] = {}
        self._answer: asyncio.Future[tuple[ApplyOutcome, Payload]] | None = None

    @property
    def phases(self) -> Mapping[str, float]:
        """Seconds of each phase of the last call, the way there and back first."""
        return self._phases

    def listen(self, listener: Listener) -> None:
        """Send what is printed and counted from now on to `listener`."""
        self._output = listener.output
        self.served.listener = listener

    async def call(self, message: Answered, rows: Payload = NO_ROWS, *, deadline: float, setting: str) -> Answer:
        """Send a request and wait for its answer.

        Raises:
            ApplyLost: its node is lost, or the way to it.
            NodeBusy: no worker there had time for it.
            WorkerDied: its worker ended, or was ended at its deadline, before it answered.
            TypeError: such a request is only for workers of this machine.
        """
        key, began = uuid.uuid4().hex, time.monotonic()
        asked, sent = self._asked(key, message, rows, max(deadline - began, 0), setting)
        self._phase = "load" if isinstance(message, Load) else "apply"
        outcome, results = await self._answered(asked, sent)
        if outcome.printed:
            self._output(outcome.printed)
        for counts in outcome.counts:
            self.served.listener.counts(counts)
        answer = self._answer_of(outcome)
        inside = answer.phases if isinstance(answer, Applied | AppliedTogether) else {}
        self._phases = {CARRY: max(time.monotonic() - began - sum(inside.values()), 0), **inside}
        return answer, results

    def read_ahead(self, rows: Buffer, expected: int) -> ReadAhead | None:  # noqa: ARG002 - of the interface
        """Return None: rows travel when they are whole."""
        return None

    async def end(self, cause: str = "") -> None:
        """Do nothing: the worker is its node's, and stays."""

    def take(self, message: FromHelper, rows: Payload) -> None:
        """Take what the helper sends about the running call."""
        match message:
            case Event(what=Printed(data)):
                self._output(data)
            case ApplyEnded(outcome=outcome) if self._answer is not None and not self._answer.done():
                self._answer.set_result((outcome, rows))
            case Lost(cause=cause):
                self.lose(cause)

    def lose(self, cause: str) -> None:
        """Fail the call, if one runs: the node is lost."""
        fail(self._answer, ApplyLost(self.served.node, cause, self._phase))

    # ------------------------------------------------------------ one call

    async def _answered(self, asked: Serve | Ask, rows: Payload) -> tuple[ApplyOutcome, Payload]:
        self._answer = asyncio.get_running_loop().create_future()
        self._keeper.register(asked.key, self)
        try:
            await self._keeper.send(asked, rows)
            async with asyncio.timeout(asked.seconds + LATE_SECONDS):
                return await self._answer
        except TimeoutError:
            raise ApplyLost(self.served.node, "it did not answer at the deadline", self._phase) from None
        except asyncio.CancelledError:
            await self._keeper.send(Cancel(asked.key))
            raise
        finally:
            self._keeper.release_key(asked.key)
            self._answer = None

    def _asked(
        self, key: str, message: Answered, rows: Payload, seconds: float, setting: str
    ) -> tuple[Serve | Ask, Payload]:
        served = self.served
        match message:
            case Apply() | ApplyTogether():
                return Ask(key, served.node, served.served, message, self._client, seconds, setting), rows
            case Load():
                code = served.live.code if not message.pinned else b""
                served.pinned = message.pinned
                served.served = _name(served.files_id, message, code)
                asked = Serve(
                    key=key,
                    node=served.node,
                    served=served.served,
                    files_id=served.files_id,
                    load=message,
                    folder=served.folder,
                    files=served.files,
                    imports=served.imports,
                    work=served.work,
                    client=self._client,
                    seconds=seconds,
                    setting=setting,
                    copy=served.copy,
                )
                return asked, Payload(code, escaped=False)
        raise TypeError(f"a worker on another node applies, and cannot {type(message).__name__}")

    def _answer_of(self, outcome: ApplyOutcome) -> FromWorker:
        node = self.served.node
        if outcome.death is not None:
            raise WorkerDied(outcome.death.on(node))
        if outcome.busy:
            raise NodeBusy(node, outcome.busy)
        answer = outcome.answer
        if answer is None:  # the node, or its actor, was started again
            self.served.loaded = None
            raise WorkerDied(Death(f"on node '{node}' had ended", UNSENT_PHASE))
        if isinstance(answer, Failed):
            return _on(node, answer)
        if isinstance(answer, AppliedTogether):
            answers = tuple(_on(node, each) if isinstance(each, Failed) else each for each in answer.answers)
            return msgspec.structs.replace(answer, answers=answers)
        if isinstance(answer, Loaded):
            live, pinned = self.served.live, self.served.pinned
            notice = answer.notice or ("" if pinned else live.problem)
            return msgspec.structs.replace(answer, states=live.states, notice=notice)
        return answer


def files_id(algorithm: str, files: Sequence[StoredFile]) -> str:
    """Return the name of a version's files, by what is in them."""
    listed = sorted((each.path, each.sha256) for each in files)
    return sha256(msgspec.json.encode((algorithm, listed))).hexdigest()[:32]


def _name(files_id: str, load: Load, code: bytes) -> str:
    """Return the name of what is loaded; two versions with the same files may be loaded in two ways."""
    way = msgspec.structs.replace(load, device="", load_name=load.load_name.rpartition("/")[2], code="", kept_model="")
    return sha256(files_id.encode() + msgspec.json.encode(way) + sha256(code).digest()).hexdigest()[:32]


def _on(node: str, failed: Failed) -> Failed:
    """Return a failure that names its node."""
    error: ErrorReport = failed.error
    note = f"{error.note.rstrip('.')}. " if error.note else ""
    return Failed(msgspec.structs.replace(error, note=f"{note}It ran on node '{node}'"))
