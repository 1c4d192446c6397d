"""Start a runtime for a rehearsal: ``dltk serve`` on a free port with a random token."""

from __future__ import annotations

import os
import secrets
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.flows.errors import FlowFailed
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.paths import Paths
from dltk_runtime.settings import ClientSettings
from dltk_runtime.store.store import ModelStore, Version

START_SECONDS = 120
STOP_SECONDS = 30
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Runtime:
    """A running server: address, token, files and log; `exit_code` returns None while it runs."""

    client: ClientSettings
    paths: Paths
    log: Path
    exit_code: Callable[[], int | None]

    def jobs(self) -> list[JobRecord]:
        """Return every fit so far, oldest first."""
        return JobStore(self.paths, keep=10_000, log_bytes=0).list()[::-1]

    def wait(self, seconds: float = 300) -> list[JobRecord]:
        """Wait until no fit is queued or running; return every fit so far.

        Raises:
            FlowFailed: a fit has not ended after `seconds`, or the server has exited.
        """
        pause, end = threading.Event(), time.monotonic() + seconds
        while True:
            jobs = self.jobs()
            left = [f"fit {job.id} is still {job.state}" for job in jobs if not job.state.ended]
            if not left:
                return jobs
            if (code := self.exit_code()) is not None:
                raise FlowFailed(f"{left[0]}, and the runtime has ended with exit code {code}. {self.log_end()}")
            if time.monotonic() > end:
                raise FlowFailed(f"{left[0]} after {seconds:g} s; give it fewer rows or epochs. {self.log_end()}")
            pause.wait(_POLL_SECONDS)

    def log_end(self) -> str:
        """Return the end of the server's log as a sentence."""
        return _end_of(self.log)

    def versions(self) -> list[Version]:
        """Return every version, by model, oldest first."""
        store = ModelStore.open(self.paths, keep=10_000)
        found = [version for name in store.models() for version in store.versions(name)]
        return sorted(found, key=lambda version: (version.name, version.number))


@contextmanager
def serving(paths: Paths, log: Path) -> Iterator[Runtime]:
    """Serve the notebooks of `paths`, with ``paths.home`` as the home.

    Raises:
        FlowFailed: the server does not start.
    """
    token = secrets.token_hex(16)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DLTK_", "api_"))}
    environ = inherited | {
        "api_token": token,
        "DLTK_SPARES": "1",
        "DLTK_DRAIN": "0",
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
            yield Runtime(ClientSettings(url=_address(process, log), token=token), paths, log, process.poll)
        finally:
            _stop(process)


def _address(process: subprocess.Popen[str], log: Path) -> str:
    """Return the server's URL, the only line that it prints on stdout."""
    output = process.stdout
    if output is None or not select.select([output], [], [], START_SECONDS)[0]:
        raise FlowFailed(f"the runtime was not ready within {START_SECONDS} s. {_end_of(log)}")
    line = output.readline()
    if not line.startswith("listening on "):
        raise FlowFailed(f"the runtime did not start. {_end_of(log)}")
    return line.split()[-1]


def _end_of(log: Path) -> str:
    return f"The runtime's log ends: {log.read_text(errors='replace')[-2000:].strip() or 'it is empty'}"


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
