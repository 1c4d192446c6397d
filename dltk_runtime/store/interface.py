"""The interface between the model store's rules and the place that keeps versions.

::

    fit, apply, service, commands ──> ModelStore      store.py: which version serves, which may go
                                          │
                                  Store: this file; Version, Reservation: handles.py
                                      │              │
                  folders on a volume: FileStore   ObjectStore: an object store, objects/

Folders, `mkdir` and `rename` are details of one implementation. Workers run notebook code, which reads
and writes local files; a `Location` says where. Every operation may be called from any thread, and by
several processes and machines at once. Where the store is across a network, each one that reads may
raise `StoreUnreachable` too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from dltk_runtime.errors import StoreError
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.deeds import Deed
from dltk_runtime.store.handles import Reservation, Version
from dltk_runtime.store.history import Promotion
from dltk_runtime.store.later import Score


class Store(Protocol):
    """Keeps the versions of all models, and for each model a pointer: its current number.

    `remote` tells that an answer comes through a network: no event loop may wait for it.
    """

    remote: bool

    def where(self, name: ModelName) -> str:
        """Return the place of a model's versions as text for people."""

    def attach(self) -> None:
        """Remember this store's identity, for `present` and `reserve`. Never raises."""

    def prove(self) -> None:
        """Make sure that the store keeps what the rules rely on; once in a process, and before it is written.

        Raises:
            StoreUnusable: it does not.
            NotStored, StoreUnreachable: it does not answer.
        """

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

    def deeds(self, name: ModelName, since: datetime | None = None) -> list[Deed]:
        """Return who did what to a model, or that after the time `since`, oldest first, also after its removal.

        Raises:
            StoreDamaged: it cannot be read.
        """

    def damaged_deeds(self, name: ModelName) -> int:
        """Return how many of them cannot be read."""

    def drop_changed_copy(self, version_id: VersionId) -> str:
        """Remove this machine's copy of a version's files if one has changed since it was fetched; return which.

        Empty where none has, and where files are not copied. Reads all of them.
        """

    def copy_replaced(self, version_id: VersionId, since: float) -> bool:
        """Return whether this machine's copy was removed or replaced after that time (monotonic), by any process."""

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
