"""An apply worker that stays: what it serves, and which requests have it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from dltk_runtime.files.state import unchanged
from dltk_runtime.names import VersionId
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.worker.messages import Loaded


@dataclass(eq=False)
class Resident:
    """An apply worker and what it has loaded.

    Attributes:
        version: what it serves.
        loaded: its answer to `Load`; None until the request that leases it has loaded the version.
        leases: requests that have it: the one that runs, and the one that follows.
        followable: whether the request that has it makes one call, which another one may follow.
        retired: its version is no longer current: it ends when it is given back.
        used: time of `time.monotonic` when it was given back last.
    """

    version: VersionId
    process: LocalWorker | None = None
    loaded: Loaded | None = None
    leases: int = 1
    followable: bool = False
    retired: bool = False
    used: float = field(default_factory=time.monotonic)

    @property
    def busy(self) -> bool:
        """Whether a request has it."""
        return self.leases > 0

    @property
    def worker(self) -> LocalWorker:
        """The worker of a leased resident.

        Raises:
            RuntimeError: it is not leased.
        """
        if self.process is None:
            raise RuntimeError("a resident has its worker while it is leased")
        return self.process

    @property
    def able(self) -> bool:
        """Whether it can answer for the code that it has loaded."""
        process = self.process
        fit = process is not None and process.usable and not process.spoiled
        return fit and not self.retired and self.loaded is not None

    @property
    def serving(self) -> bool:
        """Whether it can answer for the code that is on disk now."""
        return self.able and self.loaded is not None and unchanged(self.loaded.states)
