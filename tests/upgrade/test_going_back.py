"""A volume that this runtime has served is served by release 0.1.0 again: nothing is lost, and nothing is mixed up.

The home is that of `test_home_0_1_0`; the old release is the one in ``tests/data/releases``.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.upgrade.blackbox import Server, until

pytestmark = pytest.mark.process

DATA = Path(__file__).parent.parent / "data"
STORED = DATA / "homes" / "0.1.0"
RELEASE = DATA / "releases" / "0.1.0.tar.xz"
FACTS: dict[str, Any] = json.loads(STORED.with_name("0.1.0.json").read_text(encoding="utf-8"))
SETTINGS = {"DLTK_KEEP_VERSIONS": "3", "DLTK_SPARES": "1", "DLTK_FIT_WORKERS": "4"}
CHANGED = {"numbers", "back"}  # models that this runtime has fitted
# The one library of 0.1.0 that is no longer installed, as far as it used it.
ORJSON = """
import json
import math
OPT_SERIALIZE_NUMPY = 16
loads, JSONDecodeError = json.loads, json.JSONDecodeError
def dumps(values, option=0):
    cells = [None if isinstance(each, float) and not math.isfinite(each) else each for each in values.tolist()]
    return json.dumps(cells, separators=(",", ":")).encode()
"""


@pytest.fixture(scope="module")
def old_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    with tarfile.open(RELEASE) as archive:
        archive.extractall(folder, filter="data")
    (folder / "like_orjson.py").write_text(ORJSON)
    for name in ("csv_text.py", "csv_frame.py"):
        file = folder / "dltk_runtime" / name
        file.write_text(file.read_text().replace("import orjson", "import like_orjson as orjson"))
    return folder


@pytest.fixture(scope="module")
def gone_back(old_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The old release over a home that this runtime has served, fitted into and promoted in."""
    home = tmp_path_factory.mktemp("back") / "srv"
    shutil.copytree(STORED, home)
    with Server(home, home / "notebooks", **SETTINGS) as new:
        until(lambda: all(each["state"] not in ("queued", "running") for each in jobs_of(new, "offset", "waiting")))
        assert new.fit("offset", "numbers", "x,y\n1,2\n", "y", by="100")["status"] == "success"
        assert new.fit("offset", "back", "x,y\n1,2\n", "y", by="7", mode="async")["status"] == "submitted"
        until(lambda: [each["state"] for each in jobs_of(new, "offset", "back")] == ["succeeded"])
        assert new.change("POST", "/v1/models/line/slope/promote/3")["current"] == 3
        assert new.change("POST", "/v1/models/line/slope/rollback")["current"] == 2
        for job in unfinished(new):
            new.change("DELETE", f"/v1/jobs/{job}")
        until(lambda: not unfinished(new))
    path = os.pathsep.join([str(old_release), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    with Server(home, home / "notebooks", PYTHONPATH=path, **SETTINGS) as old:
        yield old


def jobs_of(server: Server, algorithm: str, model: str) -> list[dict[str, Any]]:
    jobs = server.get("/v1/jobs")["jobs"]
    return [each for each in jobs if (each["algorithm"], each["model"]) == (algorithm, model)]


def unfinished(server: Server) -> list[str]:
    return [each["id"] for each in server.get("/v1/jobs")["jobs"] if each["state"] in ("queued", "running")]


def test_it_is_the_old_release_that_serves(gone_back: Server) -> None:
    assert "GET /v1/drift" not in gone_back.send("GET", "/v1/openapi.json").body.decode()
    assert gone_back.send("GET", "/ui/").status == 404, "0.1.0 has no console"


@pytest.mark.parametrize(
    "recorded",
    [each for each in FACTS["applies"] if each["meta"]["options"]["model_name"] not in CHANGED],
    ids=lambda each: json.dumps([each["meta"]["options"]["model_name"], each["meta"]["options"]["params"]]),
)
def test_every_model_answers_as_it_did(gone_back: Server, recorded: dict[str, Any]) -> None:
    assert gone_back.post("/apply", recorded["data"], recorded["meta"]) == recorded["answer"]


def test_versions_of_the_newer_runtime_answer_too(gone_back: Server) -> None:
    assert gone_back.apply("offset", "numbers", "x\n1\n")["results"] == "sum\n101\n"
    assert gone_back.apply("offset", "back", "x\n1\n")["results"] == "sum\n8\n"
    models = {(each["algorithm"], each["model"]): each for each in gone_back.get("/v1/models")["models"]}
    assert models["line", "slope"]["current"] == 2
    assert [each["number"] for each in models["offset", "numbers"]["versions"]][-1] == models["offset", "numbers"][
        "current"
    ]


def test_numbers_go_on_and_a_rollback_finds_the_newer_runtimes_version(gone_back: Server) -> None:
    before = gone_back.get("/v1/models/offset/numbers")["current"]
    answer = gone_back.fit("offset", "numbers", "x,y\n1,2\n", "y", by="200")
    assert answer["results"] == "sum\n201\n"
    assert gone_back.get("/v1/models/offset/numbers")["current"] == before + 1
    assert gone_back.change("POST", "/v1/models/offset/numbers/rollback")["current"] == before
    assert gone_back.apply("offset", "numbers", "x\n1\n")["results"] == "sum\n101\n"


def test_jobs_of_both_are_listed(gone_back: Server) -> None:
    found = {each["id"]: each["state"] for each in gone_back.get("/v1/jobs")["jobs"]}
    assert {each["id"] for each in FACTS["jobs"]} <= set(found)
    assert [each["state"] for each in jobs_of(gone_back, "offset", "back")] == ["succeeded"]
