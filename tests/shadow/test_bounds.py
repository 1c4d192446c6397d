"""The real answer never waits for ours: bounds, an old container that is down, clients that hang up, few cores.

The server may use one core, so that cores are short as soon as anything runs. The old container speaks TLS.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from dltk_runtime import tls
from dltk_runtime.settings import Settings
from tests.conftest import write_notebook
from tests.oldserver import OldContainer
from tests.support.service import Service, meta_for, until

pytestmark = pytest.mark.process

FEW = "a\n1\n2\n"
MANY = "a\n" + "1\n" * 60
LARGE = "a\n" + "1" * 40_000 + "\n"
ON_ONE_CORE = (
    "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); os.execv(sys.argv[1], sys.argv[1:])"
)
WAITS = "def fit(model, df, param): open('/srv/gate').read(); model['rows'] = len(df); return {}"
SPINS = """
    def fit(model, df, param):
        import pathlib
        pathlib.Path("/srv/spins").touch()
        while not pathlib.Path("/srv/enough").exists():
            pass
        model["rows"] = len(df)
        return {}
"""
ALGORITHMS = ("plain", "other", "ours_waits", "spinning", "old_waits")
OURS = {"ours_waits": {"fit": WAITS}, "spinning": {"fit": SPINS}}


@dataclass
class Shadow:
    old: OldContainer
    service: Service

    def post(self, path: str, algo: str, data: str = FEW, model: str = "") -> tuple[int, dict[str, Any]]:
        connection = self.connect()
        connection.request("POST", path, self.body(algo, data, model), self.headers())
        with connection.getresponse() as answer:
            return answer.status, json.loads(answer.read())

    def connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.service.url)
        return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=120)

    def headers(self) -> dict[str, str]:
        return {"Authorization": self.service.token, "Content-Type": "application/json", "Connection": "close"}

    def body(self, algo: str, data: str = FEW, model: str = "") -> bytes:
        return json.dumps({"data": data, "meta": meta_for(data, model or algo, {"algo": algo})}).encode()

    def view(self) -> dict[str, Any]:
        return dict(json.loads(self.service.send("/v1/shadow", None)))

    def skipped(self, reason: str) -> int:
        return sum(count for name, count in self.view()["skipped"].items() if reason in name)

    def settled(self) -> None:
        until(lambda: self.view()["waiting"] == 0, seconds=200)

    def workers(self, fact: str) -> list[Any]:
        """What psutil says of each of our workers."""
        found = []
        for pid in self.service.workers():
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(getattr(psutil.Process(pid), fact)())
        return found

    def models(self) -> dict[str, Any]:
        self.settled()
        return {each["model"]: each for each in self.view()["models"]}


@pytest.fixture(scope="module")
def shadow(tmp_path_factory: pytest.TempPathFactory, processes: None) -> Iterator[Shadow]:
    root = tmp_path_factory.mktemp("bounds")
    (root / "tls").mkdir()
    certificate = tls.certificate(Settings(home=root / "tls"))
    with OldContainer(root / "old", certificate=certificate) as old:
        for name in ALGORITHMS:
            old.module(name, **({"fit": WAITS} if name == "old_waits" else {}))
            write_notebook(root / "notebooks", name, **OURS.get(name, {}))
        for home in (root / "old", root / "home"):
            home.mkdir(exist_ok=True)
            os.mkfifo(home / "gate")
        variables = {"DLTK_SHADOW": old.url, "DLTK_SHADOW_CAFILE": str(certificate[0]), "DLTK_SPARES": "0"}
        variables["DLTK_GRACE"] = "1"
        bounds = {"DLTK_SHADOW_QUEUE": "100K", "DLTK_SHADOW_ROWS": "50"}
        before = (sys.executable, "-c", ON_ONE_CORE)
        service = Service(root / "home", root / "notebooks", before=before, **variables, **bounds)
        service.token = old.token  # the client's goes through
        with service:
            yield Shadow(old, service)


def test_a_full_queue_leaves_the_answers_alone_and_is_counted(shadow: Shadow) -> None:
    assert shadow.post("/fit", "ours_waits")[1]["status"] == "success"
    until(lambda: shadow.view()["waiting"] == 1)
    answers = [shadow.post("/fit", "plain", LARGE, "crowded")[1]["status"] for _ in range(4)]
    assert answers == ["success"] * 4
    until(lambda: shadow.skipped("queue is full") == 2)  # there is room for two
    with open(shadow.service.home / "gate", "w"):
        pass
    shadow.settled()
    assert shadow.post("/apply", "plain", FEW, "crowded")[1]["status"] == "success"
    shadow.settled()
    assert shadow.skipped("last fit") == 1  # ours would be of another fit
    shadow.post("/fit", "plain", FEW, "crowded")
    shadow.post("/apply", "plain", FEW, "crowded")
    assert shadow.models()["crowded"]["counts"]["equal"] >= 2


def test_more_rows_than_allowed_are_answered_and_not_compared(shadow: Shadow) -> None:
    assert shadow.post("/fit", "plain", MANY, "long")[1]["status"] == "success"
    assert "long" not in shadow.models()
    assert shadow.skipped("more rows") == 1
    behind = shadow.skipped("last fit")
    assert shadow.post("/fit", "other", FEW, "long")[1]["status"] == "success"  # a model of another algorithm
    assert shadow.post("/apply", "plain", FEW, "long")[1]["status"] == "success"
    assert shadow.models()["long"]["counts"] == {"equal": 1}
    assert shadow.skipped("last fit") == behind + 1


def test_an_old_container_that_is_down_is_down(shadow: Shadow) -> None:
    jobs = len(shadow.service.jobs())
    shadow.old.stop()
    for path in ("/fit", "/apply"):
        status, answer = shadow.post(path, "plain", FEW, "down")
        assert status == 502
        assert shadow.old.url in answer["detail"]
    assert shadow.service.status_of("/summary") == 502
    assert shadow.service.status_of("/livez") == 200
    shadow.settled()
    assert len(shadow.service.jobs()) == jobs, "a fit was made here that the old container has not"
    assert shadow.models()["down"]["verdict"] == "old fails"
    assert shadow.models()["down"]["old"] == "no answer"
    shadow.old.start()
    assert shadow.post("/fit", "plain", FEW, "down")[1]["status"] == "success"


def test_figures_that_cannot_be_written_leave_the_answers_alone(shadow: Shadow) -> None:
    folder, aside = shadow.service.home / "shadow", shadow.service.home / "aside"
    assert shadow.post("/fit", "plain", FEW, "unwritten")[1]["status"] == "success"
    shadow.settled()
    folder.rename(aside)
    folder.touch()
    try:
        assert shadow.post("/apply", "plain", FEW, "unwritten")[1]["status"] == "success"
        shadow.settled()
    finally:
        folder.unlink()
        aside.rename(folder)
    assert shadow.post("/apply", "plain", FEW, "unwritten")[1]["status"] == "success"
    assert shadow.models()["unwritten"]["counts"] == {"equal": 2}
    assert "write comparisons" in shadow.service.log.read_text()


def test_a_client_that_hangs_up_ends_nothing(shadow: Shadow) -> None:
    connection = shadow.connect()
    connection.request("POST", "/fit", shadow.body("old_waits"), shadow.headers())
    gate = os.open(shadow.old.home / "gate", os.O_WRONLY)  # once the old container's fit reads it
    connection.close()
    until(lambda: shadow.skipped("hung up"))
    os.close(gate)
    assert shadow.post("/apply", "old_waits")[1]["status"] == "success"
    assert shadow.models()["old_waits"]["counts"] == {"equal": 1}  # ours was fitted too


def test_our_own_work_stops_while_a_request_is_open_and_cores_are_short(shadow: Shadow) -> None:
    for name in ("spins", "enough"):
        (shadow.service.home / name).unlink(missing_ok=True)
    assert shadow.post("/fit", "spinning")[1]["status"] == "success"
    until((shadow.service.home / "spins").exists)
    until(lambda: 19 in shadow.workers("nice"))
    fit = threading.Thread(target=shadow.post, args=("/fit", "old_waits", FEW, "gated"))
    fit.start()
    until(lambda: psutil.STATUS_STOPPED in shadow.workers("status"))
    with open(shadow.old.home / "gate", "w"):
        pass
    fit.join(60)
    until(lambda: psutil.STATUS_STOPPED not in shadow.workers("status"))
    (shadow.service.home / "enough").touch()
    assert shadow.models()["spinning"]["verdict"] == "equal"


def test_the_server_ends_in_the_midst_of_our_own_work(shadow: Shadow) -> None:
    for name in ("spins", "enough"):
        (shadow.service.home / name).unlink(missing_ok=True)
    shadow.post("/fit", "spinning", FEW, "endless")
    until((shadow.service.home / "spins").exists)
    assert shadow.service.stop() == 0
    # An earlier test keeps comparisons from being written.
    tracebacks = [each for each in shadow.service.events() if "traceback" in each]
    assert [each for each in tracebacks if each.get("task") != "write comparisons"] == []
    shadow.service.start()
    assert "endless" not in shadow.models()


def test_another_certificate_is_not_trusted(shadow: Shadow, tmp_path: Path) -> None:
    variables = {"DLTK_SHADOW": shadow.old.url, "DLTK_SPARES": "0"}
    with Service(tmp_path / "home", tmp_path / "notebooks", **variables) as service:
        assert service.status_of("/summary") == 502
