"""Make a version current: one change of the pointer, after a look at the version."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from dltk_runtime.errors import StoreError
from dltk_runtime.store.objects import removal
from dltk_runtime.store.objects.pointer import Entry, Pointer, Read, State


@dataclass(frozen=True, slots=True)
class Promoting:
    """Promotes versions of the model of `pointer`.

    Attributes:
        pointer: of the model.
        verify: raises when the version of a number is not complete.
        has_legacy: whether files of an old volume serve as version 0.
    """

    pointer: Pointer
    verify: Callable[[int], None]
    has_legacy: Callable[[], bool]

    def promote(self, number: int) -> None:
        """Make a version current.

        Raises:
            VersionUnknown, StoreDamaged: it is not complete.
            NotStored, StoreUnreachable: the store does not answer.
        """
        change = secrets.token_hex(8)
        self.pointer.change(lambda found: self._next(found, number, change), change)
        self._keep_last()

    def promote_first(self, number: int) -> bool:
        """Make a version current if nothing was ever promoted; return whether this call did. Raises as `promote`."""
        change = secrets.token_hex(8)

        def first(found: Read) -> State | None:
            taken = found.damage or found.state.current is not None or self.pointer.entries(found.state)
            return None if taken else found.state.promoting(number, change)

        written = self.pointer.change(first, change)
        self._keep_last()
        return written is not None

    def _next(self, found: Read, number: int, change: str) -> State | None:
        """Return the state with this version as the current one; None where it is.

        The state was read before the version is looked at: a removal in between changes the state.
        """
        state = found.state
        if number in state.condemned:
            removal.finish(self.pointer, [number])
        self.verify(number)
        if state.current == number and state.last is not None and state.last.version == number:
            return None
        if number and self.has_legacy() and not self.pointer.entries(state):
            self.pointer.keep(Entry(0, 0, state.since, found=True))  # what served until now
        return state.promoting(number, change)

    def _keep_last(self) -> None:
        with suppress(StoreError):  # else the next promotion does so
            self.pointer.keep(self.pointer.read().state.last)
