"""Ask the old container the same once more, for the noise of notebooks without a seed.

Once for each model and route, while no search waits for it. A fit goes into a model of its own,
and an apply then asks for the search's model again, so that ``/summary`` shows that one.
"""

from __future__ import annotations

import asyncio

from dltk_runtime.server.shadow.asked import OldAnswer, repeated
from dltk_runtime.server.shadow.kept import KeptRequest
from dltk_runtime.server.shadow.pace import Pace
from dltk_runtime.server.shadow.upstream import AnswerCut, Body, NoAnswer, Upstream
from dltk_runtime.shadow.record import ComparedRequest

QUIET_SECONDS = 60.0  # that a repetition waits for a moment in which no search does


class Repeats:
    """Repeats requests to the old container, those of `known` records not again."""

    def __init__(self, upstream: Upstream, pace: Pace, limit: int) -> None:
        """Read at most `limit` bytes of an answer."""
        self._upstream = upstream
        self._pace = pace
        self._limit = limit
        self._done: set[tuple[str, str, str]] = set()  # route, algorithm, model

    def know(self, record: ComparedRequest) -> None:
        """Note a repetition that was made before."""
        self._done.add(record.of)

    async def second_answer(self, kept: KeptRequest, algorithm: str, model: str) -> bytes | None:
        """Return the results of the old container's second answer; None if there are none, or were before."""
        if (kept.route, algorithm, model) in self._done:
            return None
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                await self._pace.quiet()
        except TimeoutError:
            return None  # a later request is repeated
        self._done.add((kept.route, algorithm, model))
        try:
            body = await asyncio.to_thread(lambda: repeated(kept.route, kept.sent()))
        except ValueError:
            return None
        try:
            status, answer = await self._send(kept, body)
        except (NoAnswer, AnswerCut):
            return None
        return (await asyncio.to_thread(OldAnswer.of, status, answer)).results or None

    async def _send(self, kept: KeptRequest, body: bytes) -> tuple[int, bytes]:
        headers = [(b"authorization", kept.authorization), (b"content-type", b"application/json")]
        answer = await self._upstream.send("POST", kept.route, headers, Body.whole(body))
        received = bytearray()
        try:
            async for piece in answer.body():
                received += piece
                if len(received) > self._limit:
                    raise AnswerCut("it is larger than DLTK_SHADOW_QUEUE")
        finally:
            answer.close()
        return answer.status, bytes(received)
