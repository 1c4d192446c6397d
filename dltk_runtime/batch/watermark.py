"""How far a flow has come: a file of a few lines, replaced in one step, and held by one process at a time.

A window is opened before its rows are read, and closed when the destination has acknowledged all of them. A kill in
between leaves it open, and the next run takes the very same window again: the same rows, so the same keys.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dltk_runtime.batch.errors import BatchInvalid
from dltk_runtime.errors import shown
from dltk_runtime.files import atomic

LONGEST = 86_400  # seconds of one window: bounds what a flow that was away for long has to hold in memory
FILE, LOCK = "watermark.json", "lock"


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose watermark it is, and the moment (epoch seconds) before which all that was indexed is delivered.

    `open` is the end of a window on its way. `delivered` is whether any window has come to its end yet.
    """

    search: str
    to: str
    done: int
    open: int | None = None
    delivered: bool = False


@dataclass(slots=True)
class Watermark:
    """The watermark in `folder`, which this process holds."""

    folder: Path
    mark: Mark

    def open(self, until: int) -> tuple[int, int] | None:
        """The next window, up to `until` at most, or the one that was left open; none when there is nothing new."""
        end = self.mark.open or min(self.mark.done + LONGEST, until)
        if end <= self.mark.done:
            return None
        self._write(msgspec.structs.replace(self.mark, open=end))
        return self.mark.done, end

    def close(self) -> None:
        """The open window is delivered."""
        self._write(msgspec.structs.replace(self.mark, done=self.mark.open, open=None, delivered=True))

    def _write(self, mark: Mark) -> None:
        try:
            atomic.write(self.folder / FILE, atomic.to_json(mark))
        except OSError as error:
            raise atomic.not_stored("The watermark", self.folder / FILE, error) from error
        self.mark = mark


@contextlib.contextmanager
def held(folder: Path, new: Mark) -> Iterator[Watermark]:
    """The watermark in `folder`, `new` when there is none, for this process alone.

    Raises:
        BatchInvalid: another process holds it, it is another flow's, or cannot be read.
        NotStored: `folder` cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("wb")
    except OSError as error:
        raise atomic.not_stored("The watermark", folder, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # given back by the end of the process, however it comes
        except OSError as error:
            raise BatchInvalid(
                f"The flow {folder.name!r} is run by another process at this moment. Wait for its end, or give this "
                "one a name of its own with --flow."
            ) from error
        yield Watermark(folder, _read(folder / FILE, new))


def _read(path: Path, new: Mark) -> Mark:
    try:
        mark = msgspec.json.decode(path.read_bytes(), type=Mark)
    except FileNotFoundError:
        return new
    except (OSError, msgspec.DecodeError) as error:
        raise BatchInvalid(
            f"{path} is no watermark ({error}). Remove it, and say with --since where to begin."
        ) from error
    if (mark.search, mark.to) == (new.search, new.to):
        return mark
    if mark.delivered:
        raise BatchInvalid(
            f"The flow {path.parent.name!r} reads {shown(mark.search, 200)} into {mark.to}, by its watermark. Give "
            f"another search or destination a name of its own with --flow. To go on from where that one stopped, "
            f"remove {path} and add --since {mark.done} once."
        )
    return new  # the first try was wrong, and has been put right
