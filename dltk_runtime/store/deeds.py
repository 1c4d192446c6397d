"""Who did what to a model, and why: the file ``history``, one line each, as `files.lines` keeps them.

Lines are appended and never removed: not by pruning, and not with the model. The file ``promoted``
beside it decides which version serves; this one is for people. A kill between the two, or a disk
that is full, can lose a line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from dltk_runtime.access.actor import NOBODY, Actor
from dltk_runtime.files.records import Count, Moment
from dltk_runtime.names import ModelName
from dltk_runtime.store.history import Promotion


class What(StrEnum):
    """What was done."""

    FITTED = "fitted"  # and made current
    KEPT_BACK = "fitted, not promoted"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    PINNED = "code pinned"  # applies run the version's code
    LIVE = "code live"  # applies run the notebook's
    AUTO = "code as set"  # as the setting says
    DELETED = "deleted"  # the model; with a version, that one alone
    FORGOTTEN = "forgotten"  # deleted with rows, pictures, jobs and events: `dltk forget`


class Deed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was done to a model; `version` is the one that was made, is current since or was deleted; `time` is UTC."""

    what: What
    time: Moment
    version: Count | None = None
    actor: Actor = NOBODY
    job: str = ""


class HistoryEntry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One deed, as ``/v1`` returns it; see `Deed` and `Actor`."""

    time: datetime
    algorithm: str
    model: str
    what: str
    version: int | None = None
    owner: str = ""  # name of the token
    person: str = ""
    reason: str = ""
    sid: str = ""
    job: str = ""

    @classmethod
    def of(cls, name: ModelName, deed: Deed) -> HistoryEntry:
        """Return the entry for a deed."""
        known = {"version": deed.version, "job": deed.job, **msgspec.structs.asdict(deed.actor)}
        return cls(time=deed.time, algorithm=name.algorithm, model=name.model, what=str(deed.what), **known)


class History(msgspec.Struct, frozen=True):
    """What was done to one model or to all, the newest first.

    `damaged_lines` counts those that cannot be read: torn by a kill, or changed.
    """

    entries: list[HistoryEntry]
    damaged_lines: int = 0


def merged(deeds: Sequence[Deed], promotions: Sequence[Promotion]) -> list[Deed]:
    """Return all deeds, oldest first, with promotions that are older than the first deed that is known."""
    begun = deeds[0].time if deeds else None
    older = (each for each in promotions if not each.found and (begun is None or each.time < begun))
    found = [Deed(What.PROMOTED, each.time, each.version) for each in older]
    # The promotion by the first fit itself is a moment older than its deed.
    first = deeds[0].version if deeds else None
    return [*(found[:-1] if found and found[-1].version == first else found), *deeds]
