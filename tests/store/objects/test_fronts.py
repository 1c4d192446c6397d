"""Two servers without a common volume, over a real S3 server: what one fits, the other applies.

It needs moto's server: ``make objects``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.store.objects import keys
from dltk_runtime.store.objects.address import connected
from tests.conftest import write_notebook
from tests.store.objects.moto import BUCKET, CREDENTIALS, SERVER, moto
from tests.support.service import Service, until

pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not SERVER.exists(), reason="no S3 server: make objects"),
]
ROWS = "a,b\n1,2\n3,4\n"
ADDRESS = f"s3://{BUCKET}/fronts"
SECRET = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    folder = tmp_path_factory.mktemp("fronts")
    notebooks = folder / "notebooks"
    write_notebook(notebooks, "healthy")
    seen = """
        def apply(model, df, param):
            import os
            return pd.DataFrame({"seen": [str(sorted(os.environ.values()))] * len(df)})
    """
    write_notebook(notebooks, "curious", apply=seen)
    with moto() as port, pytest.MonkeyPatch.context() as environ:
        variables = CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        for name, value in variables.items():
            environ.setenv(name, value)
        variables |= {"DLTK_STORE": ADDRESS, "DLTK_KEEP_VERSIONS": "1"}
        with (
            Service(folder / "one", notebooks, **variables) as one,
            Service(folder / "two", notebooks, **variables) as two,
        ):
            yield [one, two]


def dltk(front: Service, *command: object, store: str = ADDRESS) -> subprocess.CompletedProcess[str]:
    """Run a command over a server's home and an object store."""
    environ = os.environ | {"DLTK_HOME": str(front.home), "DLTK_NOTEBOOKS": str(front.notebooks), "DLTK_STORE": store}
    words = [sys.executable, "-m", "dltk_runtime.cli", *map(str, command)]
    return subprocess.run(words, check=False, capture_output=True, text=True, env=environ)


def test_what_one_server_fits_the_other_applies_and_fits_on(fronts: list[Service]) -> None:
    one, two = fronts
    assert one.fit("healthy", ROWS)["status"] == "success"
    first = [front.apply("healthy", ROWS) for front in fronts]
    assert first[0]["status"] == "success", first[0]
    assert first[0] == first[1]
    answer = two.fit("healthy", ROWS)
    assert "Version 2 of model 'm' is now current" in answer["message"]
    found = [front.apply("healthy", ROWS, with_version="t") for front in fronts]
    assert [("2" in each["results"], each["status"]) for each in found] == [(True, "success")] * 2
    assert not Path(two.home, "app", "model", "data", "versions", "healthy").exists()


def test_a_server_that_is_killed_loses_no_version_and_goes_on(fronts: list[Service]) -> None:
    one = fronts[0]
    assert one.fit("healthy", ROWS, model="k")["status"] == "success"
    one.restart(signal.SIGKILL)
    for front in fronts:
        assert front.apply("healthy", ROWS, model="k")["status"] == "success"
    assert "Version 2 of model 'k' is now current" in one.fit("healthy", ROWS, model="k")["message"]


def test_a_damaged_object_is_told_from_a_damaged_copy(fronts: list[Service]) -> None:
    one, two = fronts
    for rows in (ROWS, ROWS + "5,6\n"):
        assert one.fit("healthy", rows, model="d")["status"] == "success"
    [copy] = one.home.glob("app/model/data/objects/*/healthy/d/2/healthy_d.json")
    whole = copy.read_bytes()
    copy.write_bytes(bytes(len(whole)))
    one.restart()  # no worker has it loaded
    assert one.apply("healthy", ROWS, model="d", with_version="t")["message"] == "/apply done successfully"
    assert copy.read_bytes() == whole
    assert "dltk_damaged_copies_total 1.0" in one.send("/metrics", None).decode()
    assert [each["model"] for each in one.events() if each.get("event") == "copy damaged"] == ["healthy/d version 2"]

    bucket, version = connected(ADDRESS), VersionId(ModelName("healthy", "d"), 2)
    bucket.put(keys.file(version, "healthy_d.json"), bytes(len(whole)))
    answer = two.apply("healthy", ROWS, model="d", with_version="t")
    assert "WARNING: version 1 was used, and something is damaged: " in answer["message"]
    assert "healthy_d.json in s3://models/fronts/" in answer["message"]
    assert 'dltk_damaged_total{algorithm="healthy",outcome="success"} 1.0' in two.send("/metrics", None).decode()
    until(lambda: '"damage"' in two.log.read_text())
    assert one.apply("healthy", ROWS, model="d")["message"] == "/apply done successfully"  # its copy is whole
    for command in (["models", "show", "healthy", "d", "2", "--verify"], ["doctor"]):
        found = dltk(two, *command)
        assert found.returncode != 0
        assert "healthy_d.json in s3://models/fronts/" in " ".join((found.stdout + found.stderr).split())


def test_what_was_backed_up_serves_from_another_folder_after_it_was_forgotten(
    fronts: list[Service], tmp_path: Path
) -> None:
    one, _ = fronts
    assert one.fit("healthy", ROWS, model="b")["status"] == "success"
    answer, elsewhere = one.apply("healthy", ROWS, model="b"), f"s3://{BUCKET}/restored"
    saved = dltk(one, "backup", tmp_path / "backup")
    assert saved.returncode == (1 if "PROBLEM" in saved.stderr else 0), saved.stderr  # the damage of another test
    assert dltk(one, "forget", "healthy/b", "--yes").returncode == 0
    assert one.fit("healthy", ROWS, model="b", promote="manual")["status"] == "success"
    refused = dltk(one, "restore", tmp_path / "backup")
    said = " ".join(refused.stderr.split())
    assert "Nothing was restored" in said
    assert "healthy/b" in said.partition("Nothing was restored")[2]  # beside it the one that another test has damaged
    folders = ["--home", tmp_path / "home", "--notebooks", tmp_path / "notebooks"]
    restored = dltk(one, "restore", tmp_path / "backup", "--verify", *folders, store=elsewhere)
    assert restored.returncode == 0, restored.stderr
    variables = {name: os.environ[name] for name in (*CREDENTIALS, "AWS_ENDPOINT_URL")} | {"DLTK_STORE": elsewhere}
    with Service(tmp_path / "home", tmp_path / "notebooks", **variables) as again:
        assert again.apply("healthy", ROWS, model="b") == answer


def test_no_notebook_and_no_log_has_the_credentials(fronts: list[Service]) -> None:
    one, two = fronts
    answer = one.fit("curious", ROWS, model="c")
    assert answer["status"] == "success", answer
    assert SECRET not in str(answer)
    assert SECRET not in str(two.apply("curious", ROWS, model="c"))
    for front in fronts:
        assert SECRET not in front.log.read_text()
        for path in front.home.rglob("*"):
            assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
