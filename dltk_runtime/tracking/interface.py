"""What fits report to a tracking server, whatever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.names import ModelName
from dltk_runtime.store.store import Version


@dataclass(frozen=True, slots=True)
class FitBegins:
    """A fit that begins: its job, the version number it will commit, and the words of its search.

    `fields` are the names of features; `targets` has the target's name, or is empty.
    """

    record: JobRecord
    number: int
    targets: Sequence[str] = ()
    fields: Sequence[str] = ()


class RunTracking(Protocol):
    """Reports of fits and versions. No method but `begin` waits for anything; none raises."""

    async def begin(self, fit: FitBegins) -> dict[str, str]:
        """Make a run for a fit; return variables for the environment of the fit's process."""

    def committed(self, version: Version, job: str, *, promoted: bool, message: str) -> None:
        """Note that a fit has committed a version, and whether it is current now."""

    def ended(self, record: JobRecord) -> None:
        """Note a job's new state; only an end matters."""

    def current_changed(self, name: ModelName) -> None:
        """Note that another version of a model is current."""


class NoTracking:
    """Reports nothing: no tracking server is set."""

    async def begin(self, fit: FitBegins) -> dict[str, str]:  # noqa: ARG002 - the interface's
        return {}

    def committed(self, version: Version, job: str, *, promoted: bool, message: str) -> None: ...

    def ended(self, record: JobRecord) -> None: ...

    def current_changed(self, name: ModelName) -> None: ...
