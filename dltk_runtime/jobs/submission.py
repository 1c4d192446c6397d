"""What an asynchronous job needs to run later: its rows and `meta`, and the claim of a server.

Both are in the job's folder. The claim is a lock that the kernel releases when the server ends,
however it ends; the server that gets it next runs the job. A shared disk may not pass locks on to
other hosts, so a server of another host waits until the job was not touched for a while.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec

from dltk_runtime.call import Meta, Request
from dltk_runtime.files import atomic
from dltk_runtime.payload import Payload

META, DATA, CSV, CLAIM = "meta.json", "data.json", "data.csv", "claim"
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
            meta = msgspec.json.decode((folder / META).read_bytes(), type=dict[str, Any])
            plain = (folder / CSV).exists()
            return cls(meta, Payload((folder / (CSV if plain else DATA)).read_bytes(), escaped=not plain))
        except (OSError, msgspec.DecodeError):
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
        """Remove it from a job's folder."""
        for name in (DATA, CSV, META):
            with contextlib.suppress(OSError):
                (folder / name).unlink(missing_ok=True)


class Claim:
    """The right to run a job, for as long as this process lives."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path, lost_seconds: float) -> Self | None:
        """Claim the job in `folder`; None when a server that may be alive has it.

        Raises:
            OSError: the folder cannot be written.
        """
        path = folder / CLAIM
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            owner = os.read(descriptor, 256).decode("utf-8", "replace")
            if owner and owner != socket.gethostname() and _untouched_seconds(folder) < lost_seconds:
                raise BlockingIOError
            os.pwrite(descriptor, socket.gethostname().encode(), 0)
            os.ftruncate(descriptor, len(socket.gethostname().encode()))
        except OSError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def drop(self) -> None:
        """Give up the right."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _untouched_seconds(folder: Path) -> float:
    try:
        return time.time() - (folder / "job.json").stat().st_mtime
    except OSError:
        return 0.0
