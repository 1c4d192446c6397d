"""One bad entry among the jobs never takes down a start, a list, a new fit or ``/metrics``."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dltk_runtime.jobs.errors import JobUnknown
from dltk_runtime.jobs.record import State
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.support.service import Service, until

ROWS = "x\n1\n2\n"
BAD = "20260131T120000.000000Z-0a1b2c3d"


def _file(path: Path) -> None:
    path.write_text("x")


def _record(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / "job.json").write_bytes(content)


def _changed(folder: Path, **fields: object) -> None:
    """A record like that of another job, with other fields."""
    ending = BAD.rpartition("-")[2]
    other = next(each for each in folder.parent.glob("2*Z-*") if not each.name.endswith(ending))
    record = json.loads((other / "job.json").read_bytes()) | {"id": folder.name} | fields
    _record(folder, json.dumps(record).encode())


def _with_bad_metrics(folder: Path) -> None:
    _changed(folder)
    (folder / "metrics.jsonl").write_bytes(b"\xff{\n[]\n{")


DAMAGES: dict[str, Callable[[Path], None]] = {
    "an empty folder": Path.mkdir,
    "a file in place of the folder": _file,
    "an empty record": lambda folder: _record(folder, b""),
    "half a record": lambda folder: _record(folder, b'{"id":"20260131T12'),
    "bytes that are no text": lambda folder: _record(folder, b'{"id":"\xff\xfe"}'),
    "another document": lambda folder: _record(folder, b"[1, 2]"),
    "an unknown state": lambda folder: _changed(folder, state="resting"),
    "a record of another type": lambda folder: _changed(folder, created=7),
    "times without a zone": lambda folder: _changed(folder, created="2026-01-31T12:00:00", ended="2026-01-31T12:00:00"),
    "a time before all times": lambda folder: _changed(folder, created="0001-01-01T00:00:00+14:00"),
    "numbers without a bound": lambda folder: _changed(folder, rows=10**400, version=10**400, attempts=10**400),
    "numbers below zero": lambda folder: _changed(folder, rows=-7, version=-1, attempts=-1, reserved=-1),
    "a name that is none": lambda folder: _changed(folder, algorithm="../x", state="queued", asynchronous=True),
    "a queued job without its rows": lambda folder: _changed(folder, state="queued", asynchronous=True),
    "a folder in place of the record": lambda folder: (folder / "job.json").mkdir(parents=True),
    "a link to itself": lambda folder: folder.symlink_to(folder),
    "a link that leads nowhere": lambda folder: folder.symlink_to("/nothing/at/all"),
    "metrics that are none": _with_bad_metrics,
}


@pytest.fixture
def jobs(paths: Paths) -> JobStore:
    jobs = JobStore(paths, keep=5, log_bytes=1000)
    job = jobs.create(ModelName("algo", "m"), {})
    job.start()
    job.succeed(rows=2, version=1, promoted=True, message="/fit done successfully")
    return jobs


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bad_job_costs_no_other_in_any_loop(damage: str, jobs: JobStore, paths: Paths) -> None:
    whole = [each.id for each in jobs.list()]
    assert len(whole) == 1
    DAMAGES[damage](paths.jobs / BAD)
    for store in (jobs, JobStore(paths, keep=1, log_bytes=1000)):
        assert [each.id for each in store.list() if each.id != BAD] == whole
        assert store.states()[State.SUCCEEDED] >= 1
        assert [each for each in store.unfinished() if each.id != BAD] == []
        store.prune()
        assert [each.id for each in store.list() if each.id != BAD] == whole
        for read in (store.get, store.log, store.metrics):
            with contextlib.suppress(JobUnknown):
                read(BAD)
    assert jobs.create(ModelName("algo", "m"), {}).id


@pytest.mark.process
def test_a_server_over_bad_jobs_starts_lists_fits_and_shows_its_metrics(
    paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("algo")
    with Service(paths.home, paths.notebooks) as service:
        assert service.fit("algo", ROWS)["status"] == "success"
        service.stop()
        for number, damage in enumerate(DAMAGES.values()):
            damage(paths.jobs / f"20260131T1200{number:02}.000000Z-0a1b2c3d")
        service.start()
        listed = json.loads(service.send("/v1/jobs", None))["jobs"]
        assert [each["model"] for each in listed if each["version"] == 1 and each["rows"] == 2]
        assert b'dltk_volume_jobs{state="succeeded"}' in service.send("/metrics", None)
        assert "succeeded" in service.apply("dltk_status", ROWS)["results"]
        assert service.fit("algo", ROWS, model="later", mode="async")["status"] == "submitted"
        until(lambda: service.store_folders("algo", "later") == ["1"])
        assert service.fit("algo", ROWS)["status"] == "success"
        assert service.status_of("/readyz") == 200
        service.stop()
        for each in paths.jobs.iterdir():
            if each.is_symlink():
                each.unlink()
            elif each.is_dir():
                shutil.rmtree(each)
