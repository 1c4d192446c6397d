"""The record of one comparison, and the files that hold the newest ones.

::

    <home>/shadow/comparisons.jsonl     the newest, appended
    <home>/shadow/before.jsonl          those before them, dropped when the first is full again

What is dropped leaves the newest repetition of each model behind: without its noise, a notebook that trains
without a seed would differ from then on.
"""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import msgspec

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files import atomic, lines
from dltk_runtime.files.records import Count, Moment
from dltk_runtime.tables.figures import TableFigures

SUCCESS, ERROR = "success", "error"  # outcomes; the old container's may also be "HTTP 500" or "no answer"


class ComparedRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request, answered by the old container and by us, or by the old one twice (`repeat`).

    `place` is where ours failed, without the text of the exception. `figures` are None where one
    of the two gave no table.
    """

    time: Moment
    route: str
    algorithm: str
    model: str
    old: str
    ours: str
    place: str = ""
    version: Count | None = None  # that answered here
    rows: Count | None = None  # of the request
    old_seconds: float = 0.0
    our_seconds: float = 0.0
    figures: TableFigures | None = None
    repeat: bool = False

    @property
    def of(self) -> tuple[str, str, str]:
        """What is repeated once: the route of a model."""
        return self.route, self.algorithm, self.model

    def is_of(self, algorithm: str, model: str) -> bool:
        """Return whether it is of a model, as far as it says: a request may have named no algorithm."""
        return self.model == model and self.algorithm in (algorithm, "")


class Records:
    """The records of one home, which several servers may write."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Keep at most about `limit` bytes in `folder`, and no more than can be read again."""
        self._now = folder / "comparisons.jsonl"
        self._before = folder / "before.jsonl"
        self._limit = min(limit, atomic.MAX_RECORD_BYTES) // 2  # of each of the two files

    def files_of(self, algorithm: str, model: str) -> list[Path]:
        """Return the files that hold records of a model.

        Raises:
            StoreDamaged: a file cannot be read.
        """
        files = (self._before, self._now)
        return [
            path for path in files if any(each.is_of(algorithm, model) for each in lines.read(path, ComparedRequest))
        ]

    def forget(self, algorithm: str, model: str) -> None:
        """Overwrite the records of a model, while servers add others.

        Raises:
            OSError: a file cannot be written.
        """
        for path in (self._now, self._before, self._now):  # again: a server may have moved the first meanwhile
            lines.blank(path, ComparedRequest, lambda record: record.is_of(algorithm, model))

    def add(self, record: ComparedRequest) -> None:
        """Append a record.

        Raises:
            OSError: it cannot be written.
        """
        self._now.parent.mkdir(parents=True, exist_ok=True)
        noise: list[ComparedRequest] = []
        with contextlib.suppress(FileNotFoundError):
            if self._now.stat().st_size >= self._limit:
                noise = self._noise_of_the_oldest()
                self._now.replace(self._before)
        lines.append(self._now, [*noise, record])

    def all(self) -> list[ComparedRequest]:
        """Return the records that are kept, oldest first.

        Raises:
            StoreDamaged: a file cannot be read.
        """
        return [record for path in (self._before, self._now) for record in lines.read(path, ComparedRequest)]

    def _noise_of_the_oldest(self) -> list[ComparedRequest]:
        """Return the newest repetition of each model in the file to be dropped, as many as take half of a file."""
        with contextlib.suppress(StoreDamaged):
            found = {each.of: each for each in lines.read(self._before, ComparedRequest) if each.repeat}
            sizes = itertools.accumulate(len(msgspec.json.encode(each)) for each in reversed(found.values()))
            return [each for each, size in zip(reversed(found.values()), sizes, strict=True) if size < self._limit // 2]
        return []
