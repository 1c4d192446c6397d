"""`mode=stage`: the rows and parameters of a search, put beside the notebooks.

A file that this container did not write, or that somebody has changed since, is moved aside and
never overwritten. What it wrote is known by its hash, kept under ``<home>/staged``.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dltk_runtime import files
from dltk_runtime.calls import Call, Pieces, deaths_reported, expect
from dltk_runtime.errors import NotStaged
from dltk_runtime.names import checked
from dltk_runtime.paths import Paths
from dltk_runtime.protocol import Meta, Request, answer
from dltk_runtime.settings import Settings
from dltk_runtime.worker.messages import Stage, Staged
from dltk_runtime.worker.pool import Pool


class Staging:
    """Stages data."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._paths = settings.paths
        self._timeout = settings.apply_timeout
        self._pool = pool

    async def stage(self, request: Request, call: Call) -> Pieces:
        """Write ``<model>.csv`` and ``<model>.json`` and say where.

        Raises:
            NameInvalid: the model's name cannot be a file's.
            AlgorithmFailed, NotStaged: the rows are no frame, or cannot be written.
        """
        model = checked("a model", request.model)
        call.facts["model"] = model
        place = StagedFiles(self._paths, model)
        try:
            call.facts["rows"] = await self._write_rows(place, request, call)
            aside = await asyncio.to_thread(place.publish, request.meta)
        finally:
            place.incoming.unlink(missing_ok=True)
        note = f" The files that were there are now {' and '.join(aside)}." if aside else ""
        return answer("staged", f"Model data staged successfully in {place.csv} - no model was built yet.{note}")

    async def _write_rows(self, place: StagedFiles, request: Request, call: Call) -> int:
        with deaths_reported():
            async with self._pool.plain_worker() as worker:
                call.waiting = False
                deadline = time.monotonic() + self._timeout
                message = Stage(csv=str(place.incoming))
                reply, _ = await worker.call(message, request.data, deadline=deadline, setting="DLTK_APPLY_TIMEOUT")
                return expect(reply, Staged).rows


class StagedFiles:
    """The two files of one stage, and the hashes of what was written into them last."""

    def __init__(self, paths: Paths, model: str) -> None:
        self.csv = paths.staged / f"{model}.csv"
        self.json = paths.staged / f"{model}.json"
        self.incoming = paths.staged / f".{model}.{uuid.uuid4().hex}.csv"
        self._hashes = paths.home / "staged" / f"{model}.json"

    def publish(self, meta: Meta) -> list[str]:
        """Put `incoming` and `meta` in place; the names under which strange files were kept.

        Raises:
            NotStaged: they cannot be written.
        """
        try:
            incoming_json = self.incoming.with_suffix(".json")
            incoming_json.write_bytes(msgspec.json.format(msgspec.json.encode(meta), indent=1))
            known = self._known()
            ours = {self.csv.name: files.sha256(self.incoming), self.json.name: files.sha256(incoming_json)}
            aside = [name for path in (self.csv, self.json) if (name := _move_aside(path, known.get(path.name)))]
            self._remember(ours)
            self.incoming.replace(self.csv)
            incoming_json.replace(self.json)
        except OSError as error:
            raise NotStaged(
                f"{self.csv} cannot be written: {error}. Check the folder's rights and free space."
            ) from error
        return aside

    def _known(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._hashes.read_bytes(), type=dict[str, str])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}

    def _remember(self, hashes: dict[str, str]) -> None:
        self._hashes.parent.mkdir(parents=True, exist_ok=True)
        files.write(self._hashes, msgspec.json.encode(hashes))


def _move_aside(path: Path, ours: str | None) -> str:
    """Rename the file at `path` unless its hash is `ours`; its new name, if there is one."""
    if not path.exists() or files.sha256(path) == ours:
        return ""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    kept = path.with_name(f"{path.stem}.before-{stamp}{path.suffix}")
    path.rename(kept)
    return kept.name
