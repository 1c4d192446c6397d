"""Fits and applies on a real Ray cluster of four logical nodes, two of them with a stand-in GPU.

Ray's own processes need seconds to start, so all tests share one cluster and one front, in this order: the
later ones kill nodes, and the last one the head.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from dltk_runtime import landlock
from tests.cluster.notebooks import write
from tests.cluster.ray_cluster import NEEDS_RAY, RayCluster
from tests.support.service import Service, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(600), NEEDS_RAY]

DATA = "a,b\n1,2\n3,4\n"
PATIENCE = 180  # seconds, on a machine with other work
LOADING_SECONDS = 50  # that a version's files and a new worker take on a node, on a machine with other work
PLACES = 4  # for fits on a plain node
FITS = int(os.environ.get("DLTK_SOAK_CLUSTER_FITS", "20"))

# A fit that takes the GPU it was given, and fails if another one has it; its results name both.
ON_GPU = """
    def fit(model, df, param):
        import os, time
        card = os.environ["DLTK_HOME"].rsplit("/", 1)[-1] + "-" + os.environ["CUDA_VISIBLE_DEVICES"]
        held = os.open("{folder}/" + card, os.O_CREAT | os.O_EXCL)
        time.sleep(0.3)
        os.unlink("{folder}/" + card)
        model["rows"] = len(df)
        return {{"card": card}}
"""
# A fit that goes on until a file is there.
HELD = """
    def fit(model, df, param):
        import os, time
        print("begun in", os.environ["DLTK_HOME"].rsplit("/", 1)[-1], flush=True)
        while not os.path.exists("{folder}/go"):
            time.sleep(0.05)
        model["rows"] = len(df)
        return {{"rows": len(df)}}
"""
# An apply that goes on until a file is there, and says where it runs.
APART = """
    def apply(model, df, param):
        import os, time
        node = os.environ["DLTK_HOME"].rsplit("/", 1)[-1]
        open(f"{folder}/at-{{node}}", "w").close()
        while not os.path.exists("{folder}/{file}"):
            time.sleep(0.05)
        if len(df) > 2:
            raise ValueError("too many rows")
        return pd.DataFrame({{"at": [node] * len(df)}})
"""
TELLING = """
    def fit(model, df, param):
        import os
        from dltk_runtime import progress
        progress(1, 2, loss=0.5)
        print("printed on the node")
        open("/srv/app/model/data/elsewhere.txt", "w").close()
        secrets = [name for name in os.environ if "TOKEN" in name]
        around = dict(each.split("=", 1) for each in open(f"/proc/{os.getppid()}/environ").read().split(chr(0)) if each)
        secrets += [name for name in around if name == "RAY_AUTH_TOKEN"]
        try:
            secrets.append(open(around["RAY_AUTH_TOKEN_PATH"]).read())
        except PermissionError:
            pass
        if len(df) > 2:
            raise ValueError("too many rows")
        model["rows"] = len(secrets)
"""


class Front(NamedTuple):
    cluster: RayCluster
    service: Service
    folder: Path  # that fits on all nodes share

    def asynchronous(self, algorithm: str, model: str) -> str:
        answer = self.service.fit(algorithm, DATA, model, mode="async")
        return next(each["id"] for each in self.service.jobs() if each["id"] in answer["message"])

    def job(self, job: str) -> dict[str, Any]:
        return next(each for each in self.service.jobs() if each["id"] == job)

    def wait_for(self, job: str, state: str = "succeeded") -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            record = self.job(job)
            assert record["state"] in {"queued", "running", state}, record
            return record if record["state"] == state else None

        found: dict[str, Any] = until(reached, PATIENCE)
        return found

    def running_on(self, name: str) -> int:
        """Number of fits on a node."""
        return next(each["fits"] for each in self.machines() if each["name"] == name)

    def machines(self) -> list[dict[str, Any]]:
        """What `dltk cluster` shows of the machines."""
        return list(json.loads(self.service.send("/v1/cluster", None))["nodes"])

    def problem(self) -> str:
        """Why the other machines cannot be reached."""
        return str(json.loads(self.service.send("/v1/cluster", None))["problem"])

    def printed(self, job: str) -> str:
        path = self.service.home / "jobs" / job / "log"
        return path.read_text() if path.exists() else ""

    def begun(self, job: str) -> str:
        """The node on which a fit of HELD has begun."""
        return str(until(lambda: "begun in" in (text := self.printed(job)) and text, PATIENCE)).split()[-1]


def started(root: Path, *plain: str, gpu: tuple[str, ...] = ()) -> Iterator[Front]:
    notebooks, folder, quick = root / "notebooks", root / "shared", root / "quick"
    folder.mkdir()
    quick.mkdir()
    write(notebooks, "near", "")
    write(notebooks, "gpu", "gpu", fit=ON_GPU.format(folder=folder))
    write(notebooks, "held", "label=kind=plain", fit=HELD.format(folder=folder))
    write(notebooks, "telling", "label=name=a", fit=TELLING)
    write(notebooks, "apart", "", "label=kind=gpu", apply=APART.format(folder=quick, file="."))
    write(notebooks, "longer", "", "label=kind=gpu", apply=APART.format(folder=folder, file="answer"))
    write(notebooks, "nowhere", "label=kind=h200, memory=1G")
    with RayCluster(root / "nodes") as cluster:
        for name in plain:
            cluster.add(name, "plain", DLTK_FIT_WORKERS=str(PLACES))
        for name in gpu:
            cluster.add(name, "gpu", DLTK_GPUS="0")
        with Service(root / "home", notebooks, DLTK_FIT_WORKERS="2", **cluster.variables) as service:
            front = Front(cluster, service, folder)
            until(lambda: ready(front) == {"this machine", *plain, *gpu}, PATIENCE)
            yield front


def ready(front: Front) -> set[str]:
    """The machines on which fits may run."""
    return {each["name"] for each in front.machines() if not each["refused"]}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, processes: None) -> Iterator[Front]:
    yield from started(tmp_path_factory.mktemp("ray"), "a", "b", gpu=("g1", "g2"))


def test_a_fit_elsewhere_is_a_version_here(front: Front) -> None:
    """Result, printed text, progress and files come back; the notebook sees nothing of Ray's token."""
    answer = front.service.fit("telling", DATA, "t")
    seen = 0 if not landlock.absence() else 1
    assert answer == {
        "status": "success",
        "message": "/fit done successfully. Version 1 of model 't' is now current.",
        "results": f"rows\n{seen}\n{seen}\n",
    }
    assert front.service.job_log() == "This fit runs on node 'a'.\nprinted on the node\n"
    assert front.service.jobs()[-1]["metrics"] == {"loss": 0.5}
    assert front.service.apply("telling", DATA, "t")["results"] == f"rows\n{seen}\n{seen}\n"
    node = front.cluster.home("a")
    assert (node / "app/model/data/elsewhere.txt").exists()  # it ran there
    until(lambda: [each for each in node.glob("app/model/data/fits/*/*") if each.is_dir()] == [])
    metrics = front.service.send("/metrics", None).decode()
    assert "dltk_cluster_reachable 1.0" in metrics
    assert 'dltk_node_gpus{node="g1"} 1.0' in metrics
    assert 'dltk_node_refused{node="a"} 0.0' in metrics


def test_an_error_elsewhere_names_the_cell(front: Front) -> None:
    answer = front.service.fit("telling", DATA + "5,6\n", "t")
    assert answer["status"] == "error"
    assert "ValueError: too many rows (at telling.ipynb, cell 4 (mltkc_fit), line" in answer["message"]
    assert front.service.store_folders("telling", "t") == ["1"]


def test_a_cancelled_fit_ends_elsewhere_too(front: Front) -> None:
    job = front.asynchronous("held", "cancelled")
    node = front.begun(job)
    assert front.service.cancel(job) < 300
    front.wait_for(job, "cancelled")
    until(lambda: front.running_on(node) == 0, PATIENCE)
    assert front.service.store_folders("held", "cancelled") == []


def test_what_no_machine_has_is_refused_by_name(front: Front) -> None:
    for more in ({}, {"mode": "async"}):
        answer = front.service.fit("nowhere", DATA, "n", **more)
        assert answer["status"] == "error"
        assert (
            "asks for the label 'kind=h200', which no machine here has (this machine, a, b, g1, g2)"
            in answer["message"]
        )


def test_applies_run_on_the_node_that_their_notebook_asks_for(front: Front) -> None:
    """Its first apply takes the files there; they stay, and errors name cell and node."""
    assert front.service.fit("apart", DATA, "m")["status"] == "success"
    answer = front.service.apply("apart", DATA, "m")["results"]
    assert answer in {f"at\n{node}\n{node}\n" for node in ("g1", "g2")}
    node = answer.split()[1]
    assert front.service.apply("apart", DATA, "m")["results"] == answer
    failed = front.service.apply("apart", DATA + "5,6\n", "m")["message"]
    assert "ValueError: too many rows (at apart.ipynb, cell 5 (mltkc_apply), line" in failed
    assert f"It ran on node '{node}'" in failed
    assert len(list(front.cluster.home(node).glob("app/model/data/applies/*/files/*.json"))) > 0
    until(lambda: [each["name"] for each in front.machines() if each["apply_places_taken"]][1:] == [node], PATIENCE)
    assert f'dltk_node_apply_places_taken{{node="{node}"}} 1.0' in front.service.send("/metrics", None).decode()


@pytest.mark.cluster_gate
@pytest.mark.timeout(600 + 30 * FITS)
def test_each_fit_is_one_version_and_they_share_no_gpu(front: Front) -> None:
    """And applies of this front go on beside them."""
    front.service.fit("near", DATA, "near")
    with ThreadPoolExecutor(10) as pool:
        fits = [pool.submit(front.service.fit, "gpu", DATA, f"m{number}") for number in range(FITS)]
        applies = 0
        while not all(each.done() for each in fits):
            assert front.service.apply("near", DATA, "near")["results"] == "rows\n2\n2\n"
            applies += 1
    assert {each.result()["status"] for each in fits} == {"success"}, [each.result() for each in fits]
    assert [front.service.store_folders("gpu", f"m{number}") for number in range(FITS)] == [["1"]] * FITS
    manifests = front.service.home.glob("app/model/data/versions/gpu/*/1/version.json")
    cards = {json.loads(path.read_text())["info"]["card"] for path in manifests}
    assert cards == {"g1-0", "g2-0"}
    assert applies > 0


@pytest.mark.cluster_gate
def test_eight_fits_of_another_front_do_not_keep_applies_of_this_one_waiting(front: Front, tmp_path: Path) -> None:
    """With host:port the helper starts the Ray node that a driver needs, and that ends with the front."""
    (front.folder / "go").unlink(missing_ok=True)
    front.service.fit("near", DATA, "near")
    variables = front.cluster.variables | {"DLTK_CLUSTER": front.cluster.address, "DLTK_FIT_WORKERS": "1"}
    with Service(tmp_path / "home", front.service.notebooks, **variables) as service:
        other = Front(front.cluster, service, front.folder)
        until(lambda: {"a", "b"} <= ready(other), PATIENCE)
        jobs = [other.asynchronous("held", f"e{number}") for number in range(2 * PLACES)]
        assert sorted(other.begun(job) for job in jobs) == ["a"] * PLACES + ["b"] * PLACES
        until(lambda: front.running_on("a") + front.running_on("b") == len(jobs), PATIENCE)  # this one sees them
        for _ in range(50):
            assert front.service.apply("near", DATA, "near")["results"] == "rows\n2\n2\n"
        assert {other.job(job)["state"] for job in jobs} == {"running"}
        assert nodes_of_fronts()
        (front.folder / "go").touch()
        for job in jobs:
            other.wait_for(job)
    until(lambda: not nodes_of_fronts(), PATIENCE)


def nodes_of_fronts() -> list[int]:
    """The processes of Ray nodes that fronts have started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if f"front-{socket.gethostname()}" in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


@pytest.mark.cluster_gate
def test_a_killed_node_is_named_with_the_cell_and_queued_fits_run_elsewhere(front: Front) -> None:
    (front.folder / "go").unlink(missing_ok=True)
    jobs = [front.asynchronous("held", f"k{number}") for number in range(2)]
    nodes = [front.begun(job) for job in jobs]
    answers = list[dict[str, Any]]()
    search = threading.Thread(target=lambda: answers.append(front.service.fit("held", DATA, "waits")))
    search.start()
    waits = until(lambda: [job for job in front.service.jobs() if job["model"] == "waits"], PATIENCE)[0]["id"]
    node = front.begun(waits)
    began = time.monotonic()
    front.cluster.kill(node)
    search.join(PATIENCE)
    assert time.monotonic() - began < 10
    assert f"The node '{node}' was lost in step 'fit' at held.ipynb, cell 4 (mltkc_fit)" in answers[0]["message"]
    (front.folder / "go").touch()
    for job, before in zip(jobs, nodes, strict=True):
        ended = front.wait_for(job)
        assert ended["attempts"] == (2 if before == node else 1)
    assert [len(front.service.store_folders("held", f"k{number}")) for number in range(2)] == [1, 1]
    assert front.service.store_folders("held", "waits") == []


def test_an_apply_whose_node_is_killed_is_answered_by_another_one(front: Front) -> None:
    (front.folder / "answer").touch()  # the fit applies, too
    assert front.service.fit("longer", DATA, "m")["status"] == "success"
    (front.folder / "answer").unlink()
    (front.folder / "at-home").unlink()
    answers = list[dict[str, Any]]()
    search = threading.Thread(target=lambda: answers.append(front.service.apply("longer", DATA, "m")))
    search.start()
    before = until(lambda: runs_at(front), PATIENCE)
    front.cluster.kill(before)
    began = time.monotonic()
    after = until(lambda: runs_at(front, but=before), PATIENCE)
    assert time.monotonic() - began < 10 + LOADING_SECONDS
    (front.folder / "answer").touch()
    search.join(PATIENCE)
    assert answers[0]["results"] == f"at\n{after}\n{after}\n"


def runs_at(front: Front, but: str = "") -> str:
    """The node, other than `but`, on which an apply of APART has begun; empty without one."""
    found = [path.name.removeprefix("at-") for path in front.folder.glob("at-*")]
    return next((each for each in found if each not in ("home", but)), "")


@pytest.mark.cluster_gate
def test_without_its_head_applies_go_on_and_queued_fits_run_when_it_is_back(front: Front) -> None:
    (front.folder / "go").touch()
    front.service.fit("near", DATA, "near")
    front.cluster.stop_head()
    until(lambda: front.problem() and ready(front) == {"this machine"}, PATIENCE)
    job = front.asynchronous("held", "later")
    for _ in range(20):
        assert front.service.apply("near", DATA, "near")["results"] == "rows\n2\n2\n"
    assert front.service.fit("near", DATA, "near")["status"] == "success"  # it needs no other machine
    assert front.job(job)["state"] == "queued"
    front.cluster.start_head()
    front.cluster.add("b", "plain")
    front.wait_for(job)
    assert "begun in b" in front.printed(job)
    assert front.service.store_folders("held", "later") == ["1"]
