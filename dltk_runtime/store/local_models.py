"""The models of a home, as the command line shows and changes them; `client.models` is the same over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from dltk_runtime.access.actor import NOBODY, Actor
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.card import CardDrift, ShownCard, shown
from dltk_runtime.store.compared import Compared, compared
from dltk_runtime.store.deeds import History, What
from dltk_runtime.store.errors import VersionUnknown
from dltk_runtime.store.fields import stub_notice
from dltk_runtime.store.store import ModelStore
from dltk_runtime.store.view import ModelView, VersionDetail, view_of

CHOSEN = {"pinned": What.PINNED, "live": What.LIVE, "": What.AUTO}  # by the choice of the code


def unjudged(_: VersionId) -> CardDrift | None:
    """Return no judgement of a version."""
    return None


class Models(Protocol):
    """Models and versions, wherever they are.

    Raises:
        StoreError, or what a client raises: every method, when there is no such model or version.
    """

    def list(self) -> list[ModelView]:
        """Return all models, by name."""

    def get(self, name: ModelName) -> ModelView:
        """Return one model."""

    def version(self, name: ModelName, number: int) -> VersionDetail:
        """Return all that is known of a version."""

    def card(self, name: ModelName, number: int) -> ShownCard:
        """Return the model card of a version."""

    def history(self, name: ModelName) -> History:
        """Return who did what to a model, also after its removal."""

    def promote(self, name: ModelName, number: int, reason: str = "") -> ModelView:
        """Make a version current; the view's `notice` says who answers Splunk's searches."""

    def rollback(self, name: ModelName, reason: str = "") -> ModelView:
        """Make the version before the current one current. Returns as `promote`."""

    def choose_code(self, name: ModelName, choice: str, reason: str = "") -> ModelView:
        """Choose the code that applies run: ``pinned``, ``live``, or "" for what the setting says."""

    def delete(self, name: ModelName, reason: str = "") -> None:
        """Remove a model with all its versions; its history stays."""

    def delete_version(self, name: ModelName, number: int, reason: str = "") -> ModelView:
        """Remove one version that neither is current nor was so before."""


@dataclass(frozen=True, slots=True)
class LocalModels:
    """The models of a home on this machine; `actor` is who changes them.

    Model cards show values of rows as `values` says, and the drift that `judged` knows.
    """

    store: ModelStore
    actor: Actor = NOBODY
    values: bool = True
    judged: Callable[[VersionId], CardDrift | None] = unjudged

    def list(self) -> list[ModelView]:
        found = filter(None, map(self._if_any, self.store.names()))
        return [view for view in found if view.versions or view.current is None]  # as `ModelReader.models`

    def get(self, name: ModelName) -> ModelView:
        return msgspec.structs.replace(view_of(self.store, name), code=self.store.code_choice(name))

    def version(self, name: ModelName, number: int) -> VersionDetail:
        return VersionDetail.of(self.store.get(name, number))

    def card(self, name: ModelName, number: int) -> ShownCard:
        version = self.store.get(name, number)
        current = self.store.serving_or_0(name).number == number
        return shown(version, current=current, values=self.values, drift=self.judged(version.id))

    def compare(self, name: ModelName, old: int, new: int) -> Compared:
        first, second = self.store.get(name, old), self.store.get(name, new)
        judged = [self.judged(each.id) for each in (first, second)]
        return compared(first, second, judged, stub_notice(self.store, second))

    def warnings(self, name: ModelName) -> dict[str, str]:
        """Return what to know before a version is made current, by its number: of those that have some."""
        found = {str(each.number): stub_notice(self.store, each) for each in self.store.versions(name)}
        return {number: text for number, text in found.items() if text}

    def history(self, name: ModelName) -> History:
        history = self.store.history(name)
        if not history.entries:
            self.get(name)  # raises where there is no such model
        return history

    def promote(self, name: ModelName, number: int, reason: str = "") -> ModelView:
        version = self.store.get(name, number)
        self.store.promote(version)
        self.store.record(name, What.PROMOTED, self.actor.because(reason), number)
        return msgspec.structs.replace(self.get(name), notice=stub_notice(self.store, version))

    def rollback(self, name: ModelName, reason: str = "") -> ModelView:
        version = self.store.rollback(name)
        self.store.record(name, What.ROLLED_BACK, self.actor.because(reason), version.number)
        return msgspec.structs.replace(self.get(name), notice=stub_notice(self.store, version))

    def choose_code(self, name: ModelName, choice: str, reason: str = "") -> ModelView:
        self.store.choose_code(name, choice)
        self.store.record(name, CHOSEN[choice], self.actor.because(reason))
        return self.get(name)

    def delete(self, name: ModelName, reason: str = "") -> None:
        self.store.delete(name)
        self.store.record(name, What.DELETED, self.actor.because(reason))

    def delete_version(self, name: ModelName, number: int, reason: str = "") -> ModelView:
        self.store.delete_version(name, number)
        self.store.record(name, What.DELETED, self.actor.because(reason), number)
        return self.get(name)

    def _if_any(self, name: ModelName) -> ModelView | None:
        try:
            return view_of(self.store, name)
        except VersionUnknown:  # deleted since it was listed
            return None
