"""The named tokens that are in force: those of the last file that could be used."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from pathlib import Path

from dltk_runtime import logs
from dltk_runtime.access import file
from dltk_runtime.access.errors import TokensDamaged
from dltk_runtime.access.holder import NO_BOUNDS, Bounds, Holder
from dltk_runtime.files.state import FileState, Stamp, stamp_of

VARIABLE = "DLTK_TOKENS_FILE"


class NamedTokens:
    """The tokens of one file; none without a file.

    Raises:
        TokensDamaged: the file cannot be used at the start.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._state: FileState | None = None
        self._refused: Stamp | None = None  # of a file that cannot be used
        self._holders: dict[str, Holder] = {}  # by the hash of a token
        self.unread = False  # whether the file was refused
        if path is not None:
            self._read(path)

    def __bool__(self) -> bool:
        return bool(self._holders)

    @property
    def path(self) -> Path | None:
        """The file, if there is one."""
        return self._path

    def look(self) -> None:
        """Read the file again if it has changed; one that cannot be used changes nothing, and is logged."""
        if self._path is None or (self._state is not None and self._state.still_true()):
            self._refused, self.unread = None, False
            return
        stamp = stamp_of(self._path)
        if self.unread and stamp == self._refused:
            return
        try:
            self._read(self._path)
        except TokensDamaged as error:
            self._refused, self.unread = stamp, True
            logs.event("tokens not renewed", logging.WARNING, variable=VARIABLE, reason=error.sentence)
        else:
            self._refused, self.unread = None, False
            logs.event("tokens renewed", variable=VARIABLE, names=sorted(self.names()))

    def find(self, token: bytes) -> Holder | None:
        """Return who holds a token."""
        return self._holders.get(hashlib.sha256(token).hexdigest())

    def with_mark(self, mark: str) -> Holder | None:
        """Return who holds the token with the hash `mark`, as long as it is in force."""
        return self._holders.get(mark)

    def names(self) -> Collection[str]:
        """Return the names in force."""
        return {holder.name for holder in self._holders.values()}

    def bounds(self, name: str) -> Bounds:
        """Return the bounds of a name; none of one that is not in the file."""
        found = (holder.bounds for holder in self._holders.values() if holder.name == name)
        return next(found, NO_BOUNDS)

    def _read(self, path: Path) -> None:
        entries, self._state = file.load(path)
        holders = {value.sha256: entry.holder() for entry in entries for value in entry.values}
        self._holders = holders  # in one step: other threads look tokens up
