"""A volume that runtime 0.1.0 left behind is served by today's: no version, record, file or number is lost.

The home and what 0.1.0 answered over it were made by `tests/data/homes/make.py`; they are never changed. Each test
serves a copy of it, whose files look old, as they do on a volume whose container was stopped a while ago.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.upgrade.blackbox import TOKEN, Server, until

pytestmark = pytest.mark.process

STORED = Path(__file__).parent.parent / "data" / "homes" / "0.1.0"
FACTS: dict[str, Any] = json.loads(STORED.with_name("0.1.0.json").read_text(encoding="utf-8"))
SETTINGS = {"DLTK_KEEP_VERSIONS": "3", "DLTK_SPARES": "1", "DLTK_FIT_WORKERS": "4"}
STOPPED = 1_700_000_000  # seconds since the epoch: when the files were last touched
AFTER_RESTART = {"queued": "succeeded"}  # all other states stay; what ran is taken up, and runs again
SETTLED = ("id", "algorithm", "model", "created", "parameters")  # what a record's successor keeps
JOBS = {job["id"]: job for job in FACTS["jobs"]}
TAKEN_UP = {job["model"] for job in FACTS["jobs"] if job["state"] == "running"}
VERSIONS = {(each["algorithm"], each["model"]): each for each in FACTS["models"]}


def copy(folder: Path) -> Server:
    """A server, not started yet, over a copy of the stored home."""
    home = folder / "srv"
    shutil.copytree(STORED, home)
    for path in home.rglob("*"):
        os.utime(path, (STOPPED, STOPPED))
    return Server(home, home / "notebooks", **SETTINGS)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose waiting job has run, for tests that only look and apply."""
    with copy(tmp_path_factory.mktemp("served")) as server:
        until(lambda: all(each["state"] == expected_state(each["id"]) for each in server.get("/v1/jobs")["jobs"]))
        yield server


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, for changes."""
    with copy(tmp_path) as server:
        yield server


def expected_state(job: str) -> str:
    """The state of a job once this runtime has done what 0.1.0 had left."""
    before = str(JOBS[job]["state"])
    return AFTER_RESTART.get(before, before)


def shows(found: Any, recorded: Any) -> bool:
    """Whether `found` has all of `recorded`; objects may have gained fields since."""
    if isinstance(recorded, dict):
        return isinstance(found, dict) and all(key in found and shows(found[key], recorded[key]) for key in recorded)
    if isinstance(recorded, list):
        return isinstance(found, list) and len(found) == len(recorded) and all(map(shows, found, recorded))
    return bool(found == recorded)


def contents(folder: Path) -> dict[str, str]:
    """The hash of every file below a folder."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_the_home_holds_what_it_is_for() -> None:
    assert {algorithm for algorithm, _ in VERSIONS} == {"offset", "line", "counts"}
    assert [each["number"] for each in VERSIONS["offset", "numbers"]["versions"]] == [3, 4, 5]
    assert VERSIONS["offset", "numbers"]["current"] == 4, "a rollback"
    assert VERSIONS["line", "slope"]["current"] < len(VERSIONS["line", "slope"]["versions"]), "a kept-back candidate"
    assert {job["state"] for job in JOBS.values()} == {"queued", "running", "succeeded", "failed", "cancelled"}
    files = contents(STORED)
    assert {"drift/counts/kinds.json", "notebooks/data/staged.csv", "app/graphics/counts.svg"} < set(files)
    assert sum((STORED / name).stat().st_size for name in files) < 2_000_000


def test_models_have_the_same_versions_and_currents(served: Server) -> None:
    found = {(each["algorithm"], each["model"]): each for each in served.get("/v1/models")["models"]}
    assert set(found) == {*VERSIONS, ("offset", "waiting")}, "the job that waited has made its model"
    for name, recorded in VERSIONS.items():
        assert shows(found[name], recorded), name
        assert shows(served.get(f"/v1/models/{'/'.join(name)}"), recorded)


@pytest.mark.parametrize("recorded", FACTS["applies"], ids=lambda each: json.dumps(each["meta"]["options"]["params"]))
def test_every_model_answers_as_before(served: Server, recorded: dict[str, Any]) -> None:
    found = served.post("/apply", recorded["data"], recorded["meta"])
    before = recorded["answer"]
    assert (found["status"], found.get("results")) == (before["status"], before.get("results")), found
    assert found["message"].partition(".")[0] == before["message"].partition(".")[0]
    assert ("WARNING" in found["message"]) == ("WARNING" in before["message"]), found


def test_every_job_is_listed_with_its_state_or_its_successor(served: Server) -> None:
    found = {job["id"]: job for job in served.get("/v1/jobs")["jobs"]}
    assert list(found) == list(JOBS)
    for name, recorded in JOBS.items():
        state = recorded["state"]
        settled = state not in ("queued", "running")
        expected = recorded if settled else {key: recorded[key] for key in SETTLED}
        assert shows(found[name], {**expected, "state": expected_state(name)}), (found[name], recorded)
        if state != "running":
            assert shows(served.get(f"/v1/jobs/{name}"), found[name])
        assert served.get(f"/v1/jobs/{name}/metrics") == []


def test_every_log_is_there(served: Server) -> None:
    for name, recorded in JOBS.items():
        log = served.send("GET", f"/v1/jobs/{name}/log", headers={"Authorization": TOKEN})
        assert log.status == 200
        expected = FACTS["logs"][name] or "rows: 4\n" * (recorded["state"] == "queued")
        if recorded["state"] == "running":
            assert log.body.decode().startswith(f"{expected}[The server ended while the fit ran, which was start 1. ")
        else:
            assert log.body.decode() == expected


def test_drift_is_remembered(served: Server) -> None:
    status = served.apply("dltk_status", "m", "x\n1\n")["results"].splitlines()
    for row in FACTS["status"]:  # later releases have further columns
        assert [each for each in status if each == row or each.startswith(f"{row},")], row
    assert any(row.startswith("model,counts,kinds,") and ",11.84,x," in row for row in FACTS["status"])


def test_nothing_that_was_kept_is_changed_by_serving_it(served: Server) -> None:
    before, found = contents(STORED), contents(served.home)
    volatile = ("jobs/", "app/model/data/versions/offset/torn/", "app/model/data/versions/offset/lost/")
    assert {name: found.get(name) for name in before if not name.startswith(volatile)} == {
        name: digest for name, digest in before.items() if not name.startswith(volatile)
    }


def test_a_picture_is_served(served: Server) -> None:
    assert served.send("GET", "/graphics/counts.svg").body == (STORED / "app/graphics/counts.svg").read_bytes()


@pytest.mark.parametrize("name", sorted(path.name for path in (STORED / "app/model/data/versions/offset").iterdir()))
def test_no_number_is_used_twice(own: Server, name: str) -> None:
    until(lambda: all(job["state"] != "queued" for job in own.get("/v1/jobs")["jobs"]))
    reserved = [int(path.name.split("-")[1]) for path in own.home.glob(f"app/model/data/versions/offset/{name}/res*")]
    answer = own.fit("offset", name, "x,y\n1,2\n", "y", by="100")
    assert answer["results"] == "sum\n101\n"
    number = int(answer["message"].split(" Version ")[1].split()[0])
    assert number > max(reserved)
    assert number == max(reserved) + 1 or name in TAKEN_UP, "a fit that goes on has a number of its own"
    assert own.apply("offset", name, "x\n1\n")["results"] == "sum\n101\n"


def test_rollback_and_promote_go_on(own: Server) -> None:
    assert own.change("POST", "/v1/models/line/slope/promote/3")["current"] == 3, "the candidate"
    assert own.apply("line", "slope", "x\n5\n", with_version="t")["results"].endswith(",3\n")
    assert own.change("POST", "/v1/models/line/slope/rollback")["current"] == 2
    assert own.change("POST", "/v1/models/offset/numbers/rollback")["current"] == 3
    assert own.apply("offset", "numbers", "x\n1\n")["results"] == "sum\n4\n"
    assert own.change("POST", "/v1/models/offset/numbers/promote/5")["current"] == 5
    assert own.apply("offset", "numbers", "x\n1\n")["results"] == "sum\n6\n"


def test_data_staged_by_0_1_0_is_known_as_the_containers_own(own: Server) -> None:
    answer = own.fit("offset", "staged", "x,y\n7,8\n", "y", mode="stage")
    staged = own.home / "notebooks" / "data"
    assert answer["status"] == "staged"
    assert "files that were there" not in answer["message"]
    assert (staged / "staged.csv").read_text(encoding="utf-8") == "x,y\n7,8\n"
    assert sorted(path.name for path in staged.iterdir()) == ["staged.csv", "staged.json"]
