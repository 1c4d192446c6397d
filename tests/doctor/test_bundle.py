"""``dltk diag``: what a support case needs, and no secret and no value of a row, wherever they were planted."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
import tarfile
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dltk_runtime.doctor import bundle, log_lines
from dltk_runtime.doctor.finding import ok
from dltk_runtime.doctor.secrets import known_secrets
from dltk_runtime.paths import Paths
from dltk_runtime.scrub import Scrubber
from tests.conftest import write_notebook
from tests.support.service import Service

ROW = "planted-row-value"
ROWS = f"name,x\n{ROW}-a,1\n{ROW}-b,2\n"
SECRETS = {
    "DLTK_ADMIN_TOKEN": "planted-admin+/=token",
    "splunk_access_token": 'planted-"quoted"-access',
    "splunk_hec_token": "planted-hec-tök€n",
    "JUPYTER_PASSWD": "sha1:0123456789ab:fedcba9876543210",
    "OTEL_EXPORTER_OTLP_HEADERS": "X-SF-TOKEN=planted-otel-token",
    "llm_config": json.dumps({"model": {"api_key": "sk-planted-llm"}}),
    "HTTPS_PROXY": "http://user:planted-proxy-password@proxy.example.com:3128",
    "AWS_SECRET_ACCESS_KEY": "planted/aws/secret",
    "splunk_hec_url": "https://admin:planted-url-password@splunk.example.com:8088",
}
PLANTED = (
    "planted-admin+/=token",
    'planted-"quoted"-access',
    "planted-hec-tök€n",
    "sha1:0123456789ab:fedcba9876543210",
    "planted-otel-token",
    "sk-planted-llm",
    "planted-proxy-password",
    "planted/aws/secret",
    "planted-url-password",
    "planted-in-a-file",
)
NOTEBOOKS: dict[str, dict[str, str]] = {
    "algo": {},
    "raises": {
        "fit": "def fit(model, df, param):\n    print(list(df['name']))\n    return {'x': float(df['name'][0])}"
    },
    "prints": {
        "fit": """
            def fit(model, df, param):
                print("password is", param["options"]["params"].get("word"), list(df["name"]))
                return {}
        """,
        "apply": "def apply(model, df, param):\n    return df[['x']]",
    },
}


def forms(secret: str) -> list[str]:
    """What a secret may look like in a file of the bundle."""
    data = secret.encode()
    plain = [secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]]
    quoted = [urllib.parse.quote(secret), urllib.parse.quote(secret, safe="")]
    return [*plain, *quoted, base64.b64encode(data).decode().rstrip("="), data.hex()]


@pytest.fixture(scope="module")
def written(
    processes: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, str], Path, Service]]:
    """A bundle made beside a server whose settings, home, jobs and log are full of secrets."""
    root = tmp_path_factory.mktemp("bundle")
    notebooks = root / "notebooks"
    notebooks.mkdir()
    for name, cells in NOTEBOOKS.items():
        write_notebook(notebooks, name, **cells)
    (root / "password").write_text("planted-in-a-file\n")
    variables = {**SECRETS, "MY_PASSWORD_file": str(root / "password"), "DLTK_APLY_WORKERS": "3"}
    with Service(root / "home", notebooks, **variables) as service:
        _live(service)
        environ = {name: text for name, text in os.environ.items() if not name.startswith(("DLTK_", "api_"))}
        environ |= variables | {"api_token": service.token, "DLTK_URL": service.url, "no_proxy": "127.0.0.1"}
        environ |= {"DLTK_HOME": str(service.home), "DLTK_NOTEBOOKS": str(notebooks), "ENABLE_HTTPS": "false"}
        path = root / "out.tar.gz"
        command = [sys.executable, "-m", "dltk_runtime.cli", "diag", "--output", str(path), "--log", str(service.log)]
        run = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=500, check=False)
        assert run.returncode == 0, run.stderr
        yield contents(path), path, service


def _live(service: Service) -> None:
    """Have fits, failures, staged data, refusals and files that hold secrets and values of rows."""
    assert service.fit("algo", ROWS)["status"] == "success"
    assert ROW in service.fit("raises", ROWS)["message"]
    assert service.fit("prints", ROWS, word=SECRETS["DLTK_ADMIN_TOKEN"])["status"] == "success"
    assert service.fit("algo", ROWS, model="staged", mode="stage")["status"] == "staged"
    service.apply("algo", ROWS, note=f"{ROW} {SECRETS['AWS_SECRET_ACCESS_KEY']}")
    service.status_of("/" + SECRETS["DLTK_ADMIN_TOKEN"])
    graphics = service.home / "app" / "graphics"
    (graphics / f"{SECRETS['DLTK_ADMIN_TOKEN'].replace('/', '_')}-{service.token}.png").write_bytes(b"x")
    (service.home / "app" / "model" / "data" / "flat.json").write_text(json.dumps(SECRETS) + ROWS)


def contents(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        members = {member.name.partition("/")[2]: archive.extractfile(member) for member in archive.getmembers()}
        return {name: file.read().decode() for name, file in members.items() if file is not None}


@pytest.mark.parametrize("secret", PLANTED)
def test_no_planted_secret_is_in_a_bundle(secret: str, written: tuple[dict[str, str], Path, Service]) -> None:
    files, _, _ = written
    for name, text in files.items():
        assert [form for form in forms(secret) if form in text] == [], name


def test_neither_the_token_nor_a_value_of_a_row_is_in_a_bundle(written: tuple[dict[str, str], Path, Service]) -> None:
    files, _, service = written
    everywhere = "".join(files.values())
    assert service.token not in everywhere
    assert ROW not in everywhere
    assert "password is" not in everywhere
    assert any(ROW in json.dumps(job) for job in service.jobs())  # the home does hold them
    assert ROW in service.log.read_text()


def test_a_bundle_has_what_a_support_case_needs(written: tuple[dict[str, str], Path, Service]) -> None:
    files, path, service = written
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "pandas" in json.loads(files["versions.json"])["libraries"]
    settings = json.loads(files["settings.json"])
    assert settings["unknown"] == {"DLTK_APLY_WORKERS": "DLTK_APPLY_WORKERS"}
    assert settings["settings"]["DLTK_HOME"] == str(service.home)
    assert settings["settings"]["api_token"] == settings["settings"]["splunk_hec_url"] == "***"
    assert json.loads(files["doctor.json"])["findings"]
    assert "dltk_requests_total" in files["metrics.txt"]
    assert "app/model/data/versions/algo/m/1/version.json" in files["home.txt"]
    jobs = {each["id"]: each for each in json.loads(files["jobs.json"])}
    assert {each["id"] for each in service.jobs()} == set(jobs)
    assert sorted(each["state"] for each in jobs.values()) == ["failed", "succeeded", "succeeded"]
    assert {"algorithm": "algo", "model": "m", "versions": [1], "serves": 1, "damaged": False} in json.loads(
        files["models.json"]
    )
    lines = [json.loads(line) for line in files["log.jsonl"].splitlines()]
    assert {"starting", "ready", "/fit", "/apply", "refused"} <= {each.get("event") for each in lines}
    assert {each["outcome"] for each in lines if each.get("event") == "/fit"} == {"success", "(a message)"}


# ------------------------------------------------------------ without a server


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the checks of the doctor, which start processes."""
    monkeypatch.setattr(bundle, "examine", lambda _: iter([ok("settings", "all variables are valid")]))


def environment(paths: Paths) -> Mapping[str, str]:
    return {"DLTK_HOME": str(paths.home), "DLTK_NOTEBOOKS": str(paths.notebooks), "DLTK_URL": "http://127.0.0.1:9"}


def test_a_part_that_fails_costs_no_other(paths: Paths, tmp_path: Path, quiet: None) -> None:
    environ = {**environment(paths), "api_workers": "many"}  # an invalid setting
    (tmp_path / "log").write_text("no json\n[]\n")
    bundle.write(tmp_path / "a.tar.gz", environ, tmp_path / "log")
    files = contents(tmp_path / "a.tar.gz")
    assert files["settings.json"].startswith("not available: Invalid api_workers='many'")
    assert files["metrics.txt"].startswith("not available: ")
    assert json.loads(files["versions.json"])["runtime"]
    assert json.loads(files["log.jsonl"]) == {"lines of others": 2}


def test_a_bundle_does_not_replace_a_file(paths: Paths, tmp_path: Path, quiet: None) -> None:
    (tmp_path / "a.tar.gz").write_text("mine")
    with pytest.raises(FileExistsError):
        bundle.write(tmp_path / "a.tar.gz", environment(paths))
    assert (tmp_path / "a.tar.gz").read_text() == "mine"


def test_a_damaged_model_and_job_cost_no_other(paths: Paths, tmp_path: Path, quiet: None) -> None:
    for damaged in ("app/model/data/versions/a/m/1/version.json", "jobs/20260131T120000.000000Z-0a1b2c3d/job.json"):
        (paths.home / damaged).parent.mkdir(parents=True)
        (paths.home / damaged).write_text("{")
    bundle.write(tmp_path / "a.tar.gz", environment(paths))
    files = contents(tmp_path / "a.tar.gz")
    assert json.loads(files["jobs.json"]) == []
    assert [each["model"] for each in json.loads(files["models.json"])] == ["m"]


def test_the_listing_is_bounded(paths: Paths, tmp_path: Path, quiet: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_ENTRIES", 3)
    bundle.write(tmp_path / "a.tar.gz", environment(paths))
    assert contents(tmp_path / "a.tar.gz")["home.txt"].count("\n") == 4


@pytest.mark.parametrize("secret", ["s3cret", 'with "quotes"', "tök€n", "a/b+c==", "two\nlines-of-it"])
def test_a_secret_is_removed_in_every_form(secret: str) -> None:
    scrubber = Scrubber(known_secrets({"A_TOKEN": secret}))
    for form in forms(secret):
        assert form not in scrubber.text(f"before {form} after")


def test_of_a_line_only_harmless_fields_are_kept(tmp_path: Path) -> None:
    traceback = (
        f'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    float("{ROW}")\nValueError: {ROW}'
    )
    lines = [
        {"time": "t", "event": "/fit", "outcome": f"could not convert {ROW}", "seconds": 1, "message": ROW},
        {"time": "t", "event": f"Exception {ROW}", "traceback": traceback},
        {"time": "t", "event": "printed", "text": ROW, "job": "j"},
    ]
    (tmp_path / "log").write_text("".join(json.dumps(line) + "\n" for line in lines))
    kept = [json.loads(line) for line in log_lines.last(tmp_path / "log").splitlines()]
    assert ROW not in json.dumps(kept)
    assert kept[0] == {"time": "t", "event": "/fit", "seconds": 1, "outcome": "(a message)"}
    assert kept[1]["traceback"] == ["a.py:3 in f", "ValueError"]
    assert kept[2] == {"time": "t", "event": "printed", "job": "j"}
