"""The reading half of the model store: the models, their versions, what was done to them, damage."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files.state import FileState, stamp_of
from dltk_runtime.names import ModelName, checked
from dltk_runtime.store import last_fitted
from dltk_runtime.store.choosing import VersionChooser
from dltk_runtime.store.deeds import History, HistoryEntry, What, merged
from dltk_runtime.store.errors import VersionMissing, VersionUnknown
from dltk_runtime.store.handles import Version


class ModelReader(VersionChooser):
    """The rules of reading over a `Store`: what there is, and how it came to be."""

    def prove(self) -> None:
        """Make sure that the store keeps what the rules rely on.

        Raises:
            StoreUnusable: it does not.
            NotStored, StoreUnreachable: it does not answer.
        """
        self._store.prove()

    def attach(self) -> None:
        """Remember this store's identity, for `present` and `reserve`. Never raises."""
        self._store.attach()

    def ever_promoted(self, name: ModelName) -> bool:
        """Return whether anything serves, or served, under this name: damage is not absence."""
        try:
            return self._store.current(name) is not None or bool(self._store.promotions(name)) or self.has_legacy(name)
        except StoreDamaged:
            return True

    def was_promoted(self, version: Version) -> bool:
        """Return whether a promotion of the version is on record."""
        with suppress(StoreDamaged):
            return any(each.version == version.number for each in self._store.promotions(version.name))
        return False

    def problems(self, name: ModelName) -> Iterator[str]:
        """Yield a sentence for each damage of a model; compare all files with their hashes."""
        try:
            if problem := self.choose(name).problem:
                yield f"{name}: {problem.rstrip('.')}."
        except StoreDamaged as error:
            yield error.sentence
        yield from self._store.problems(name)
        with suppress(StoreDamaged):  # `choose` says so
            for number in self._store.committed(name):
                try:
                    self._version(name, number).verify(hashes=True)
                except VersionUnknown:
                    continue  # removed since it was listed
                except StoreDamaged as error:
                    yield error.sentence

    def versions(self, name: ModelName) -> list[Version]:
        """Return the committed versions, oldest first; also damaged ones.

        Raises:
            StoreDamaged: the place of the model cannot be read.
        """
        return [self._version(name, number) for number in self._store.committed(name)]

    def candidates(self, name: ModelName) -> list[Version]:
        """Return the versions, and fits that still run: `Version.brief` tells them apart. Raises as `versions`."""
        return [self._version(name, number) for number in self._store.candidates(name)]

    def get(self, name: ModelName, number: int) -> Version:
        """Return that version; number 0 when there are files of an old volume.

        Raises:
            VersionMissing: there is none of that number.
        """
        version = self._version(name, number)
        committed = self._store.committed(name)
        if number in committed or (number == 0 and self.has_legacy(name)):
            return version
        raise VersionMissing(version, self._store.where(name), committed)

    def newest(self, name: ModelName) -> Version | None:
        """Return the newest committed version, also a damaged one; None without any. Raises as `versions`."""
        number = self._store.newest(name)
        return None if number is None else self._version(name, number)

    def names(self) -> list[ModelName]:
        """Return the models that have a place, with or without a version, by name."""
        return sorted(self._store.names())

    def models(self) -> list[ModelName]:
        """Return the models with a committed version and the unreadable ones, by name."""
        return sorted(name for name in self._store.names() if self._may_exist(name))

    def counts(self) -> list[int]:
        """Return the number of versions of each readable model; fast for hundreds of models."""
        return list(filter(None, map(self._count, self._store.names())))

    def damaged_lines(self) -> int:
        """Return how many promotions of all models cannot be read."""
        return sum(self._store.damaged_lines(name) for name in self._store.names())

    def history(self, name: ModelName) -> History:
        """Return who did what to a model, the newest first.

        Raises:
            StoreDamaged: it cannot be read.
        """
        found = merged(self._store.deeds(name), self._store.promotions(name))
        entries = [HistoryEntry.of(name, each) for each in reversed(found)]
        return History(entries, self._store.damaged_deeds(name))

    def forgotten_since(self, name: ModelName, since: datetime) -> bool:
        """Return whether a model was forgotten after that time. Raises as `history`."""
        return any(each.what == What.FORGOTTEN for each in self._store.deeds(name, since))

    def histories(self, limit: int, shown: Callable[[ModelName], bool]) -> History:
        """Return the newest `limit` entries of all models that may be `shown`; of removed ones, too."""
        found = []
        for name in filter(shown, self._store.names()):
            with suppress(StoreDamaged):
                found.append(self.history(name))
        entries = heapq.nlargest(limit, itertools.chain(*(each.entries for each in found)), key=lambda each: each.time)
        return History(entries, sum(each.damaged_lines for each in found))

    def algorithm_of(self, model: str, algorithms: Iterable[str]) -> str | None:
        """Return the algorithm that was fitted last under this model name; None if unknown.

        Committed versions count first. Without any, the files of an old volume decide among
        `algorithms`: those named ``<algorithm>_<model>…``.

        Raises:
            NameInvalid: `model` is not a valid model name.
        """
        checked("model", model)
        return last_fitted.algorithm_of(self._store, model, algorithms)

    def pins_code(self, name: ModelName, default: bool) -> bool:
        """Return whether applies of a model run the code of its version; `default` where nothing was chosen."""
        return {"pinned": True, "live": False}.get(self._store.code_choice(name), default)

    def choice_state(self, name: ModelName) -> FileState:
        """Return the state of that choice, to detect a later change."""
        path = self._store.choice_file(name)
        return FileState(str(path), stamp_of(path))

    # ------------------------------------------------------------ helpers

    def _may_exist(self, name: ModelName) -> bool:
        with suppress(StoreDamaged):
            return self._store.newest(name) is not None
        return True

    def _count(self, name: ModelName) -> int | None:
        """Return the number of committed versions; None when it cannot be read."""
        with suppress(StoreDamaged):
            return len(self._store.committed(name))
        return None
