"""The bounds of named tokens: fits at once, queue, GPU seconds of a day, disk.

Seconds on GPUs are kept in ``usage/gpu-2026-01-31``, a line for each fit that ended on this day,
UTC. Bounds hold on all replicas. They are looked at when a fit begins: two that begin on two
replicas in the same moment may exceed one of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from dltk_runtime.access.errors import BoundReached, OtherOwner
from dltk_runtime.access.named import NamedTokens
from dltk_runtime.errors import StoreError
from dltk_runtime.files import lines
from dltk_runtime.jobs.record import JobRecord, State
from dltk_runtime.names import ModelName
from dltk_runtime.store.store import ModelStore

KEPT_DAYS = 35  # of seconds on GPUs
REFUSE = "refuse"  # value of DLTK_OTHERS_MODELS


class GpuUse(msgspec.Struct, frozen=True):
    """The seconds that one fit held a GPU."""

    owner: str
    job: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TokenBounds:
    """Compares what the fits of a token use with its bounds; `usage` is a folder on the volume."""

    named: NamedTokens
    store: ModelStore
    usage: Path

    def apply_to(self, owner: str) -> bool:
        """Return whether a token has bounds at all."""
        bounds = self.named.bounds(owner)
        return any(each is not None for each in (bounds.fits, bounds.queue, bounds.gpu_seconds, bounds.disk))

    def check(self, owner: str, unfinished: Iterable[JobRecord], *, queued: bool, on_gpu: bool) -> None:
        """Make sure that another fit of `owner` may begin or, asynchronously, wait; reads the disk.

        Raises:
            BoundReached: naming the bound.
        """
        bounds, own = self.named.bounds(owner), [each for each in unfinished if each.owner == owner]
        if queued and bounds.queue is not None:
            waiting = sum(each.asynchronous and each.state is State.QUEUED for each in own)
            if waiting >= bounds.queue:
                what = f"{waiting} of its fits wait, and {bounds.queue} may"
                raise BoundReached(owner, "queue", what, "Try again when one has begun.")
        if not queued:
            self.check_fits(owner, _running(own))
        self.check_used(owner, on_gpu=on_gpu)

    def check_fits(self, owner: str, running: int) -> None:
        """Make sure that another fit of `owner` may begin while `running` of them run.

        Raises:
            BoundReached: naming the bound `fits`.
        """
        allowed = self.named.bounds(owner).fits
        if allowed is not None and running >= allowed:
            what = f"{running} of its fits run, and {allowed} may"
            raise BoundReached(owner, "fits", what, "Try again when one has ended, or add mode=async.")

    def check_used(self, owner: str, *, on_gpu: bool) -> None:
        """Make sure that the fits of `owner` so far leave something of a GPU, if needed, and of the disk.

        Raises:
            BoundReached: naming the bound.
        """
        bounds = self.named.bounds(owner)
        if on_gpu and bounds.gpu_seconds is not None and (used := self.gpu_seconds(owner)) >= bounds.gpu_seconds:
            what = (
                f"its fits of this day (UTC) held GPUs for {used:,.0f} s, and {bounds.gpu_seconds:,.0f} s are allowed"
            )
            raise BoundReached(owner, "gpu_seconds", what, "Try again tomorrow.")
        if bounds.disk is not None and (stored := self.stored_bytes(owner)) >= bounds.disk:
            what = f"its versions have {stored:,} bytes, and {bounds.disk:,} are allowed"
            raise BoundReached(owner, "disk", what, "Delete models that nobody needs (dltk models).")

    def may_begin(self, record: JobRecord, unfinished: Iterable[JobRecord], *, on_gpu: bool) -> bool:
        """Return whether an asynchronous fit that waits may begin now; reads the disk."""
        bounds = self.named.bounds(record.owner)
        own = [each for each in unfinished if each.owner == record.owner and each.id != record.id]
        if bounds.fits is not None and _running(own) >= bounds.fits:
            return False
        return not on_gpu or bounds.gpu_seconds is None or self.gpu_seconds(record.owner) < bounds.gpu_seconds

    def gpu_seconds(self, owner: str) -> float:
        """Return for how long fits of `owner` that ended on this day held GPUs."""
        with suppress(StoreError):
            return sum(each.seconds for each in lines.read(self._file(0), GpuUse) if each.owner == owner)
        return 0.0

    def held_gpu(self, record: JobRecord, seconds: float) -> None:
        """Keep the seconds of a fit that has ended, and remove those of long ago; never raises."""
        with suppress(OSError):
            self.usage.mkdir(parents=True, exist_ok=True)
            lines.append(self._file(0), [GpuUse(record.owner, record.id, round(seconds, 3))])
            oldest = self._file(KEPT_DAYS).name
            for file in self.usage.glob("gpu-*"):
                if file.name < oldest:
                    file.unlink(missing_ok=True)

    def stored_bytes(self, owner: str) -> int:
        """Return the bytes of all versions that were fitted with a token."""
        total = 0
        for name in self.store.models():
            for version in self.store.versions(name):
                with suppress(StoreError):
                    manifest = version.manifest()
                    total += sum(each.size for each in manifest.files) if manifest.owner == owner else 0
        return total

    def _file(self, days_ago: int) -> Path:
        return self.usage / f"gpu-{datetime.now(UTC) - timedelta(days=days_ago):%Y-%m-%d}"


def others(store: ModelStore, name: ModelName, owner: str, setting: str) -> str:
    """Return a warning if a model's last version was fitted with another token, or ""; reads the disk.

    Raises:
        OtherOwner: it was, and `setting` is to refuse that.
    """
    versions = store.versions(name)
    before = ""
    if owner and versions:
        with suppress(StoreError):
            before = versions[-1].manifest().owner
    if before in ("", owner):
        return ""
    sentence = (
        f"version {versions[-1].number} of model '{name.model}' was fitted with the token '{before}', "
        f"and this fit came with the token '{owner}'"
    )
    if setting == REFUSE:
        raise OtherOwner(sentence)
    return sentence


def _running(own: Iterable[JobRecord]) -> int:
    return sum(not each.asynchronous or each.state is State.RUNNING for each in own)
