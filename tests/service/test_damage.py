"""Damage is not absence: a real server over a home whose files were damaged."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_notebook
from tests.support.service import Service, until

pytestmark = pytest.mark.process

ROWS = "x\n1\n"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with notebooks and a home: three versions, fitted on 1 row, on 2, and on 3 with promote=manual."""
    root = tmp_path_factory.mktemp("prepared")
    write_notebook(root / "notebooks", "algo", fit="def fit(model, df, param):\n    model['rows'] = len(df)")
    with Service(root / "home", root / "notebooks") as service:
        for rows in (1, 2):
            assert service.fit("algo", ROWS + "1\n" * (rows - 1))["status"] == "success"
        kept_back = service.fit("algo", ROWS + "1\n" * 2, promote="manual")
        assert "version 2 stays current" in kept_back["message"]
    return root


@pytest.fixture
def service(prepared: Path, tmp_path: Path) -> Iterator[Service]:
    """A server over a copy, not started yet."""
    shutil.copytree(prepared, tmp_path / "root")
    service = Service(tmp_path / "root" / "home", tmp_path / "root" / "notebooks")
    try:
        yield service
    finally:
        service.stop()


def folder(service: Service) -> Path:
    return service.home / "app/model/data/versions/algo/m"


def answered(service: Service) -> tuple[str, str]:
    """The number of rows that the model was fitted on, and the message."""
    answer = service.apply("algo", ROWS)
    assert answer["status"] == "success", answer
    return answer["results"].split()[1], answer["message"]


def get(service: Service, path: str) -> tuple[int, Any]:
    request = urllib.request.Request(service.url + path, headers={"Authorization": f"Bearer {service.token}"})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def metric(service: Service, line: str) -> bool:
    return line in get(service, "/metrics")[1].decode().splitlines()


DAMAGES = {
    "an empty current": lambda model: (model / "current").write_bytes(b""),
    "a current that was never promoted": lambda model: (model / "current").write_bytes(b"3\n"),
    "a lost current": lambda model: (model / "current").unlink(),
    "a folder where current is meant": lambda model: ((model / "current").unlink(), (model / "current").mkdir()),
}
DAMAGES_OF_THE_CURRENT_VERSION = {
    "a torn manifest": lambda version: (version / "version.json").write_text('{"format'),
    "a lost manifest": lambda version: (version / "version.json").unlink(),
    "a folder where the manifest is meant": lambda version: (
        (version / "version.json").unlink(),
        (version / "version.json").mkdir(),
    ),
    "a truncated model": lambda version: (version / "algo_m.json").write_text("{"),
    "a lost model": lambda version: (version / "algo_m.json").unlink(),
    "a model of as many other bytes": lambda version: (version / "algo_m.json").write_bytes(
        bytes((version / "algo_m.json").stat().st_size)
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_pointer_serves_the_version_promoted_last_and_says_so(damage: str, service: Service) -> None:
    DAMAGES[damage](folder(service))
    service.start()
    rows, message = answered(service)
    assert rows == "2"
    assert "WARNING: version 2 was used, and something is damaged: " in message
    until(lambda: '"damage"' in service.log.read_text())


@pytest.mark.parametrize("damage", DAMAGES_OF_THE_CURRENT_VERSION)
def test_a_damaged_version_is_replaced_by_the_one_promoted_before_it(damage: str, service: Service) -> None:
    DAMAGES_OF_THE_CURRENT_VERSION[damage](folder(service) / "2")
    service.start()
    rows, message = answered(service)
    assert rows == "1"
    assert "WARNING: version 1 was used, and something is damaged: " in message
    assert metric(service, 'dltk_damaged_total{algorithm="algo",outcome="success"} 1.0')
    [model] = json.loads(get(service, "/v1/models")[1])["models"]
    assert (model["current"], "version 2" in model["damage"] or "/2/" in model["damage"]) == (1, True)


def test_without_a_whole_promoted_version_the_call_is_refused_and_says_so(service: Service) -> None:
    service.start()
    for number in ("1", "2"):
        (folder(service) / number / "version.json").write_text("{")
    answer = service.apply("algo", ROWS)
    assert answer["status"] == "error"
    assert "No version of algo/m can be used: " in answer["message"]
    assert "dltk models promote" in answer["message"]
    assert "No fit" not in answer["message"]
    assert metric(service, 'dltk_damaged_total{algorithm="algo",outcome="error"} 1.0')
    kept_back = service.fit("algo", ROWS, promote="manual")
    assert "stored and not promoted, and the versions that were are damaged" in kept_back["message"]
    assert "is now current" in service.fit("algo", ROWS + "1\n" * 3)["message"]
    assert answered(service) == ("4", "/apply done successfully")


def test_one_bad_entry_takes_no_start_list_or_metric_down(service: Service) -> None:
    service.start()
    assert service.fit("algo", ROWS, model="other")["status"] == "success"
    model = folder(service)
    (model / "1" / "version.json").write_text("{")
    shutil.rmtree(model / "2")
    (model / "2").write_text("a file")
    (model / "promoted").unlink()
    (model / "promoted").mkdir()
    (model / "999999999999999999").mkdir()
    for strange in ("versions/lost+found/x", "versions/algo/a.b", "versions/algo/fifo/7/version.json"):
        (service.home / "app/model/data" / strange).mkdir(parents=True)
    service.restart()
    for path in ("/v1/models", "/v1/models/algo/m", "/metrics", "/readyz", "/v1/jobs"):
        assert get(service, path)[0] == 200, path
    answer = service.apply("dltk_status", ROWS, model="dltk_status")
    states = {
        row["model"]: row["state"] for row in csv.DictReader(io.StringIO(answer["results"])) if row["kind"] == "model"
    }
    assert states["other"] == "current"
    assert states["m"] == "damaged"
    assert service.apply("algo", ROWS, model="other")["status"] == "success"


def test_what_may_not_be_read_takes_no_start_list_or_metric_down(service: Service) -> None:
    """Without root's right to read everything."""
    service.start()
    assert service.fit("algo", ROWS, model="other")["status"] == "success"
    assert service.fit("algo", ROWS, model="closed")["status"] == "success"
    service.stop()
    (folder(service) / "2").chmod(0)
    (folder(service).parent / "closed").chmod(0)
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
    if subprocess.run([*command, "cat", "/proc/self/status"], check=False, capture_output=True).returncode:
        pytest.skip("setpriv may not drop capabilities here")
    try:
        with Service(service.home, service.notebooks, before=command) as limited:
            assert get(limited, "/metrics")[0] == 200
            models = {each["model"]: each for each in json.loads(get(limited, "/v1/models")[1])["models"]}
            assert models["other"]["current"] == 1
            assert (models["m"]["current"], models["closed"]["current"]) == (1, None)
            assert answered(limited)[0] == "1"
            assert "Permission denied" in limited.apply("algo", ROWS, model="closed")["message"]
    finally:
        (folder(service) / "2").chmod(0o755)
        (folder(service).parent / "closed").chmod(0o755)


def test_a_home_that_vanished_makes_the_server_unready_and_refuses_fits(service: Service) -> None:
    service.start()
    service.home.rename(service.home.with_name("elsewhere"))
    assert get(service, "/readyz")[0] == 503
    for answer in (service.fit("algo", ROWS), service.fit("algo", ROWS, mode="async"), service.apply("algo", ROWS)):
        assert answer["status"] == "error"
        assert "The models that this server started with are gone" in answer["message"]
    assert not (service.home / "app/model/data/versions/algo").exists()
    shutil.rmtree(service.home, ignore_errors=True)
    service.home.with_name("elsewhere").rename(service.home)
    assert get(service, "/readyz")[0] == 200
    assert answered(service)[0] == "2"
