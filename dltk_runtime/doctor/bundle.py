"""A bundle for a support case: what runs here, without secrets and without values of rows.

What holds printed text, messages or parameters (logs and records of jobs, manifests, data) is left
out; of records and log lines only the fields named here are taken. At last every secret that this
machine's settings and environment hold is removed from all of it, in every form.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import io
import json
import os
import platform
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dltk_runtime import __version__, cgroup
from dltk_runtime.client.http import Container
from dltk_runtime.doctor import log_lines
from dltk_runtime.doctor.examine import examine
from dltk_runtime.doctor.finding import document_of
from dltk_runtime.doctor.secrets import known_secrets
from dltk_runtime.errors import DltkError
from dltk_runtime.jobs.record import JobRecord
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.scrub import Scrubber
from dltk_runtime.settings import HIDDEN, ClientSettings, Settings, cores, unknown_variables
from dltk_runtime.store.store import ModelStore

MAX_ENTRIES = 20_000  # of the home's listing
MAX_JOBS = 1000
METRICS_SECONDS = 30.0  # for an answer of the container

Part = Callable[[], str]


def write(path: Path, environ: Mapping[str, str] | None = None, log: Path | None = None) -> dict[str, int]:
    """Write the bundle, a compressed tar file that only its owner can read.

    Args:
        path: where to; it must not exist.
        environ: variables to read; None for the process's environment.
        log: a file with lines of the server's log.

    Returns:
        The bytes of each file in it, by name.

    Raises:
        OSError: it cannot be written.
    """
    environ = os.environ if environ is None else environ
    scrubber = Scrubber(known_secrets(environ), HIDDEN)
    files = {name: scrubber.text(text).encode("utf-8", "replace") for name, text in _texts(environ, log)}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{path.name.partition('.')[0]}/{name}")
            entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return {name: len(content) for name, content in files.items()}


def _texts(environ: Mapping[str, str], log: Path | None) -> Iterator[tuple[str, str]]:
    """Yield each file's name and text; a part that fails says so in its place."""
    parts: dict[str, Part] = {
        "versions.json": _versions,
        "settings.json": lambda: _settings(environ),
        "doctor.json": lambda: _json(document_of(list(examine(environ)))),
        "metrics.txt": lambda: _metrics(environ),
        "home.txt": lambda: "".join(_listing(Settings.from_env(environ).paths.home)),
        "jobs.json": lambda: _jobs(Settings.from_env(environ)),
        "models.json": lambda: _models(Settings.from_env(environ)),
    }
    if log is not None:
        parts["log.jsonl"] = lambda: log_lines.last(log)
    for name, part in parts.items():
        try:
            text = part()
        except DltkError as error:
            text = f"not available: {error.sentence}\n"
        except Exception as error:  # noqa: BLE001 - the other parts are wanted all the more
            text = f"not available: {type(error).__name__}\n"  # its text may hold anything
        yield name, text


def _versions() -> str:
    group = cgroup.memory()
    libraries = {each.name: each.version for each in importlib.metadata.distributions()}
    return _json(
        {
            "runtime": __version__,
            "python": platform.python_version(),
            "kernel": " ".join([os.uname().sysname, os.uname().release, os.uname().machine]),
            "cores": cores(),
            "cgroup_processors": cgroup.processors(),
            "cgroup_memory": dataclasses.asdict(group) if group else None,
            "libraries": dict(sorted(libraries.items())),
        }
    )


def _settings(environ: Mapping[str, str]) -> str:
    return _json({"settings": Settings.from_env(environ).shown(), "unknown": unknown_variables(environ)})


def _metrics(environ: Mapping[str, str]) -> str:
    reply = Container.of(ClientSettings.from_env(environ), METRICS_SECONDS).get("/metrics")
    if reply.status != 200:
        return f"not available: {reply.url}/metrics answered {reply.status}\n"
    return reply.body.decode("utf-8", "replace")


def _listing(home: Path) -> Iterator[str]:
    """Yield a line for each entry below `home`: type and mode, bytes, time of change, path."""
    left = MAX_ENTRIES
    for folder, folders, names in os.walk(home):
        folders.sort()
        for name in sorted([*folders, *names]):
            path = Path(folder, name)
            try:
                status = path.lstat()
            except OSError as error:
                yield f"{error.strerror}: {path.relative_to(home)!s}\n"
                continue
            changed = datetime.fromtimestamp(status.st_mtime, UTC)
            yield f"{status.st_mode:06o} {status.st_size:12} {changed:%Y-%m-%dT%H:%M:%SZ} {path.relative_to(home)!s}\n"
            left -= 1
            if not left:
                yield f"… (the first {MAX_ENTRIES:,} entries)\n"
                return


def _jobs(settings: Settings) -> str:
    records = JobStore(settings.paths, settings.keep_jobs, settings.log_bytes).list(MAX_JOBS)
    return _json([_job(record) for record in records])


def _job(record: JobRecord) -> dict[str, Any]:
    """Return the fields of a record that hold no text of a notebook or a search."""
    return {
        "id": record.id,
        "algorithm": record.algorithm,
        "model": record.model,
        "state": record.state,
        "created": record.created,
        "started": record.started,
        "ended": record.ended,
        "asynchronous": record.asynchronous,
        "attempts": record.attempts,
        "rows": record.rows,
        "phase": record.phase,
        "phases": record.phases,
        "step": record.step,
        "total": record.total,
        "version": record.version,
        "promoted": record.promoted,
        "failed": record.error is not None,
    }


def _models(settings: Settings) -> str:
    return _json(list(_model_rows(ModelStore.open(settings.paths, settings.keep_versions))))


def _model_rows(store: ModelStore) -> Iterator[dict[str, Any]]:
    for name in store.models():
        row: dict[str, Any] = {"algorithm": name.algorithm, "model": name.model}
        try:
            serving = store.choose(name)
            row |= {"versions": [each.number for each in store.versions(name)]}
            row |= {"serves": serving.version.number, "damaged": bool(serving.problem)}
        except (DltkError, OSError):  # one bad entry must not cost the others
            row |= {"serves": None, "damaged": True}
        yield row


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, default=str) + "\n"
