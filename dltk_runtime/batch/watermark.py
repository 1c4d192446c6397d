"""The progress of a flow: a small file, replaced atomically and held by one process at a time.

A window is opened before its rows are read, and closed when the destination has acknowledged all
of them. A kill in between leaves it open, and the next run repeats it: the same rows, thus the
same keys.
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
from dltk_runtime.files.records import decoded
from dltk_runtime.units import DAY_SECONDS

MAX_WINDOW_SECONDS = DAY_SECONDS  # bounds the memory of a flow that did not run for long
FILE, LOCK = "watermark.json", "lock"


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The watermark of one search and destination.

    What was indexed before `done` (epoch seconds) is delivered. `open` is the end of the window
    that is being delivered, and `delivered` says whether any window was delivered yet.
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
        """Open the next window, up to `until` at most, or the one left open; None without any."""
        end = self.mark.open or min(self.mark.done + MAX_WINDOW_SECONDS, until)
        if end <= self.mark.done:
            return None
        self._write(msgspec.structs.replace(self.mark, open=end))
        return self.mark.done, end

    def close(self) -> None:
        """Record that the open window is delivered."""
        self._write(msgspec.structs.replace(self.mark, done=self.mark.open, open=None, delivered=True))

    def _write(self, mark: Mark) -> None:
        try:
            atomic.write(self.folder / FILE, atomic.to_json(mark))
        except OSError as error:
            raise atomic.not_stored("The watermark", self.folder / FILE, error) from error
        self.mark = mark


@contextlib.contextmanager
def held(folder: Path, new: Mark) -> Iterator[Watermark]:
    """Hold the watermark in `folder`, which is `new` if there is none, for this process alone.

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
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the end of the process releases it
        except OSError as error:
            raise BatchInvalid(
                f"The flow {folder.name!r} is run by another process. Wait until that ends, or give this flow another "
                "name with --flow."
            ) from error
        yield Watermark(folder, _read(folder / FILE, new))


def _read(path: Path, new: Mark) -> Mark:
    try:
        mark = decoded(path.read_bytes(), Mark)
    except FileNotFoundError:
        return new
    except (OSError, ValueError) as error:
        raise BatchInvalid(
            f"{path} is not a valid watermark ({error}). Remove it, and say with --since where to begin."
        ) from error
    if (mark.search, mark.to) == (new.search, new.to):
        return mark
    if mark.delivered:
        raise BatchInvalid(
            f"By its watermark the flow {path.parent.name!r} reads {shown(mark.search, 200)} into {mark.to}. Give "
            f"another search or destination another name with --flow. To continue where that flow stopped, "
            f"remove {path} and add --since {mark.done} once."
        )
    return new  # no window was delivered with the search or destination of before
