"""What a store hands out: versions, reservations of one, and where their files are."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.later import Score
from dltk_runtime.store.manifest import Brief, Facts, Manifest


@dataclass(frozen=True, slots=True)
class Location:
    """Where a worker on this machine finds, or writes, the files of a version.

    The paths are local to the machine that asked for them. All fields but `load_name` are empty
    for version 0.
    """

    load_name: str  # argument of the notebook's `save` and `load`, relative to the models' folder
    folder: str = ""
    code: str = ""  # file with the packed sources that the fit ran
    kept_model: str = ""  # file for a model that `save` did not store; empty without one
    seen: str = ""  # file that tells which rows the fit has seen; empty without one
    pictures: str = ""  # folder for the fit's pictures, shown when the version is promoted


class Version(Protocol):
    """A handle: only its methods read. Number 0 stands for files of an old volume, that no fit has committed."""

    @property
    def id(self) -> VersionId: ...

    @property
    def name(self) -> ModelName: ...

    @property
    def number(self) -> int: ...

    @property
    def where(self) -> str:
        """Return the place of the version as text for people: a folder or an address."""

    def manifest(self) -> Manifest:
        """Return the version's manifest, which never changes; cheap, since it is parsed once.

        Raises:
            VersionUnknown: it was removed, was never committed, or is version 0.
            StoreDamaged: its manifest cannot be read.
        """

    def brief(self) -> Brief:
        """Return a part of the manifest, which is kept in memory for more versions. Raises as `manifest`."""

    def notices(self) -> list[str]:
        """Return the manifest's notices and those `added`. Raises as `manifest`."""

    def added(self) -> list[str]:
        """Return the notices that came after the commit. Raises StoreDamaged where they cannot be read."""

    def scores(self) -> list[Score]:
        """Return what was measured after the fit, oldest first.

        Raises:
            StoreDamaged: it cannot be read.
        """

    def code(self) -> bytes:
        """Return the sources that the fit ran, as `notebook.source.pack` wrote them.

        Raises:
            StoreDamaged: they cannot be read.
        """

    def description(self) -> bytes:
        """Return JSON ``{"model": str(model), "model_summary": …}``, made right after the fit.

        Raises:
            StoreDamaged: it cannot be read.
        """

    def card(self) -> bytes:
        """Return the model card as `card.Card.encoded` wrote it; empty for a version without one.

        Raises:
            VersionUnknown, StoreDamaged: as `manifest`, or the card cannot be read.
        """

    def location(self) -> Location:
        """Return where a worker on this machine finds the files, fetching them if need be.

        Raises:
            VersionUnknown, StoreDamaged: as `manifest`, except for version 0; or a file that is fetched has changed.
            NotStored: what is fetched cannot be written.
        """

    def verify(self, *, hashes: bool = False) -> None:
        """Compare the files with the manifest: their sizes, and with `hashes` their contents.

        Raises:
            VersionUnknown: it was removed.
            StoreDamaged: a file is missing or has changed; names the first one.
        """


class Reservation(Protocol):
    """A version number for one fit, as a context: left without `commit`, its files are removed."""

    @property
    def number(self) -> int: ...

    @property
    def location(self) -> Location:
        """Where the fit's worker writes: an empty folder, and the path for a kept model."""

    def touch(self) -> None:
        """Mark the fit as running; `sweep` removes what was not marked for a day. Never raises."""

    def commit(self, facts: Facts, code: bytes, description: bytes, card: bytes = b"") -> Version:
        """Store the files of `location`, `code`, `description` and a `card`, if any, then the manifest.

        Each is durable before the next. The version exists from the moment its manifest does, and
        is undecided: `Store.remove` leaves it until its fit has promoted it or kept it back, at
        most for a day.

        Raises:
            NotStored: no space or no permission; then nothing was committed.
        """

    def abandon(self) -> None:
        """Remove the files unless they were committed. Never raises: `sweep` removes the rest."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
