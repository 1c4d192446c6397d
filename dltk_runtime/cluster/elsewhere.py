"""Try an apply once more when its node is lost. A server without a cluster imports this module, and not its places."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from dltk_runtime.cluster.errors import ApplyLost, NowhereToApply

Result = TypeVar("Result")


async def tried_elsewhere(attempt: Callable[[], Awaitable[Result]], deadline: float) -> Result:
    """Try an apply once more when its node is lost before `deadline`: it writes nothing, and nobody has its answer.

    Raises:
        ApplyLost: it has no other place, or that is lost, too.
    """
    try:
        return await attempt()
    except ApplyLost as error:
        if time.monotonic() >= deadline:
            raise
        try:
            return await attempt()
        except NowhereToApply:
            raise error from None
