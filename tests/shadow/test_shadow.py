"""In the shadow the old container answers, to the byte, and ours is only compared: verdicts, noise, secrets."""

from __future__ import annotations

import csv
import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from dltk_runtime import cli
from dltk_runtime.commands import Exit
from dltk_runtime.commands.shadow import VERDICTS
from dltk_runtime.doctor import old_container
from dltk_runtime.doctor.finding import Severity
from dltk_runtime.settings import Settings
from dltk_runtime.shadow import Records, report
from tests.conftest import write_notebook
from tests.oldserver import OldContainer
from tests.shadow.algorithms import DATA, KEY, NAMES, OLD, OURS
from tests.support.service import ROOT, Service, meta_for, until

pytestmark = pytest.mark.process


@dataclass(frozen=True)
class Answer:
    """What a client sees of an answer."""

    status: int
    kind: str | None
    body: bytes


@dataclass
class Shadow:
    """A service that forwards, and the old container behind it."""

    old: OldContainer
    service: Service

    def ask(self, url: str, method: str, path: str, body: bytes | None, token: str) -> Answer:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=120)
        headers = {"Authorization": token, "Content-Type": "application/json", "Connection": "close"}
        connection.request(method, path, body, headers)
        with connection.getresponse() as answer:
            return Answer(answer.status, answer.getheader("Content-Type"), answer.read())

    def through(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """An answer through the service."""
        return self.ask(self.service.url, method, path, body, self.service.token)

    def direct(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """The old container's answer on a connection of the client's own."""
        return self.ask(self.old.url, method, path, body, self.old.token)

    def report(self) -> dict[str, Any]:
        """``/v1/shadow``, once all that waits is compared."""
        until(lambda: self.view()["waiting"] == 0, seconds=200)
        return self.view()

    def view(self) -> dict[str, Any]:
        return dict(json.loads(self.service.send("/v1/shadow", None)))

    def model(self, name: str) -> dict[str, Any]:
        """What the report says of the model of that name."""
        return next(each for each in self.report()["models"] if each["model"] == name)


def body(algo: str, data: str = DATA, model: str = "", **params: str) -> bytes:
    meta = meta_for(data, model or f"of_{algo}", {"algo": algo, **params})
    meta["options"]["session_key"] = KEY
    meta["search_info"] = {"session_key": KEY}
    return json.dumps({"data": data, "meta": meta}).encode()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shadow")


@pytest.fixture(scope="module")
def old(root: Path, processes: None) -> Iterator[OldContainer]:
    container = OldContainer(root / "old")
    for name, cells in OLD.items():
        container.module(name, **cells)
    with container:
        yield container


@pytest.fixture(scope="module")
def shadow(root: Path, old: OldContainer) -> Iterator[Shadow]:
    for name, cells in OLD.items():
        write_notebook(root / "notebooks", name, **(dict(cells) | dict(OURS.get(name, {}))))
    variables = {"DLTK_SHADOW": old.url, "DLTK_SHADOW_TOKEN": old.token, "DLTK_SHADOW_REPEAT": "true"}
    with Service(root / "home", root / "notebooks", **variables) as service:
        yield Shadow(old, service)


@pytest.fixture(scope="module")
def compared(shadow: Shadow) -> Shadow:
    """A fit and an apply of each algorithm, all compared."""
    for name in OLD:
        shadow.through("POST", "/fit", body(name))
        shadow.through("POST", "/apply", body(name))
    shadow.report()
    return shadow


# ---------------------------------------------------------------- the real answers

REQUESTS = [
    ("POST", "/fit", body("same", model="bytes")),
    ("POST", "/apply", body("same", model="bytes")),
    ("POST", "/apply", body("close")),
    ("POST", "/fit", body("same", NAMES.replace("name", "b"), "bytes")),
    ("POST", "/apply", body("raising")),
    ("POST", "/apply", body("same", "a,b\n" + "123456,654321\n" * 90_000, "bytes")),
    ("POST", "/fit", body("broken", model="bytes")),
    ("POST", "/fit", body("no_such_algorithm")),
    ("POST", "/fit", body("same", "\n", "bytes")),
    ("POST", "/fit", b"no json"),
    ("POST", "/apply", b""),
    ("POST", "/fit", body("same", model="bytes", mode="stage")),
    ("GET", "/summary", None),
    ("GET", "/", None),
    ("GET", "/graphics/none.png", None),
    ("GET", "/graphics/with%20blank.png", None),
]


@pytest.mark.parametrize(("method", "path", "sent"), REQUESTS, ids=[f"{n}{r[1]}" for n, r in enumerate(REQUESTS)])
def test_every_answer_is_the_old_containers_to_the_byte(
    compared: Shadow, method: str, path: str, sent: bytes | None
) -> None:
    beside = compared.direct(method, path, sent)
    assert compared.through(method, path, sent) == beside


def test_a_picture_comes_from_the_old_container_without_a_token(compared: Shadow) -> None:
    (compared.old.home / "app" / "graphics" / "plot.png").write_bytes(b"\x89PNG old")
    answer = compared.ask(compared.service.url, "GET", "/graphics/plot.png", None, "")
    assert answer == Answer(200, "image/png", b"\x89PNG old")


def test_a_wrong_token_reaches_nobody(compared: Shadow) -> None:
    answer = compared.ask(compared.service.url, "POST", "/fit", body("same"), "wrong")
    assert answer.status == 401
    assert "detail" in json.loads(answer.body)


# ---------------------------------------------------------------- the verdicts


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("same", "equal"),
        ("close", "within 1e-6"),
        ("other", "differs"),
        ("noisy", "noisy"),
        ("raising", "ours fails"),
        ("library", "ours fails"),
        ("broken", "old fails"),
    ],
)
def test_a_model_has_its_verdict(compared: Shadow, name: str, verdict: str) -> None:
    assert compared.model(f"of_{name}")["verdict"] == verdict, compared.model(f"of_{name}")


def test_what_differs_is_named_with_the_worst_columns(compared: Shadow) -> None:
    found = {each["name"]: each for each in compared.model("of_other")["columns"]}
    assert found["doubled"]["largest"] == 39.0
    assert found["doubled"]["equal"] == pytest.approx(1 / 40)
    assert found["rest"]["types"] == ["int64", "float64"]
    assert "b" not in found


def test_our_failure_is_named_by_its_cell_without_the_row(compared: Shadow) -> None:
    assert compared.model("of_raising")["place"].endswith("cell 4 (mltkc_apply), line 1)")
    assert "row value" not in json.dumps(compared.report())
    assert "ModuleNotFoundError" in compared.model("of_library")["place"]


def test_the_second_fit_of_the_old_container_went_into_a_model_of_its_own(compared: Shadow) -> None:
    models = {path.stem for path in (compared.old.home / "app" / "model" / "data").glob("*.json")}
    assert "noisy_of_noisy" in models
    assert "noisy_dltk_shadow_repeat" in models
    assert compared.model("of_noisy")["repeated"]
    assert compared.model("of_noisy")["columns"][0]["name"] == "x"


def test_metrics_tell_each_models_verdicts(compared: Shadow) -> None:
    text = compared.service.send("/metrics", None).decode()
    assert 'dltk_shadow_compared_total{algorithm="same",model="of_same",verdict="equal"}' in text
    assert 'dltk_shadow_forwarded_total{outcome="answered"}' in text
    assert "dltk_shadow_waiting 0.0" in text
    page = (ROOT / "docs/reference/metrics.md").read_text()
    assert all(name in text for name in re.findall(r"`(dltk_shadow_\w+)`", page))


def test_the_session_key_arrives_at_the_old_container(compared: Shadow) -> None:
    assert set((compared.old.home / "keys").read_text().splitlines()) == {f"{KEY} {KEY}"}


def test_no_session_key_no_token_and_no_row_is_on_our_disk(compared: Shadow, root: Path) -> None:
    files = [path for path in (*(root / "home").rglob("*"), root / "home.log") if path.is_file()]
    secrets = KEY.encode(), compared.old.token.encode()
    assert [path for path in files for secret in secrets if secret in path.read_bytes()] == []
    figures = [path.read_bytes() for path in (root / "home" / "shadow").iterdir()]
    assert figures
    assert all(b"row value" not in each and b"Zo" not in each for each in figures)


# ---------------------------------------------------------------- the commands


@pytest.mark.parametrize(
    ("given", "severity", "text"),
    [
        ({}, Severity.OK, "answers in our place"),
        ({"shadow_token": "wrong"}, Severity.ERROR, "refuses the token"),
        ({"shadow_token": "", "api_token": "sha256:" + "0" * 64}, Severity.SKIPPED, "is a hash"),
        ({"shadow": "http://127.0.0.1:1"}, Severity.ERROR, "cannot be reached"),
    ],
)
def test_the_doctor_asks_the_old_container(
    old: OldContainer, given: dict[str, str], severity: Severity, text: str
) -> None:
    settings = replace(Settings(shadow=old.url, shadow_token=old.token), **given)
    (finding,) = old_container.shadow(settings)
    assert (finding.severity, text in finding.text) == (severity, True)
    assert list(old_container.shadow(Settings())) == []


def run(shadow: Shadow, *arguments: str) -> str:
    """What ``dltk shadow report`` prints."""
    shadow.report()
    options = ["--url", shadow.service.url, "--token", shadow.service.token]
    done = CliRunner().invoke(cli.dltk, ["shadow", "report", *options, *arguments], catch_exceptions=False)
    assert done.exit_code == Exit.OK, done.output
    return done.output


def test_the_table_has_a_line_for_each_model_and_says_what_differs(compared: Shadow) -> None:
    printed = run(compared)
    line = next(each for each in printed.splitlines() if " of_other " in each)
    assert line.startswith("differs")
    assert "column doubled: 2.5 % equal, by 39 at most, float64 here int64" in line
    assert "cell 4 (mltkc_apply), line 1" in next(each for each in printed.splitlines() if " of_raising " in each)
    assert f"Requests go to {compared.old.url}; 0 are not compared yet." in printed


def test_csv_and_json_have_the_same_models(compared: Shadow) -> None:
    rows = list(csv.DictReader(run(compared, "--csv").splitlines()))
    views = json.loads(run(compared, "--json"))["models"]
    assert [(row["model"], row["verdict"]) for row in rows] == [(each["model"], each["verdict"]) for each in views]
    assert len(rows) >= len(OLD)
    assert sum(int(rows[0][verdict]) for verdict in VERDICTS) == int(rows[0]["compared"])


def test_what_was_compared_before_can_be_left_out(compared: Shadow) -> None:
    assert "Nothing was compared yet." in run(compared, "--since", "2999-01-01")
    assert compared.service.status_of("/v1/shadow?since=soon") == 400


def test_figures_outlive_the_server_and_the_setting(compared: Shadow, root: Path) -> None:
    before = {each["model"]: each["verdict"] for each in compared.report()["models"]}
    records = Records(root / "home" / "shadow", 10**9)
    found = report(records.all())
    assert {each.model: str(each.verdict) for each in found.models} == before
    assert found.address == ""
