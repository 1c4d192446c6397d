"""What records keep of an exception: its text is data, which `DLTK_ERROR_TEXTS` may keep out."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TypedDict

from dltk_runtime.access.actor import Actor
from dltk_runtime.call import CallFacts
from dltk_runtime.errors import FULL_TEXTS, DltkError, NotStored, StoreError
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.store.asking import ask
from dltk_runtime.store.errors import StoreUnreachable
from dltk_runtime.store.store import ModelStore, Version, What
from dltk_runtime.texts import ended
from dltk_runtime.worker.messages import SUMMARY_FAILED


class Recorded(TypedDict):
    """The arguments of `Job.fail` that describe an exception."""

    sentence: str
    traceback: str
    coordinates: str


def recorded(error: DltkError, texts: str) -> Recorded:
    """Return what a job's record keeps of `error`."""
    coordinates = getattr(error, "coordinates", "")
    if texts == FULL_TEXTS:
        return Recorded(sentence=error.sentence, traceback=getattr(error, "traceback", ""), coordinates=coordinates)
    return Recorded(sentence=error.place, traceback="", coordinates=coordinates.partition(": `")[0])


def recorded_fault(error: BaseException, texts: str) -> Recorded:
    """Return what a job's record keeps of a fault of the runtime that is being handled."""
    if texts == FULL_TEXTS:
        return Recorded(sentence=f"Fault in the runtime: {error!r}", traceback=traceback.format_exc(), coordinates="")
    frames = "".join(traceback.format_tb(error.__traceback__))
    return Recorded(sentence=f"Fault in the runtime: {type(error).__name__}", traceback=frames, coordinates="")


def kept_notices(notices: Iterable[str], texts: str) -> tuple[str, ...]:
    """Return the warnings of a fit; of a summary that raised without the exception's text."""
    if texts == FULL_TEXTS:
        return tuple(notices)
    return tuple(_without_text(each) if each.startswith(SUMMARY_FAILED) else each for each in notices)


def warned(notices: Iterable[str]) -> str:
    """Return the warnings as they follow a fit's message."""
    return "".join(f" WARNING: {ended(each)}" for each in notices)


def _without_text(notice: str) -> str:
    """Cut ``summary failed: ValueError: could not …`` behind the type."""
    return ": ".join(notice.split(": ", 2)[:2])


def record_fit(store: ModelStore, version: Version, job: JobRecord, *, current: bool) -> None:
    """Add to the model's history that a fit made a version."""
    what, actor = What.FITTED if current else What.KEPT_BACK, Actor(owner=job.owner, person=job.person, sid=job.sid)
    store.record(version.name, what, actor, version.number, job.id)


@asynccontextmanager
async def stored_anyway(store: ModelStore, version: Version, facts: CallFacts) -> AsyncIterator[None]:
    """Let an error of a store that takes no more say what has become of a committed version.

    Raises:
        NotStored: with that sentence.
    """
    facts.version = version.number
    try:
        yield
    except (NotStored, StoreUnreachable) as error:
        text = f"{error.sentence} Version {version.number} of model '{version.name.model}' is stored"
        try:
            facts.promoted = (await ask(store, store.serving_or_0, version.name)).id == version.id
        except StoreError:
            raise NotStored(f"{text}; whether it answers is not known.") from error
        if facts.promoted:
            raise NotStored(f"{text} and answers.") from error
        how = f"dltk models promote {version.name.algorithm} {version.name.model} {version.number}"
        raise NotStored(f"{text} and not current; '{how}' makes it so.") from error
