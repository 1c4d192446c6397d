"""Our own answers to forwarded requests: made one after another, after the real ones, and compared."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from dltk_runtime import logs
from dltk_runtime.apply.apply import Applied
from dltk_runtime.call import Call, CallFacts
from dltk_runtime.errors import PLACE_ONLY, Busy, DltkError
from dltk_runtime.fit.training import Trained
from dltk_runtime.jobs.errors import ServerStops
from dltk_runtime.pool.outcome import WorkerDied
from dltk_runtime.server import protocol
from dltk_runtime.server.shadow.asked import NO_ANSWER, Named, ShadowRequest, model_in, named
from dltk_runtime.server.shadow.comparing import TableComparer
from dltk_runtime.server.shadow.kept import TAIL_BYTES, KeptRequest
from dltk_runtime.server.shadow.pace import Pace
from dltk_runtime.server.shadow.repeats import Repeats
from dltk_runtime.service.service import Service
from dltk_runtime.shadow.record import ERROR, SUCCESS, ComparedRequest
from dltk_runtime.tables.figures import TableFigures

MAX_QUEUED = 10_000  # requests that are not compared yet, however small
IDLE_SECONDS = 30.0  # without a request, after which the comparing process ends
# Why a request is not compared.
FULL = "the queue is full (DLTK_SHADOW_QUEUE)"
TOO_MANY_ROWS = "it has more rows than DLTK_SHADOW_ROWS"
TRAINS_NOTHING = "it trains nothing (mode=stage, register or async)"
BEHIND = "our model is not of the old container's last fit"
GONE = "the client hung up"
UNREADABLE = "it is not what Splunk sends"
STOPPED = "it was stopped too long for a busy machine"
BUSY = "too many requests wait here already"
FAULT = "there is a fault in the runtime; the log has its traceback"
REASONS = (FULL, TOO_MANY_ROWS, TRAINS_NOTHING, BEHIND, GONE, UNREADABLE, STOPPED, BUSY, FAULT)
NOT_TRIED = "not tried"  # outcome of ours where the old container gave no answer
LATE = "was ended at its deadline"  # in the sentence of such an error


class Skipped(Exception):
    """A request is not compared; the text is one of `REASONS`."""


@dataclass(frozen=True, slots=True)
class _Ours:
    """Our own answer: its outcome, and its results as a JSON string literal."""

    outcome: str
    results: bytes = b""
    place: str = ""


@dataclass(frozen=True, slots=True)
class _Lost:
    """A fit that was not kept, at its place in the queue; `model` is None if it is unknown."""

    model: Named | None


class OwnWork:
    """Makes and compares our own answers; `record` takes each comparison."""

    def __init__(
        self,
        service: Service,
        pace: Pace,
        repeats: Repeats | None,
        comparing: TableComparer,
        record: Callable[[ComparedRequest], None],
    ) -> None:
        self._service = service
        self._record = record
        self._most_rows = service.settings.shadow_rows
        self._pace = pace
        self._repeats = repeats
        self._comparing = comparing
        self._queue: asyncio.Queue[KeptRequest | _Lost] = asyncio.Queue()
        self._behind: set[Named] = set()  # models whose last fit was not made here
        self._fitted: set[Named] = set()  # models that were fitted here
        self._at_work = False
        self.skipped: Counter[str] = Counter(dict.fromkeys(REASONS, 0))

    @property
    def waiting(self) -> int:
        """Number of requests that are not compared yet."""
        return self._queue.qsize() + self._at_work

    def offer(self, kept: KeptRequest) -> None:
        """Take a request that the old container has answered, or has failed to."""
        if not kept.complete or (kept.gone and kept.route != "/fit"):
            self._skip(kept, GONE)
        elif not kept.crowded and self._queue.qsize() < MAX_QUEUED:
            self._queue.put_nowait(kept)
        else:
            if kept.route == "/fit":
                self._queue.put_nowait(_Lost(model_in(kept.tail or kept.sent()[-TAIL_BYTES:])))
            self._skip(kept, FULL)

    async def run(self) -> None:
        """Work off the queue, until cancelled."""
        while True:
            kept = await self._next()
            if isinstance(kept, _Lost):
                self._fall_behind(kept.model)
                continue
            self._at_work = True
            try:
                await self._work(kept)
            except Skipped as skipped:
                self._skip(kept, str(skipped))
            except Exception:  # noqa: BLE001 - whatever one request leads to, the next one is compared
                self._skip(kept, FAULT)
                logs.log.exception("a request could not be compared", extra={"fields": {"request": kept.request}})
            finally:
                self._at_work = False
                kept.drop()

    async def _next(self) -> KeptRequest | _Lost:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                return await self._queue.get()
        except TimeoutError:
            await self._comparing.rest()
            return await self._queue.get()

    async def _work(self, kept: KeptRequest) -> None:
        await self._pace.gap()
        try:
            asked = await asyncio.to_thread(ShadowRequest.of, kept)
        except DltkError as error:
            raise Skipped(UNREADABLE) from error
        if asked.trains_nothing(kept.route):
            raise Skipped(TRAINS_NOTHING)
        if not kept.gone and asked.old.outcome == NO_ANSWER:
            self._note(kept, asked, _Ours(NOT_TRIED))
            return
        self._check(asked, kept.route)
        await self._pace.free()
        call, began = Call(kept.request, kept.route, actor=kept.actor, background=True), time.monotonic()
        ours = await self._answer(asked, call)
        seconds = time.monotonic() - began
        if kept.route == "/fit":
            self._fitted_here(asked, ours, gone=kept.gone)
        if kept.gone:
            raise Skipped(GONE)
        figures = await self._compared(asked.old.results, ours.results)
        if self._repeats is not None and asked.old.outcome == SUCCESS:
            await self._repeat(self._repeats, kept, asked)  # before the verdict, which depends on it
        self._note(kept, asked, ours, call, seconds, figures)

    def _check(self, asked: ShadowRequest, route: str) -> None:
        """Refuse what would not be comparable, or would take too long.

        Raises:
            Skipped: with the reason.
        """
        if asked.rows > self._most_rows:
            if route == "/fit":
                self._fall_behind(named(asked.request))
            raise Skipped(TOO_MANY_ROWS)
        if route != "/fit" and self._is_behind(*named(asked.request)):
            raise Skipped(BEHIND)

    async def _answer(self, asked: ShadowRequest, call: Call) -> _Ours:
        """Make our own answer.

        Raises:
            Skipped: what came of it says nothing about the notebook.
        """
        stops = self._pace.stops
        run = self._service.fit if call.route == "/fit" else self._service.apply
        try:
            answer = await run(asked.request, call)
        except (Busy, ServerStops) as error:
            raise Skipped(BUSY) from error
        except DltkError as error:
            if LATE in error.sentence and self._pace.stops > stops:
                raise Skipped(STOPPED) from error
            opening = f"{error.opening}: " if error.opening else ""
            return _Ours(ERROR, place=opening + error.worded(PLACE_ONLY))
        if not isinstance(answer, Applied | Trained):
            raise Skipped(TRAINS_NOTHING)
        return _Ours(SUCCESS, bytes(protocol.literal(answer.results)))

    async def _compared(self, first: bytes, second: bytes) -> TableFigures | None:
        """Compare two tables; None where one is missing, or no table."""
        if not first or not second:
            return None
        await self._pace.free()
        try:
            return await self._comparing.compare(first, second)
        except (WorkerDied, DltkError) as error:
            place = error.place if isinstance(error, DltkError) else str(error)
            logs.event("answers not compared", logging.WARNING, reason=place)
            return None

    async def _repeat(self, repeats: Repeats, kept: KeptRequest, asked: ShadowRequest) -> None:
        """Compare the old container's answer with its second one, once for each model."""
        second = await repeats.second_answer(kept, *named(asked.request))
        if second is not None and (figures := await self._compared(asked.old.results, second)) is not None:
            self._note(kept, asked, _Ours(SUCCESS), figures=figures, repeat=True)

    def _note(
        self,
        kept: KeptRequest,
        asked: ShadowRequest,
        ours: _Ours,
        call: Call | None = None,
        seconds: float = 0.0,
        figures: TableFigures | None = None,
        *,
        repeat: bool = False,
    ) -> None:
        facts = call.facts if call is not None else CallFacts()
        algorithm, model = named(asked.request)
        self._record(
            ComparedRequest(
                time=datetime.now(UTC),
                route=kept.route,
                algorithm=facts.algorithm or algorithm,
                model=model,
                old=asked.old.outcome,
                ours=ours.outcome,
                place=ours.place,
                version=facts.version,
                rows=asked.rows,
                old_seconds=round(kept.seconds, 6),
                our_seconds=round(seconds, 6),
                figures=figures,
                repeat=repeat,
            )
        )

    def _fitted_here(self, asked: ShadowRequest, ours: _Ours, *, gone: bool) -> None:
        """Note whether our model is of the same fit as the old container's."""
        model = named(asked.request)
        succeeded = ours.outcome == SUCCESS, gone or asked.old.outcome == SUCCESS
        if all(succeeded):
            self._behind.discard(model)
            self._fitted.add(model)
        elif any(succeeded):
            self._behind.add(model)

    def _is_behind(self, algorithm: str, model: str) -> bool:
        """Return whether the last fit of a model was not made here; without an algorithm, of any of its name."""
        return any(each == model and (not algorithm or fitted in ("", algorithm)) for fitted, each in self._behind)

    def _fall_behind(self, model: Named | None) -> None:
        """Note that a fit is not made here; of an unknown model it may be any."""
        self._behind |= self._fitted if model is None else {model}

    def _skip(self, kept: KeptRequest, reason: str) -> None:
        kept.drop()
        self.skipped[reason] += 1
        logs.event("not compared", logging.DEBUG, request=kept.request, route=kept.route, reason=reason)
