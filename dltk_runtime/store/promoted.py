"""Which versions of a model were promoted: the files ``current`` and ``promoted`` in its folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dltk_runtime.errors import StoreDamaged, StoreError
from dltk_runtime.files import atomic
from dltk_runtime.files.state import Stamp, stamp_of
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store import history, layout
from dltk_runtime.store.history import Promotion
from dltk_runtime.store.layout import CURRENT, PROMOTED


class PromotedFiles:
    """Reads and writes the promotions of all models below `versions`.

    It remembers for each model a number that is known to be promoted.
    """

    def __init__(self, versions: Path) -> None:
        self._versions = versions
        self._known = history.Known()
        self._bad_lines: dict[ModelName, tuple[Stamp | None, int]] = {}

    # ------------------------------------------------------------ read

    def current(self, name: ModelName) -> int | None:
        """Return the number in `current`; None without the file.

        Raises:
            StoreDamaged: it cannot be read.
        """
        return layout.current_number(self._versions, name)

    def readable_current(self, name: ModelName) -> int | None:
        """Return the number in `current`; None also when it cannot be read."""
        with suppress(StoreDamaged):
            return self.current(name)
        return None

    def history(self, name: ModelName) -> list[Promotion]:
        """Return the promotions, oldest first.

        Raises:
            StoreDamaged: they cannot be read.
        """
        return history.read(self._history(name))

    def contains(self, version_id: VersionId) -> bool:
        """Return whether a version was promoted; True where the history does not say. Raises as `history`."""
        return self._known.contains(version_id, self.history)

    def has_any(self, name: ModelName) -> bool:
        """Return whether a version was promoted; True also when that cannot be read."""
        with suppress(StoreDamaged):
            return bool(self.history(name))
        return True

    def keeps(self, version_id: VersionId) -> bool:
        """Return whether a version is current or was before the current one; if that cannot be read, all are kept."""
        with suppress(StoreDamaged):
            current = self.current(version_id.name)
            before = history.before(self.history(version_id.name), current)
            return version_id.number in {current, *before[:1]}
        return True

    def damaged_lines(self, name: ModelName) -> int:
        """Return how many lines of the history are not whole."""
        path = self._history(name)
        stamp = stamp_of(path)
        known = self._bad_lines.get(name)
        if known is None or known[0] != stamp:
            known = self._bad_lines[name] = stamp, history.bad_lines(path)
        return known[1]

    def problems(self, name: ModelName) -> list[str]:
        """Return a sentence for each damage."""
        path, bad = self._history(name), self.damaged_lines(name)
        return [f"{path} has {bad} damaged or torn lines; the promotions in them are not known."] if bad else []

    # ------------------------------------------------------------ write

    def record(self, name: ModelName, number: int, before: int | None) -> None:
        """Add the promotion of `number`; the first one also that of `before`, which none recorded.

        Raises:
            StoreDamaged, NotStored: it cannot be read or written.
        """
        promotions = self.history(name)
        path = self._history(name)
        try:
            if not promotions and before is not None:
                history.append(path, before, found=True)
            if not promotions or promotions[-1].version != number:
                history.append(path, number)
        except OSError as error:
            raise atomic.not_stored(f"The promotion of {name} version {number}", path, error) from error

    def begin(self, name: ModelName, number: int) -> bool:
        """Make `number` the first current version; return False when there was one.

        Raises:
            OSError: it cannot be written.
        """
        if self.has_any(name) or not atomic.create(self._current(name), b"%d\n" % number):
            return False
        history.append(self._history(name), number)
        return True

    def point(self, name: ModelName, number: int) -> None:
        """Make `current` hold `number`.

        Raises:
            NotStored: it cannot be written.
        """
        path = self._current(name)
        try:
            atomic.write(path, b"%d\n" % number)
        except OSError as error:
            raise atomic.not_stored(f"The current version of {name}", path, error) from error

    def take_back(self, version_id: VersionId, before: int | None) -> None:
        """Set `current` and the end of the history back to `before`, as far as that is possible."""
        name = version_id.name
        with suppress(OSError, StoreError):
            mine = self.readable_current(name) == version_id.number
            if mine and before is None:
                self._current(name).unlink()
            elif before is not None:
                if mine:
                    self.point(name, before)
                history.append(self._history(name), before)

    def align(self, name: ModelName) -> None:
        """Make the history end with the current version, after several promotions at once."""
        with suppress(OSError, StoreDamaged):
            while (number := self.current(name)) is not None and self.history(name)[-1].version != number:
                history.append(self._history(name), number)

    def remove(self, name: ModelName) -> None:
        """Remove both files, the history first: a removal that is cut short then leaves no version that serves.

        Raises:
            OSError: one cannot be removed.
        """
        self._known.forget(name)
        self._history(name).unlink(missing_ok=True)
        self._current(name).unlink(missing_ok=True)

    def _current(self, name: ModelName) -> Path:
        return layout.model_folder(self._versions, name) / CURRENT

    def _history(self, name: ModelName) -> Path:
        return layout.model_folder(self._versions, name) / PROMOTED
