"""The models of a home, as the command line shows and changes them; `client.models` is the same over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import msgspec

from dltk_runtime.names import ModelName
from dltk_runtime.store.errors import VersionUnknown
from dltk_runtime.store.fields import stub_notice
from dltk_runtime.store.store import ModelStore
from dltk_runtime.store.view import ModelView, VersionDetail, view_of


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

    def promote(self, name: ModelName, number: int) -> ModelView:
        """Make a version current; the view's `notice` says who answers Splunk's searches."""

    def rollback(self, name: ModelName) -> ModelView:
        """Make the version before the current one current. Returns as `promote`."""


@dataclass(frozen=True, slots=True)
class LocalModels:
    """The models of a home on this machine."""

    store: ModelStore

    def list(self) -> list[ModelView]:
        return [view for name in self.store.models() if (view := self._if_any(name)) is not None]

    def get(self, name: ModelName) -> ModelView:
        return view_of(self.store, name)

    def version(self, name: ModelName, number: int) -> VersionDetail:
        return VersionDetail.of(self.store.get(name, number))

    def promote(self, name: ModelName, number: int) -> ModelView:
        version = self.store.get(name, number)
        self.store.promote(version)
        return msgspec.structs.replace(self.get(name), notice=stub_notice(self.store, version))

    def rollback(self, name: ModelName) -> ModelView:
        version = self.store.rollback(name)
        return msgspec.structs.replace(self.get(name), notice=stub_notice(self.store, version))

    def _if_any(self, name: ModelName) -> ModelView | None:
        try:
            return self.get(name)
        except VersionUnknown:  # deleted since it was listed
            return None
