"""Whole servers without a common volume are killed, over a real S3 server behind a proxy that loses answers.

It needs moto's server: ``make objects``.
"""

from __future__ import annotations

import csv
import http.client
import io
import os
import random
import re
import signal
import threading
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.store.objects.object_store import ObjectStore
from dltk_runtime.store.objects.opened import opened
from dltk_runtime.store.store import ModelName
from tests.conftest import write_notebook
from tests.store.objects.checker import Call, Kind, problems
from tests.store.objects.moto import BUCKET, CREDENTIALS, SERVER, moto
from tests.store.objects.proxy import Proxy, proxied
from tests.support.service import Service

KILLS = int(os.environ.get("DLTK_SOAK_FRONT_KILLS", "0"))
pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(900 + 60 * KILLS),
    pytest.mark.skipif(not SERVER.exists() or not KILLS, reason="make objects, make soak"),
]
ADDRESS = f"s3://{BUCKET}/kills"
ROWS = "a,b\n1,2\n3,4\n"
LOST = (OSError, http.client.HTTPException)
ACTS = ("fit", "apply", "fit", "apply", "apply")
MAX_KILL_SECONDS = 3.0  # after the first request
MAX_STARTS = 5  # of a server whose first requests to the store are lost
CURRENT = re.compile(r"[Vv]ersion (\d+) of model '\w+' is now current")


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with moto() as port, proxied(port, seed=KILLS) as server:
        for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}).items():
            monkeypatch.setenv(name, value)
        yield server


def started(front: Service) -> None:
    """Start a server, again where it gave up on the store."""
    for _ in range(MAX_STARTS - 1):
        try:
            front.start()
            return
        except AssertionError:
            front.stop(signal.SIGKILL)
    front.start()


def play(front: Service, model: str, told: list[Call]) -> None:
    """Fit and apply until the server is gone; a fit without an answer, or with an error, may have been done."""
    for act in ACTS:
        start = time.monotonic()
        if act == "fit":
            told.append(Call(Kind.WRITE, None, start))
        try:
            answer = (
                front.fit("healthy", ROWS, model=model)
                if act == "fit"
                else front.apply("healthy", ROWS, model=model, with_version="t")
            )
        except urllib.error.HTTPError as error:  # too many answers of the store were lost
            error.close()
            continue
        except LOST:
            return
        end = time.monotonic()
        if act == "fit" and (found := CURRENT.search(answer["message"])):
            told[-1] = Call(Kind.WRITE, int(found[1]), start, end)
        elif act == "apply" and answer["status"] == "success":
            [number] = {row["model_version"] for row in csv.DictReader(io.StringIO(answer["results"]))}
            told.append(Call(Kind.READ, int(number), start, end))


def settled(told: list[Call], judge: ObjectStore, name: ModelName) -> list[Call]:
    """Give the fits without an answer the numbers that were promoted and that no answer names."""
    known = [each for each in told if each.value is not None]
    unknown = [each.start for each in told if each.value is None]
    extra = {each.version for each in judge.promotions(name)} - {
        each.value for each in known if each.kind is Kind.WRITE
    }
    assert len(extra) <= len(unknown), f"{extra} were promoted, and {len(unknown)} fits have no answer"
    return [*known, *(Call(Kind.WRITE, number, min(unknown)) for number in extra)]


def test_no_kill_of_a_server_loses_a_promotion_or_shows_half_a_version(proxy: Proxy, tmp_path: Path) -> None:
    notebooks, chance = tmp_path / "notebooks", random.Random(KILLS)
    write_notebook(notebooks, "healthy")
    judge = opened(Paths(tmp_path / "judge", tmp_path / "judge", objects=ADDRESS))
    variables = CREDENTIALS | {"AWS_ENDPOINT_URL": proxy.address, "DLTK_STORE": ADDRESS, "DLTK_KEEP_VERSIONS": "10"}
    # All versions are kept: a server prunes after it has answered, while the judge looks at what is there.
    fronts = [Service(tmp_path / name, notebooks, **variables) for name in ("one", "two")]
    answered = 0
    try:
        for front in fronts:
            started(front)
        for number in range(KILLS):
            name, told = ModelName("healthy", f"m{number}"), [list[Call](), list[Call]()]
            threads = [
                threading.Thread(target=play, args=(front, name.model, calls), daemon=True)
                for front, calls in zip(fronts, told, strict=True)
            ]
            for thread in threads:
                thread.start()
            victim = fronts[number % 2]
            threads[number % 2].join(chance.uniform(0, MAX_KILL_SECONDS))
            victim.stop(signal.SIGKILL)
            for thread in threads:
                thread.join()
            proxy.settle()
            calls = settled([*told[0], *told[1]], judge, name)
            assert problems(calls, judge, name) == [], f"kill {number}"
            answered += sum(each.known for each in calls)
            started(victim)
    finally:
        for front in fronts:
            front.stop(signal.SIGKILL)
    assert answered >= KILLS // 4  # the other server answers in most rounds, where the proxy loses no answer
