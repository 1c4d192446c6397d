"""The interface between the model store's rules and the place that keeps versions.

::

    fit, apply, service, commands ──> ModelStore      store.py: which version serves, which may go
                                          │
                                  Store, Version, Reservation                       this file
                                      │              │
                  folders on a volume: FileStore   ObjectStore: an object store, objects/

Folders, `mkdir` and `rename` are details of one implementation. Workers run notebook code, which reads
and writes local files; a `Location` says where. Every operation may be called from any thread, and by
several processes and machines at once. Where the store is across a network, each one that reads may
raise `StoreUnreachable` too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from dltk_runtime.errors import StoreError
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.deeds import Deed
from dltk_runtime.store.history import Promotion
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
            VersionUnknown, StoreDamaged: as `manifest`, except for version 0.
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


class Store(Protocol):
    """Keeps the versions of all models, and for each model a pointer: its current number.

    `remote` tells that an answer comes through a network: no event loop may wait for it.
    """

    remote: bool

    def where(self, name: ModelName) -> str:
        """Return the place of a model's versions as text for people."""

    def attach(self) -> None:
        """Remember this store's identity, for `present` and `reserve`. Never raises."""

    def present(self) -> bool:
        """Return whether the store that this was attached to is still there."""

    def missing(self) -> StoreError:
        """Return the error for a store that is not `present`."""

    def names(self, model: str | None = None) -> Iterable[ModelName]:
        """Return the models that may have versions, sorted; only those called `model`, if given.

        A model whose versions were all removed may be among them.
        """

    def committed(self, name: ModelName) -> list[int]:
        """Return the numbers of all versions whose commit returned before the call, ascending; also of damaged ones.

        Raises:
            StoreDamaged: the place of the model cannot be read.
        """

    def candidates(self, name: ModelName) -> list[int]:
        """Return the `committed` and perhaps others, which `Version.brief` tells apart; cheaper for lists of all."""

    def newest(self, name: ModelName) -> int | None:
        """Return the last of `committed`, if any; takes no longer for many versions. Raises as it does."""

    def version(self, version_id: VersionId) -> Version:
        """Return a handle for the version, whether it exists or not. Reads nothing."""

    def current(self, name: ModelName) -> int | None:
        """Return the number in the pointer; None without one. Called before every apply.

        Raises:
            StoreDamaged: the pointer cannot be read, or holds no number.
        """

    def promotions(self, name: ModelName) -> list[Promotion]:
        """Return every promotion, oldest first; empty for a model of runtime 0.1.0.

        Raises:
            StoreDamaged: they cannot be read.
        """

    def was_promoted(self, version_id: VersionId) -> bool:
        """Return whether the version was ever promoted; true for any of a model without recorded promotions.

        Called before every apply: cheap once it is true.

        Raises:
            StoreDamaged: the promotions cannot be read.
        """

    def damaged_lines(self, name: ModelName) -> int:
        """Return how many promotions cannot be read; cheap enough for every call of ``/metrics``."""

    def problems(self, name: ModelName) -> list[str]:
        """Return a sentence for each damaged part of the model besides versions and pointer."""

    def deeds(self, name: ModelName) -> list[Deed]:
        """Return who did what to a model, oldest first, also after its removal.

        Raises:
            StoreDamaged: it cannot be read.
        """

    def damaged_deeds(self, name: ModelName) -> int:
        """Return how many of them cannot be read."""

    def legacy_time(self, name: ModelName) -> float | None:
        """Return when files of an old volume, ``<algorithm>_<model>…``, changed last (epoch seconds), if any."""

    # ------------------------------------------------------------ write

    def record(self, name: ModelName, deed: Deed) -> None:
        """Add to what was done to a model; nothing removes it.

        Raises:
            NotStored: it cannot be written.
        """

    def reserve(self, name: ModelName) -> Reservation:
        """Reserve the next number: no two calls ever get the same one, on whatever machines.

        The numbers of versions that were removed are not given out again.

        Raises:
            HomeVanished: the store is not the one that this was attached to.
            NotStored: it cannot be written.
        """

    def withdraw(self, version_id: VersionId) -> bool:
        """Take a reserved number away from a fit that may still run; return whether that was possible.

        False: it is committed. Otherwise its commit fails from now on, on whatever machine.

        Raises:
            NotStored: the place cannot be changed.
        """

    def promote(self, version_id: VersionId) -> None:
        """Record the promotion, then set the pointer to this number.

        Of several calls at once, the last one wins.

        On return the version is complete, also if another process removes it at the same time:
        either that removal is undone, or this call raises and sets the pointer back to the number
        it had before. Number 0 is not checked.

        Raises:
            VersionUnknown, StoreDamaged: the version is not complete.
            NotStored: the pointer cannot be written.
        """

    def keep_back(self, version_id: VersionId, fallback: int) -> None:
        """Record that the fit of this version does not promote it.

        If nothing was ever promoted, the pointer is set to `fallback`; of several calls at once,
        one sets it. A damaged pointer is left as it is.

        Raises:
            NotStored: the pointer cannot be written.
        """

    def note(self, version_id: VersionId, notice: str) -> None:
        """Add a notice beside the manifest.

        Raises:
            VersionUnknown: it was removed.
            StoreDamaged: the manifest cannot be read.
            NotStored: it cannot be written.
        """

    def add_score(self, version_id: VersionId, score: Score) -> None:
        """Add figures beside the manifest.

        Raises:
            VersionUnknown, StoreDamaged, NotStored: as `note`.
        """

    def use(self, version_id: VersionId) -> None:
        """Note that the version answers now though another one is current. Cheap; never raises."""

    def used_within(self, version_id: VersionId, seconds: float) -> bool:
        """Return whether `use` was called within this time."""

    def remove(self, version_id: VersionId) -> bool:
        """Remove a version, in one step for readers; return whether this call removed it.

        One that is current, was current before, or is undecided stays; and every one while that
        cannot be read.
        """

    def code_choice(self, name: ModelName) -> str:
        """Return ``pinned``, ``live`` or "" as `choose_code` has stored it."""

    def choose_code(self, name: ModelName, choice: str) -> None:
        """Store which code applies of a model run; "" removes the choice.

        Raises:
            NotStored: it cannot be written.
        """

    def choice_file(self, name: ModelName) -> Path:
        """Return the file whose change is a change of that choice, on this machine."""

    def delete(self, name: ModelName) -> None:
        """Remove the promotions, the pointer, then all versions; files of an old volume stay, and `deeds`.

        Raises:
            NotStored: something cannot be removed.
        """

    def sweep(self, older_than: float) -> list[str]:
        """Remove what killed processes left; return what was removed, as text for people.

        That is: half-removed versions, reservations without a commit, and temporary files that
        nothing has changed for `older_than` seconds.
        """
