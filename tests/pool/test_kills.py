"""Promise 4, never half a model: SIGKILL to workers and servers at random moments of many fits.

``DLTK_SOAK_FITS`` sets their number (``make soak``: 500).
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import random
import signal
import threading
import urllib.error
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelName, ModelStore
from tests.conftest import MakeNotebook
from tests.support.service import Service, until

pytestmark = pytest.mark.process

FITS = int(os.environ.get("DLTK_SOAK_FITS", "20"))
LOST = (urllib.error.URLError, http.client.HTTPException, ConnectionError)

# A model of two files that must agree; written slowly, so that kills fall into the middle of a save.
SAVE = """
    import time

    def save(model, name):
        for part in ("left", "right"):
            with open(MODEL_DIRECTORY + name + "." + part, "w") as file:
                for digit in str(model["rows"]) * 20:
                    file.write(digit)
                    file.flush()
                    time.sleep(0.001)
"""
LOAD = """
    def load(name):
        left, right = (open(MODEL_DIRECTORY + name + "." + part).read() for part in ("left", "right"))
        assert left == right and len(left) % 20 == 0 and left, (left, right)
        return {"rows": int(left[: len(left) // 20])}
"""


def kill_after(seconds: float, victims: Callable[[], list[int]]) -> threading.Timer:
    def kill() -> None:
        for pid in victims():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.start()
    return timer


def check(paths: Paths, service: Service, last: int) -> int:
    """The version in force is whole, loads, and is not older than the last one that answered; its rows."""
    version = ModelStore.open(paths, 5).current(ModelName("algo", "m"))
    if version is None:
        assert last == 0
        return 0
    version.verify(hashes=True)
    answer = service.apply("algo", "x\n1\n")
    assert answer["status"] == "success", answer
    rows = int(answer["results"].split()[1])
    assert rows >= last
    return rows


@pytest.mark.timeout(900 + 10 * FITS)
def test_promise_4_a_kill_at_any_moment_leaves_the_last_good_version_serving(
    paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("algo", save=SAVE, load=LOAD)
    chance = random.Random(4)
    last, seen = 0, set[int]()
    with Service(paths.home, paths.notebooks, DLTK_KEEP_VERSIONS="2") as service:
        for number in range(1, FITS + 1):
            seen.update(service.workers())
            server = chance.random() < 0.3
            timer = kill_after(chance.uniform(0, 1.2), functools.partial(_victims, service, server))
            answer = {}
            with contextlib.suppress(*LOST):
                answer = service.fit("algo", "x\n" + "1\n" * number)
            timer.join()
            seen.update(service.workers())
            if server and service.process is not None:
                service.process.wait(30)
                until(lambda: not [pid for pid in seen if _is_worker(pid)])  # no worker outlives its server
                service.restart(signal.SIGKILL)
            done = answer.get("status") == "success" and "is now current" in answer["message"]
            last = check(paths, service, number if done else last)
    assert last > 0


def _victims(service: Service, server: bool) -> list[int]:
    if server:
        return [service.process.pid] if service.process else []
    return service.workers()


def _is_worker(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "dltk_runtime.worker" in process.cmdline()
    return False


def test_a_server_killed_between_manifest_and_current_serves_the_last_good_version(
    paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("algo")
    with Service(paths.home, paths.notebooks) as service:
        service.fit("algo", "x\n1\n")
        service.fit("algo", "x\n1\n2\n")
        folder: Path = paths.versions / "algo" / "m"
        (folder / "current").write_text("1\n")  # as a kill right before the last replace leaves it
        assert service.apply("algo", "x\n1\n")["results"] == "rows\n1\n"
        service.restart(signal.SIGKILL)
        assert service.apply("algo", "x\n1\n")["results"] == "rows\n1\n"
