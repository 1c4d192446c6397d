"""`mode=stage`: write the rows and parameters of a search beside the notebooks.

A file that this container did not write, or that was changed since, is moved aside and never
overwritten. The container knows its own files by their hashes, kept under ``<home>/staged``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dltk_runtime.call import Call, Meta, Request
from dltk_runtime.errors import Busy, NotStaged
from dltk_runtime.files import atomic
from dltk_runtime.files.records import decoded
from dltk_runtime.names import checked
from dltk_runtime.paths import Paths
from dltk_runtime.pool.outcome import deaths_reported, expect
from dltk_runtime.pool.pool import Pool
from dltk_runtime.settings import Settings
from dltk_runtime.worker import messages

MAX_STAGES = 2  # that run at the same time, each in a worker of its own


@dataclass(frozen=True, slots=True)
class Staged:
    """The result of a stage: the file, its rows, and the new names of files moved aside."""

    csv: Path
    rows: int
    moved_aside: tuple[str, ...] = ()


class Staging:
    """Stages data."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._paths = settings.paths
        self._timeout = settings.apply_timeout
        self._most_waiting = settings.max_waiting
        self._pool = pool
        self._places = asyncio.Semaphore(MAX_STAGES)
        self._waiting = 0
        self._publishing = asyncio.Lock()

    async def stage(self, request: Request, call: Call) -> Staged:
        """Write ``<model>.csv`` and ``<model>.json``.

        Raises:
            NameInvalid: the model's name cannot be a file's.
            Busy: too many stages wait already.
            AlgorithmFailed, NotStaged: the rows are no frame, or cannot be written.
        """
        model = checked("model", request.model)
        call.facts.model = model
        place = StagedFiles(self._paths, model)
        async with self._place():
            try:
                rows = call.facts.rows = await self._write_rows(place, request, call)
                async with self._publishing:  # two stages of one model must not mix their files
                    aside = await asyncio.to_thread(place.publish, request.meta)
            finally:
                place.discard()
        return Staged(place.csv, rows, tuple(aside))

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._places.locked() and self._waiting >= self._most_waiting:
            raise Busy("their turn to stage data", self._waiting, "DLTK_MAX_WAITING")
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()

    async def _write_rows(self, place: StagedFiles, request: Request, call: Call) -> int:
        with deaths_reported():
            async with self._pool.plain_worker() as worker:
                call.runs()
                deadline = time.monotonic() + self._timeout
                message = messages.Stage(csv=str(place.incoming_csv))
                reply, _ = await worker.call(message, request.rows, deadline=deadline, setting="DLTK_APPLY_TIMEOUT")
                call.spent(worker.phases)
                return expect(reply, messages.Staged).rows


class StagedFiles:
    """The two files of one stage, and the hashes of what was last written to them."""

    def __init__(self, paths: Paths, model: str) -> None:
        self.csv = paths.staged / f"{model}.csv"
        self.json = paths.staged / f"{model}.json"
        incoming = f".{model}.{uuid.uuid4().hex}"
        self.incoming_csv = paths.staged / f"{incoming}.csv"
        self._incoming_json = paths.staged / f"{incoming}.json"
        self._hashes = paths.home / "staged" / f"{model}.json"

    def publish(self, meta: Meta) -> list[str]:
        """Put `incoming_csv` and `meta` in place; return the new names of files moved aside.

        Raises:
            NotStaged: they cannot be written.
        """
        pairs = ((self.incoming_csv, self.csv), (self._incoming_json, self.json))
        with _writing_to(self.csv.parent):
            self._incoming_json.write_text(json.dumps(meta, indent=1), encoding="utf-8")
            hashes = {target.name: atomic.sha256(incoming) for incoming, target in pairs}
        with _writing_to(self._hashes.parent):  # before a file of the user is moved
            known = self._known()
            self._remember(hashes)
        with _writing_to(self.csv.parent):
            strange = [path for _, path in pairs if not _may_go(path, {known.get(path.name), hashes[path.name]})]
            return _replace(pairs, strange)

    def discard(self) -> None:
        """Remove what a failed stage left behind."""
        for path in (self.incoming_csv, self._incoming_json):
            with contextlib.suppress(OSError):  # its own error is the one that counts
                path.unlink()

    def _known(self) -> dict[str, str]:
        try:
            return decoded(atomic.read(self._hashes), dict[str, str])
        except (OSError, ValueError):
            return {}

    def _remember(self, hashes: dict[str, str]) -> None:
        self._hashes.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(self._hashes, msgspec.json.encode(hashes))


@contextlib.contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    """Raise `NotStaged` with the folder in which a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise NotStaged(folder, error) from error


def _replace(pairs: Iterable[tuple[Path, Path]], strange: Iterable[Path]) -> list[str]:
    """Put the incoming files in place of the others; return the new names of the `strange` ones.

    Raises:
        OSError: it failed; the strange ones that were not replaced have their names again.
    """
    aside: dict[Path, Path] = {}
    try:
        for path in strange:
            aside[path] = _move_aside(path)
        for incoming, target in pairs:
            incoming.replace(target)
    except OSError:
        for path, kept in aside.items():
            if not os.path.lexists(path):
                with contextlib.suppress(OSError):
                    kept.rename(path)
        raise
    return [kept.name for kept in aside.values()]


def _may_go(path: Path, hashes: set[str | None]) -> bool:
    """Return whether `path` can be replaced: it is missing or has one of these hashes."""
    if not os.path.lexists(path):
        return True
    return path.is_file() and not path.is_symlink() and atomic.sha256(path) in hashes


def _move_aside(path: Path) -> Path:
    """Rename what is at `path`; return its new path."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    kept = path.with_name(f"{path.stem}.before-{stamp}{path.suffix}")
    path.rename(kept)
    return kept
