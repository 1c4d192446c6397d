"""A request that was moved waits again, until a worker has it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dltk_runtime.apply.apply import Applying
from dltk_runtime.call import Call, CallState
from dltk_runtime.payload import Payload
from dltk_runtime.pool.following import Following, Moved
from dltk_runtime.settings import Settings
from dltk_runtime.worker.messages import Applied, Apply, Loaded


def test_a_request_that_was_taken_for_begun_and_is_moved_waits_again(monkeypatch: pytest.MonkeyPatch) -> None:
    call, seen = Call("1", "/apply"), list[CallState]()
    applying = Applying(
        settings=Settings(),
        store=cast(Any, None),
        jobs=cast(Any, None),
        pool=cast(Any, SimpleNamespace(join=None)),
        last=cast(Any, SimpleNamespace(applied=lambda _: None)),
        drift=cast(Any, None),
    )

    class Worker:
        def __init__(self, following: Following) -> None:
            self.following = following
            self.phases = dict[str, float]()

        async def call(self, *_: object, **__: object) -> tuple[Applied, Payload]:
            self.following.begins()  # the one before it was answered; then the worker was killed
            if len(seen) == 1:
                raise Moved
            return Applied(1, 1), Payload(b"", escaped=True)

    @contextlib.asynccontextmanager
    async def loaded(*_: object, following: Following) -> AsyncIterator[tuple[Any, Loaded]]:
        seen.append(call.state)
        yield Worker(following), Loaded(states=())

    monkeypatch.setattr(applying, "loaded", loaded)
    version, rows = cast(Any, SimpleNamespace(id=None)), Payload(b"x\n1\n", escaped=True)
    asyncio.run(applying._by_itself(version, Apply(b"{}"), rows, call, lambda _: None, 0.0, None))
    assert seen == [CallState.WAITING, CallState.WAITING]
    assert not call.waiting
