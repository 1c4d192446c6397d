"""What an asynchronous job needs to run later: its rows and `meta`, in the job's folder."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec

from dltk_runtime.call import Meta, Request
from dltk_runtime.files import atomic
from dltk_runtime.files.records import decoded
from dltk_runtime.payload import Payload

META, DATA, CSV = "meta.json", "data.json", "data.csv"
STATE = "state"  # how the names of states of a training begin, which another start goes on from
IGNORED_OPTIONS = ("mlspl_limits", "session_key")  # not part of the fingerprint


@dataclass(frozen=True, slots=True)
class Submission:
    """A fit as it was sent; `meta` has no session key."""

    meta: Meta
    rows: Payload
    fingerprint: str = ""

    @classmethod
    def of(cls, request: Request, code: str) -> Self:
        """Return the submission of a request; `code` is the hash of the notebook that will run."""
        options: dict[str, Any] = request.meta.get("options") or {}
        what = {**request.meta, "options": {key: value for key, value in options.items() if key not in IGNORED_OPTIONS}}
        digest = hashlib.sha256(msgspec.json.encode([code, what], order="sorted"))
        digest.update(request.rows.view())
        return cls(request.meta, request.rows, digest.hexdigest())

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return the submission in a job's folder; None when it is not complete."""
        try:
            meta = decoded(atomic.read(folder / META), dict[str, Any])
            plain = (folder / CSV).exists()
            return cls(meta, Payload(atomic.read(folder / (CSV if plain else DATA), limit=None), escaped=not plain))
        except (OSError, ValueError):
            return None

    def write(self, folder: Path) -> None:
        """Write it into a job's folder, so that it outlives a power failure.

        Raises:
            OSError: it cannot be written.
        """
        atomic.write(folder / (DATA if self.rows.escaped else CSV), self.rows.view())
        atomic.write(folder / META, atomic.to_json(self.meta))

    @staticmethod
    def remove(folder: Path) -> None:
        """Remove it from a job's folder, with what its starts have kept."""
        for path in (*(folder / name for name in (DATA, CSV, META)), *folder.glob(f"{STATE}-*")):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
