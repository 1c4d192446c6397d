"""How a fit ends: what its job records of it, and work that a cancelled fit still completes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from dltk_runtime.cluster.errors import NodeLost
from dltk_runtime.errors import DltkError
from dltk_runtime.fit.recorded import recorded, recorded_fault
from dltk_runtime.fit.training import Training, leave
from dltk_runtime.jobs.errors import FitCancelled, JobTaken, ServerStops

Result = TypeVar("Result")


@contextlib.contextmanager
def ended(training: Training, texts: str, retries: int) -> Iterator[None]:
    """Record how the fit ends, whatever ends it.

    Args:
        training: the fit, which runs inside.
        texts: which texts of exceptions records keep.
        retries: how often an asynchronous fit is started again after the end of its server.

    Raises:
        FitCancelled, ServerStops, JobTaken: in place of `asyncio.CancelledError`.
    """
    job, facts = training.job, training.call.facts
    try:
        yield
    except NodeLost as error:
        if job.record.asynchronous and not training.cancelled:
            leave(job, retries, "was lost", error.who)
        else:
            job.fail(**recorded(error, texts))
        raise
    except DltkError as error:
        job.fail(
            **recorded(error, texts),
            rows=facts.rows,
            version=facts.version,
            promoted=facts.promoted or False,
        )
        raise
    except asyncio.CancelledError:
        if job.taken:
            raise JobTaken(job.id) from None
        if training.cancelled:
            job.cancel(training.cancelled)
            raise FitCancelled(job.id, training.cancelled) from None
        stopped = ServerStops(job.id)
        if job.record.asynchronous and training.call.waiting:
            job.release()  # it stays queued
        elif job.record.asynchronous:
            leave(job, retries, "was stopped")
        else:
            job.fail(stopped.sentence)
        raise stopped from None
    except Exception as error:
        job.fail(**recorded_fault(error, texts))
        raise


async def to_its_end(work: Awaitable[Result], then: Callable[[], object] | None = None) -> Result:
    """Await work that must be completed even if the waiting task is cancelled; `then` follows it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
    finally:
        if then is not None and task.done() and not task.cancelled() and task.exception() is None:
            then()
