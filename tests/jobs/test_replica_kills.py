"""Promise 12 over three replicas: kills, ends and hang-ups at random moments of many asynchronous fits.

``DLTK_SOAK_KILLS`` sets their number (``make soak``: 500). The clock of one replica is five minutes ahead of the
volume's, that of another five minutes behind (`tests.support.clocks`). From `LONG` on, files of a model are damaged
meanwhile, which is applied all the time and has a candidate that nobody promoted; and where this user may mount one,
the home is a small disk that gets full.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import json
import os
import random
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dltk_runtime.jobs.store import JobStore
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelName, ModelStore
from tests.conftest import MakeNotebook
from tests.support import clocks
from tests.support.service import Service, until

pytestmark = pytest.mark.process

KILLS = int(os.environ.get("DLTK_SOAK_KILLS", "3"))
LONG = 6
SHIFTS = (0, 300, -300)  # seconds by which the clocks of the replicas are wrong
SUBMISSIONS_EACH = 2  # before each kill
LOST = (urllib.error.URLError, http.client.HTTPException, ConnectionError)
SLOW = {
    "fit": """
        import time

        def fit(model, df, param):
            time.sleep(0.5)
            model["rows"] = len(df)
            return {}
    """,
    "apply": """
        def apply(model, df, param):
            return df.assign(rows=model["rows"])
    """,
}
STEADY, APPROVED = "steady", "x,rows\n1,1\n"  # a model, and what its approved version answers


@pytest.mark.timeout(900 + 20 * KILLS)
def test_promise_12_every_submission_ends_once_whatever_ends_its_servers(
    paths: Paths, make_notebook: MakeNotebook, tmp_path: Path, small_disk: bool
) -> None:
    make_notebook("slow", **SLOW)
    chance = random.Random(12)
    accepted: list[str] = []
    answers: Counter[str] = Counter()
    with contextlib.ExitStack() as running:
        made = clocks.library(tmp_path)
        logs = [tmp_path / f"{number}.log" for number in range(len(SHIFTS))]
        replicas = [
            running.enter_context(replica(paths, log, **clocks.shifted(made, shift)))
            for log, shift in zip(logs, SHIFTS, strict=True)
        ]
        if made is not None:
            assert [round(ahead(each) / 60) for each in replicas] == [shift / 60 for shift in SHIFTS]
        assert replicas[0].fit("slow", "x\n1\n", model=STEADY)["status"] == "success"
        assert replicas[0].fit("slow", "x\n1\n2\n", model=STEADY, promote="manual")["status"] == "success"
        running.enter_context(applying(replicas, answers))
        for number in range(KILLS):
            for each in range(SUBMISSIONS_EACH):
                with contextlib.suppress(*LOST):
                    rows = "x\n" + "1\n" * (number * SUBMISSIONS_EACH + each + 1)
                    answer = chance.choice(replicas).fit("slow", rows, model=f"m{number}x{each}", mode="async")
                    if answer["status"] == "success" or not small_disk:
                        accepted.append(answer["message"].split("job ")[1].split()[0])
            threading.Event().wait(chance.uniform(0, 1.5))
            if KILLS >= LONG and number % 3 == 2:
                damage(chance, paths)
            if small_disk and number % 3 == 1:
                fill(chance, paths)
            disturb(chance, chance.choice(replicas), paths)
        jobs = JobStore(paths, keep=10**6, log_bytes=0)
        until(lambda: not jobs.unfinished(), seconds=300 + 5 * KILLS)
        until(lambda: not rows_left(paths))
    check(paths, jobs, accepted, small_disk)
    assert set(answers) <= {APPROVED, ""}, "no version that nobody approved answers"
    assert answers[APPROVED]


@pytest.fixture
def small_disk(paths: Paths) -> Iterator[bool]:
    """Whether the home is a disk of 64 MiB of its own."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(paths.home)]
    if KILLS < LONG or subprocess.run(mount, check=False, capture_output=True).returncode:
        yield False
        return
    for folder in (paths.models, paths.graphics, paths.helpers, paths.staged):
        folder.mkdir(parents=True, exist_ok=True)
    yield True
    subprocess.run(["umount", "--lazy", str(paths.home)], check=True)


def fill(chance: random.Random, paths: Paths) -> None:
    """Let no byte be free on the disk of the home for a while."""
    filler = paths.home / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    threading.Event().wait(chance.uniform(0, 1.5))
    filler.unlink()


def ahead(service: Service) -> float:
    """The seconds by which a replica's clock is ahead of ours: HTTP has it in each answer."""
    with urllib.request.urlopen(f"{service.url}/livez", timeout=200) as answer:
        return email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()


def replica(paths: Paths, log: Path, **variables: str) -> Service:
    limits = {"DLTK_FIT_WORKERS": "2", "DLTK_FIT_RETRIES": "1000", "DLTK_MAX_QUEUED": "10000"}
    limits |= {"DLTK_GRACE": "0.2", "DLTK_KEEP_JOBS": "100000"}
    service = Service(paths.home, paths.notebooks, **limits, **variables)
    service.log = log
    return service


@contextlib.contextmanager
def applying(replicas: list[Service], answers: Counter[str]) -> Iterator[None]:
    """Apply the steady model again and again; count the answers, and "" for each error."""
    over, chance = threading.Event(), random.Random(3)

    def apply() -> None:
        while not over.wait(0.05):
            with contextlib.suppress(*LOST, TimeoutError):
                answers[chance.choice(replicas).apply("slow", "x\n1\n", model=STEADY).get("results", "")] += 1

    thread = threading.Thread(target=apply)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def damage(chance: random.Random, paths: Paths) -> None:
    """Damage a file of the steady model, and make it whole again after a while."""
    folder = paths.versions / "slow" / STEADY
    names = [
        "current",
        "promoted",
        *(f"{number}/{name}" for number in (1, 2) for name in ("version.json", "slow_steady.json")),
    ]
    file = folder / chance.choice(names)
    whole, status = file.read_bytes(), file.stat()
    file.write_bytes(chance.choice([b"", whole[: len(whole) // 2], b"{" + bytes(len(whole) + 1)]))
    threading.Event().wait(chance.uniform(0, 1.5))
    file.write_bytes(whole)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


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


def check(paths: Paths, jobs: JobStore, accepted: list[str], small_disk: bool) -> None:
    records = {record.id: record for record in jobs.list()}
    assert len(set(accepted)) == len(accepted)
    assert set(accepted) <= set(records)
    failed = [record for record in records.values() if str(record.state) != "succeeded"]
    assert not failed or small_disk, failed
    for record in failed:
        assert (str(record.state), "No space left on device" in str(record.error)) == ("failed", True), record
    manifests = [json.loads(path.read_text()) for path in paths.versions.glob("slow/*/*/version.json")]
    made = {manifest["job"]: manifest["number"] for manifest in manifests}
    assert len(made) == len(manifests)
    assert made == {record.id: record.version for record in records.values() if record.version is not None}
    for record in failed:  # one whose promotion found no room says that its version stays
        assert (f"Version {record.version} of model '{record.model}' is stored and" in record.message) == (
            record.version is not None
        )
    store = ModelStore.open(paths, keep=5)
    for record in (each for each in records.values() if each.model != STEADY and each not in failed):
        serving = store.choose(ModelName("slow", record.model))
        assert (serving.version.number, serving.problem) == (record.version, "")
        serving.version.verify(hashes=True)
