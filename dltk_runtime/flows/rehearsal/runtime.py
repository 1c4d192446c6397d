"""A runtime of the rehearsal's own: ``dltk serve`` on a free port, with a random token and its own home."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.flows.errors import FlowFailed
from dltk_runtime.jobrecord import JobRecord
from dltk_runtime.jobs import JobStore
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings
from dltk_runtime.store import ModelStore, Version

STOP_SECONDS = 30
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Runtime:
    """A running server: how to call it, and what it keeps."""

    client: ClientSettings
    paths: Paths

    def jobs(self) -> list[JobRecord]:
        """Every fit so far, oldest first."""
        return JobStore(self.paths, keep=10_000, log_bytes=0).list()[::-1]

    def wait(self, seconds: float = 300) -> list[JobRecord]:
        """Wait until no fit runs any more; every fit so far.

        Raises:
            FlowFailed: one still runs after so many seconds.
        """
        pause = threading.Event()
        for _ in range(int(seconds / _POLL_SECONDS)):
            jobs = self.jobs()
            if all(job.state.ended for job in jobs):
                return jobs
            pause.wait(_POLL_SECONDS)
        raise FlowFailed(f"a fit still runs after {seconds:.0f} s; jobs are in {self.paths.home / 'jobs'}")

    def versions(self) -> list[Version]:
        """Every version there is, model by model, oldest first."""
        store = ModelStore(self.paths, keep=10_000)
        found = [version for name in store.models() for version in store.versions(name)]
        return sorted(found, key=lambda version: (version.name, version.number))


@contextmanager
def serving(paths: Paths, log: Path) -> Iterator[Runtime]:
    """A runtime over the notebooks of `paths`, with everything that it keeps below ``paths.home``.

    Raises:
        FlowFailed: it does not start.
    """
    token = secrets.token_hex(16)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DLTK_", "api_"))}
    environ = inherited | {
        "api_token": token,
        "DLTK_SPARES": "1",
        "DLTK_KEEP_VERSIONS": "1000",
        "ENABLE_HTTPS": "false",
    }
    command = [sys.executable, "-m", "dltk_runtime.cli", "serve", "--port", "0"]
    command += ["--home", str(paths.home), "--notebooks", str(paths.notebooks)]
    with (
        open(log, "a", encoding="utf-8") as errors,
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("listening on "):
                raise FlowFailed(f"the runtime did not start; its log ends: {log.read_text(errors='replace')[-2000:]}")
            yield Runtime(ClientSettings(url=line.split()[-1], token=token), paths)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
