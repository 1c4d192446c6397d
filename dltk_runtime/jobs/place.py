"""The interface of the place of one job; `folder.JobFolder` implements it by files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from dltk_runtime.jobs.record import JobRecord


class JobPlace(Protocol):
    """Where one job's record, log and metrics are kept. One server writes, others read."""

    @property
    def state_of_training(self) -> Path:
        """Where the state of a training may be kept, for a later start: how its files' names begin."""

    def save(self, record: JobRecord, *, durable: bool = False) -> None:
        """Replace the record as a whole; `durable` makes it outlive a power failure.

        Raises:
            ClaimLost: another server has the job now.
            OSError: it cannot be written.
        """

    def touch(self) -> None:
        """Mark the job as alive.

        Raises:
            ClaimLost: another server has the job now.
        """

    def add_metrics(self, step: float, metrics: Mapping[str, float]) -> None:
        """Append the metrics of one step; nothing when there are none.

        Raises:
            OSError: they cannot be written.
        """

    def write_log(self, text: bytes) -> None:
        """Append printed text: any number of lines or parts of lines. Never raises."""

    def close_log(self) -> None:
        """Reduce the log to its bound; later text is ignored."""

    def remove_submission(self) -> None:
        """Remove what an asynchronous job needed to run."""

    def give_back(self) -> None:
        """Let any server run the job. Never raises."""

    def leave(self) -> None:
        """Give up the right to change the job."""
