"""Promise 12 over three replicas: kills, ends and hang-ups at random moments of many asynchronous fits.

``DLTK_SOAK_KILLS`` sets their number (``make soak``: 500).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import threading
import urllib.error
from collections import Counter
from pathlib import Path

import pytest

from dltk_runtime.jobs.store import JobStore
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelName, ModelStore
from tests.conftest import MakeNotebook
from tests.support.service import Service, until

pytestmark = pytest.mark.process

KILLS = int(os.environ.get("DLTK_SOAK_KILLS", "3"))
SUBMISSIONS_EACH = 2  # before each kill
LOST = (urllib.error.URLError, http.client.HTTPException, ConnectionError)
SLOW = """
    import time

    def fit(model, df, param):
        time.sleep(0.5)
        model["rows"] = len(df)
        return {}
"""


@pytest.mark.timeout(900 + 20 * KILLS)
def test_promise_12_every_submission_ends_once_whatever_ends_its_servers(
    paths: Paths, make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    make_notebook("slow", fit=SLOW)
    chance = random.Random(12)
    accepted: list[str] = []
    with contextlib.ExitStack() as running:
        replicas = [running.enter_context(replica(paths, tmp_path / f"{number}.log")) for number in range(3)]
        for number in range(KILLS):
            for each in range(SUBMISSIONS_EACH):
                with contextlib.suppress(*LOST):
                    rows = "x\n" + "1\n" * (number * SUBMISSIONS_EACH + each + 1)
                    answer = chance.choice(replicas).fit("slow", rows, model=f"m{number}x{each}", mode="async")
                    accepted.append(answer["message"].split("job ")[1].split()[0])
            threading.Event().wait(chance.uniform(0, 1.5))
            disturb(chance, chance.choice(replicas), paths)
        jobs = JobStore(paths, keep=10**6, log_bytes=0)
        until(lambda: not jobs.unfinished(), seconds=300 + 5 * KILLS)
        until(lambda: not rows_left(paths))
    check(paths, jobs, accepted)


def replica(paths: Paths, log: Path) -> Service:
    limits = {"DLTK_FIT_WORKERS": "2", "DLTK_FIT_RETRIES": "1000", "DLTK_MAX_QUEUED": "10000"}
    limits |= {"DLTK_GRACE": "0.2", "DLTK_KEEP_JOBS": "100000"}
    service = Service(paths.home, paths.notebooks, **limits)
    service.log = log
    return service


def disturb(chance: random.Random, victim: Service, paths: Paths) -> None:
    how = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
    if how is not signal.SIGSTOP:
        victim.restart(how)
        return
    assert victim.process is not None
    victim.process.send_signal(signal.SIGSTOP)
    for record in JobStore(paths, keep=10**6, log_bytes=0).unfinished():
        with contextlib.suppress(OSError):
            os.utime(paths.jobs / record.id / "job.json", (0, 0))  # as after a minute
    threading.Event().wait(chance.uniform(0, 3))
    victim.process.send_signal(signal.SIGCONT)


def rows_left(paths: Paths) -> list[Path]:
    return [path for name in ("data.csv", "data.json", "meta.json") for path in paths.jobs.glob(f"*/{name}")]


def check(paths: Paths, jobs: JobStore, accepted: list[str]) -> None:
    records = {record.id: record for record in jobs.list()}
    assert len(set(accepted)) == len(accepted)
    assert set(accepted) <= set(records)
    assert {str(record.state) for record in records.values()} == {"succeeded"}, records
    manifests = [json.loads(path.read_text()) for path in paths.versions.glob("slow/*/*/version.json")]
    assert Counter(manifest["job"] for manifest in manifests) == Counter(records.keys())
    store = ModelStore.open(paths, keep=5)
    for record in records.values():
        serving = store.choose(ModelName("slow", record.model))
        assert (serving.version.number, serving.problem) == (record.version, "")
        serving.version.verify(hashes=True)
