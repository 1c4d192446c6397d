"""One fit by several workers on a real Ray cluster: rendezvous over two nodes, by Gloo. ``make cluster-test``."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cluster.gang_notebook import LIBRARY, write_together
from tests.cluster.ray_cluster import NEEDS_RAY, NEEDS_TORCH, RayCluster
from tests.cluster.test_ray import PATIENCE, Front, ready
from tests.support.service import Service, until

pytestmark = [pytest.mark.process, pytest.mark.timeout(900), NEEDS_RAY, NEEDS_TORCH]

DATA = "x,z,y\n" + "".join(f"{n % 7},{n % 3},{n % 2}\n" for n in range(40))
CLOSE = 1e-5  # of a mean loss


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, processes: None) -> Iterator[Front]:
    yield from started(tmp_path_factory.mktemp("gang"))


def started(root: Path) -> Iterator[Front]:
    """A front whose own machine fits nothing of these, and nodes with one place each."""
    notebooks, folder = root / "notebooks", root / "shared"
    folder.mkdir()
    (notebooks / "app").mkdir(parents=True)
    (notebooks / "app" / "model").symlink_to(LIBRARY)
    write_together(notebooks, "both", "label=kind=plain", folder)
    with RayCluster(root / "nodes") as cluster:
        for name in ("a", "b", "c"):
            cluster.add(name, "plain", DLTK_FIT_WORKERS="1")
        with Service(root / "home", notebooks, DLTK_FIT_WORKERS="1", **cluster.variables) as service:
            made = Front(cluster, service, folder)
            until(lambda: ready(made) == {"this machine", "a", "b", "c"}, PATIENCE)
            yield made


def fit(front: Front, model: str, **parameters: str) -> dict[str, Any]:
    return front.service.fit("both", DATA, model, target="y", **parameters)


def begin(front: Front, model: str, **parameters: str) -> str:
    answer = fit(front, model, mode="async", **parameters)
    return next(each["id"] for each in front.service.jobs() if each["id"] in answer["message"])


def info(front: Front, model: str) -> dict[str, Any]:
    (path,) = front.service.home.glob(f"app/model/data/versions/both/{model}/*/version.json")
    return dict(json.loads(path.read_text())["info"])


def ranks_of(front: Front, job: str) -> dict[int, str]:
    """The node of each rank in the newest start of a job."""
    line = [each for each in front.printed(job).splitlines() if each.startswith("Workers: ")][-1]
    parts = [each.split(" on ") for each in line.removeprefix("Workers: ").rstrip(".").split(", ")]
    return {int(rank.split()[1]): node.strip("'") for rank, node in parts}


def held(front: Front, name: str) -> dict[str, Any]:
    """Wait until rank 1 is held in the epoch that `name` says."""
    path = front.folder / f"held-{name}"
    until(path.exists, PATIENCE)
    return dict(json.loads(path.read_text()))


def nothing_runs(front: Front) -> bool:
    return all(each["fits"] == 0 for each in front.machines())


@pytest.fixture(scope="module")
def alone(front: Front) -> list[float]:
    return losses_of_one(front)


def losses_of_one(front: Front) -> list[float]:
    answer = fit(front, "alone", workers="1")
    assert answer["status"] == "success", answer
    return list(info(front, "alone")["loss"])


def test_two_ranks_on_two_nodes_have_the_losses_of_one(front: Front, alone: list[float]) -> None:
    answer = fit(front, "two", workers="2")
    assert answer["status"] == "success", answer
    found = info(front, "two")
    assert found["loss"] == pytest.approx(alone, abs=CLOSE)
    assert (found["ranks"], found["address"]) == (2, front.cluster.address.rpartition(":")[0])
    assert front.service.store_folders("both", "two") == ["1"]
    job = front.service.jobs()[-1]
    assert len(set(ranks_of(front, job["id"]).values())) == 2
    assert job["metrics"]["loss"] == pytest.approx(alone[-1], abs=CLOSE)
    assert "[rank 1] rank 1 has 40 rows\n" in front.printed(job["id"])


def test_an_error_of_one_rank_names_cell_rank_and_node(front: Front) -> None:
    answer = fit(front, "error", workers="2", hold="raise")
    assert answer["status"] == "error"
    node = ranks_of(front, front.service.jobs()[-1]["id"])[1]
    assert "ValueError: rank 1 cannot go on (at both.ipynb, cell 4 (mltkc_fit), line" in answer["message"]
    assert f"This was rank 1 of 2, on '{node}'" in answer["message"]
    assert front.service.store_folders("both", "error") == []
    until(lambda: nothing_runs(front), PATIENCE)


@pytest.mark.parametrize("what", ["rank", "node"])
def test_what_is_killed_in_epoch_3_goes_on_from_its_checkpoint(front: Front, alone: list[float], what: str) -> None:
    """And ends as one version, with the losses of a training that nobody killed."""
    job = begin(front, what, workers="2", hold=what)
    rank = held(front, what)
    node = ranks_of(front, job)[1]
    until(lambda: list((front.service.home / "jobs" / job).glob("state-*")), PATIENCE)
    if what == "rank":
        os.kill(rank["pid"], signal.SIGKILL)
    else:
        front.cluster.kill(node)
    record = front.wait_for(job)
    assert record["attempts"] == 2
    printed = front.printed(job)
    lost = f"[Rank 1 of 2 on '{node}' was lost" if what == "rank" else f"[The node '{node}' of rank 1 of 2 was lost"
    assert f"{lost} while the fit ran, which was start 1. The job is queued again" in printed
    assert "Training goes on after 2 whole epochs.\n" in printed
    found = info(front, what)
    assert found["loss"] == pytest.approx(alone, abs=CLOSE)
    assert found["told"] == [3, 4, 5]
    assert len(front.service.store_folders("both", what)) == 1
    assert list((front.service.home / "jobs" / job).glob("state-*")) == []
    if what == "node":
        assert node not in ranks_of(front, job).values()
        front.cluster.add(node, "plain", DLTK_FIT_WORKERS="1")
        until(lambda: {"a", "b", "c"} <= ready(front), PATIENCE)


def test_a_gang_that_does_not_fit_waits_and_starts_whole(front: Front) -> None:
    """Of three places two are taken: a gang of two takes none, until both are free."""
    first = begin(front, "first", workers="2", hold="first")
    held(front, "first")
    second = begin(front, "second", workers="2")
    until(lambda: json.loads(front.service.send("/v1/cluster", None))["waiting"] == 1, PATIENCE)
    assert sorted(each["fits"] for each in front.machines() if each["name"] in {"a", "b", "c"}) == [0, 1, 1]
    assert "Workers" not in front.printed(second)
    (front.folder / "go-first").touch()
    front.wait_for(first)
    front.wait_for(second)
    assert len(set(ranks_of(front, second).values())) == 2


def test_a_cancelled_gang_ends_on_all_nodes(front: Front) -> None:
    job = begin(front, "cancelled", workers="2", hold="cancelled")
    pid = held(front, "cancelled")["pid"]
    assert front.service.cancel(job) < 300
    front.wait_for(job, "cancelled")
    until(lambda: nothing_runs(front) and not psutil.pid_exists(pid), PATIENCE)
    assert front.service.store_folders("both", "cancelled") == []


def test_more_workers_than_there_are_places_are_refused_by_name(front: Front) -> None:
    answer = fit(front, "many", workers="9")
    assert "asks for 9 workers that fit together, each with 1 place for fits" in answer["message"]


def test_a_search_that_waits_is_told_which_rank_was_killed(front: Front) -> None:
    answers = list[dict[str, Any]]()
    search = threading.Thread(target=lambda: answers.append(fit(front, "waits", workers="2", hold="waits")))
    search.start()
    os.kill(held(front, "waits")["pid"], signal.SIGKILL)
    search.join(PATIENCE)
    node = ranks_of(front, front.service.jobs()[-1]["id"])[1]
    assert f"Rank 1 of 2 on '{node}' was killed (SIGKILL)" in answers[0]["message"]
    assert "in step 'fit' at both.ipynb, cell 4 (mltkc_fit)" in answers[0]["message"]
    assert front.service.store_folders("both", "waits") == []
