"""Our own API: every route under ``/v1``, its statuses and tokens, the document that describes it, and its end."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from dltk_runtime.access.holder import Right
from dltk_runtime.client.models import ModelsClient
from dltk_runtime.names import ModelName
from dltk_runtime.server import v1_routes
from dltk_runtime.server.openapi import Operation
from dltk_runtime.server.token_files import Tokens
from dltk_runtime.service.wiring import build
from dltk_runtime.settings import ClientSettings, Settings
from tests.conftest import write_notebook
from tests.support.service import Service, until

ADMIN = "an-admin-token"
ROWS = "x\n1\n2\n"
NO_JOB = "20260101T000000.000000Z-00000000"
WAITS = """
import os, time

def fit(model, df, param):
    params = param["options"]["params"]
    open(params["began"], "w").close()
    while not os.path.exists(params["go_on"]):
        time.sleep(0.01)
"""


NOTEBOOKS = {"algo": {}, "waits": {"fit": WAITS}, "broken": {"apply": "def apply(model): return 1"}}
FITS = [("algo", ROWS, "m", "x"), ("algo", ROWS + "3\n", "m", "x")]
pytestmark = [
    pytest.mark.process,
    pytest.mark.server(notebooks=NOTEBOOKS, fits=FITS, DLTK_ADMIN_TOKEN=ADMIN),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the notebooks, for servers with other settings."""
    root = tmp_path_factory.mktemp("v1")
    for name, cells in NOTEBOOKS.items():
        write_notebook(root / "notebooks", name, **cells)
    return root


def call(service: Service, method: str, path: str, token: str | None = None) -> tuple[int, Any]:
    """The status of a request and the JSON, or the text, of its answer."""
    headers = {"Authorization": f"Bearer {service.token if token is None else token}"}
    request = urllib.request.Request(service.url + path, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, body, kind = answer.status, answer.read(), answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        with error:
            status, body, kind = error.code, error.read(), error.headers.get_content_type()
    return status, json.loads(body) if kind == "application/json" else body.decode()


def the_job(service: Service) -> str:
    return str(call(service, "GET", "/v1/jobs")[1]["jobs"][-1]["id"])


# ------------------------------------------------------------ jobs


def test_jobs_are_listed_newest_first_and_by_state(service: Service) -> None:
    status, answer = call(service, "GET", "/v1/jobs")
    assert status == 200
    ids = [job["id"] for job in answer["jobs"]]
    assert ids == sorted(ids, reverse=True)
    assert call(service, "GET", "/v1/jobs?state=failed") == (200, {"jobs": []})


def test_a_list_of_jobs_is_as_long_as_asked_for(service: Service) -> None:
    newest = call(service, "GET", "/v1/jobs")[1]["jobs"][:1]
    assert newest
    assert call(service, "GET", "/v1/jobs?limit=1") == (200, {"jobs": newest})
    assert call(service, "GET", "/v1/jobs?limit=0") == (200, {"jobs": []})
    assert call(service, "GET", "/v1/jobs?limit=many")[0] == 400


def test_a_job_has_its_facts_its_log_its_metrics_and_its_events(service: Service) -> None:
    job = the_job(service)
    status, view = call(service, "GET", f"/v1/jobs/{job}")
    assert (status, view["algorithm"], view["state"], view["version"]) == (200, "algo", "succeeded", 1)
    assert call(service, "GET", f"/v1/jobs/{job}/log") == (200, "")
    assert call(service, "GET", f"/v1/jobs/{job}/metrics") == (200, [])
    status, events = call(service, "GET", f"/v1/jobs/{job}/events")
    assert status == 200
    assert events.startswith("event: job\ndata: {")


@pytest.mark.parametrize("job", [NO_JOB, "..", "x", "%2e%2e%2fapp"])
@pytest.mark.parametrize("rest", ["", "/log", "/metrics", "/events"])
def test_an_unknown_job_is_404(service: Service, job: str, rest: str) -> None:
    assert call(service, "GET", f"/v1/jobs/{job}{rest}")[0] == 404


def test_to_cancel_an_unknown_job_is_404_and_one_that_has_ended_409(service: Service) -> None:
    assert call(service, "DELETE", f"/v1/jobs/{NO_JOB}", ADMIN)[0] == 404
    status, answer = call(service, "DELETE", f"/v1/jobs/{the_job(service)}", ADMIN)
    assert status == 409
    assert "has succeeded" in answer["detail"]


# ------------------------------------------------------------ models


def test_models_are_listed_promoted_rolled_back_and_deleted(service: Service) -> None:
    service.fit("algo", ROWS, model="moves")
    service.fit("algo", ROWS, model="moves")
    model = "/v1/models/algo/moves"
    status, answer = call(service, "GET", "/v1/models")
    assert (status, [each["model"] for each in answer["models"]]) == (200, ["m", "moves"])
    status, view = call(service, "GET", model)
    assert (status, view["current"], [each["number"] for each in view["versions"]]) == (200, 2, [1, 2])
    assert call(service, "POST", f"{model}/promote/1", ADMIN)[1]["current"] == 1
    assert call(service, "POST", f"{model}/promote/2", ADMIN)[1]["current"] == 2
    assert call(service, "POST", f"{model}/rollback", ADMIN)[1]["current"] == 1
    service.fit("algo", ROWS, model="moves")
    assert [call(service, "DELETE", f"{model}/versions/{each}", ADMIN)[0] for each in (3, 1)] == [409, 409]
    status, view = call(service, "DELETE", f"{model}/versions/2?reason=worse", ADMIN)
    assert (status, [each["number"] for each in view["versions"]]) == (200, [1, 3])
    assert call(service, "DELETE", f"{model}/versions/2", ADMIN)[0] == 404
    assert call(service, "POST", f"{model}/code/pinned", ADMIN)[1]["code"] == "pinned"
    assert "code" not in call(service, "POST", f"{model}/code/auto", ADMIN)[1]
    assert call(service, "POST", f"{model}/code/other", ADMIN)[0] == 404
    status, left = call(service, "DELETE", model, ADMIN)
    assert (status, [each["model"] for each in left["models"]]) == (200, ["m"])
    assert call(service, "GET", model)[0] == 404
    service.fit("algo", ROWS, model="moves")
    client = ModelsClient(ClientSettings(url=service.url, token=ADMIN))
    for _ in range(2):
        service.fit("algo", ROWS, model="moves")
    numbers = [each.number for each in client.get(ModelName("algo", "moves")).versions]
    view = client.delete_version(ModelName("algo", "moves"), numbers[0], "no better")
    assert [each.number for each in view.versions] == numbers[1:]
    client.delete(ModelName("algo", "moves"), "never used")
    newest = client.history(ModelName("algo", "moves")).entries[0]
    assert (newest.what, newest.reason, newest.owner) == ("deleted", "never used", "DLTK_ADMIN_TOKEN")


def test_a_version_has_a_card_as_json_and_for_who_accepts_it_as_markdown(service: Service) -> None:
    path = "/v1/models/algo/m/versions/1/card"
    status, card = call(service, "GET", path)
    assert (status, card["number"], card["current"], card["stored"], card["rows"]) == (200, 1, False, True, 2)
    assert card["fit"].startswith("fit MLTKContainer algo=algo")
    assert card["fields"][0]["name"] == "x"
    files = call(service, "GET", "/v1/models/algo/m/versions/1")[1]["manifest"]["files"]
    assert "card.json" in {each["path"] for each in files}
    headers = {"Authorization": f"Bearer {service.token}", "Accept": "text/markdown, */*;q=0.1"}
    request = urllib.request.Request(service.url + path, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.headers.get_content_type() == "text/markdown"
        assert answer.read().decode().startswith("# Model card: algo / m, version 1\n")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models/algo/none", 404),
        ("GET", "/v1/models/algo/m/versions/99/card", 404),
        ("GET", "/v1/models/algo/m/versions/x/card", 404),
        ("GET", "/v1/models/no.name/m", 400),
        ("POST", "/v1/models/algo/m/promote/99", 404),
        ("POST", "/v1/models/algo/m/promote/x", 404),
        ("POST", "/v1/models/algo/none/promote/1", 404),
        ("POST", "/v1/models/algo/none/rollback", 404),
        ("DELETE", "/v1/models/algo/none", 404),
        ("GET", "/v1/algorithms/none", 404),
        ("GET", "/v1/none", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/jobs/", 404),
        ("POST", "/v1/jobs", 405),
        ("PUT", "/v1/models", 405),
        ("GET", "/v1/models/algo/m/rollback", 405),
    ],
)
def test_what_is_not_there_and_what_cannot_be_done(service: Service, method: str, path: str, status: int) -> None:
    found, answer = call(service, method, path, ADMIN)
    assert found == status
    assert answer["detail"]


# ------------------------------------------------------------ algorithms


def test_algorithms_have_their_contract_and_problems(service: Service) -> None:
    status, found = call(service, "GET", "/v1/algorithms")
    assert (status, [each["name"] for each in found]) == (200, ["algo", "broken", "waits"])
    assert (found[0]["problems"], found[1]["problems"] != []) == ([], True)
    assert call(service, "GET", "/v1/algorithms/algo") == (200, found[0])
    assert {"init", "fit", "apply"} <= set(found[0]["functions"])


# ------------------------------------------------------------ tokens


def test_every_route_wants_a_token_and_every_change_the_admin_token(service: Service) -> None:
    for operation in _operations(service):
        path = operation.path.format(
            job=NO_JOB, algorithm="algo", model="none", number="1", old="1", new="2", file="a.png", choice="live"
        )
        assert call(service, operation.method, path, "")[0] == 401, path
        assert call(service, operation.method, path, "another")[0] == 401, path
        assert (call(service, operation.method, path)[0] == 401) is (operation.right in (Right.PROMOTE, Right.ADMIN)), (
            path
        )
        assert (call(service, operation.method, path, ADMIN)[0] == 401) is (operation.right is Right.APPLY), path


def test_without_an_admin_token_the_container_s_own_is_enough(folder: Path, tmp_path: Path) -> None:
    with Service(tmp_path / "home", folder / "notebooks", DLTK_OPEN_METRICS="true") as service:
        assert call(service, "DELETE", f"/v1/jobs/{NO_JOB}")[0] == 404
        assert call(service, "GET", "/metrics", "")[0] == 200  # open by the setting


# ------------------------------------------------------------ the document and the metrics


def _operations(service: Service) -> list[Operation]:
    settings = Settings(home=service.home, notebooks=service.notebooks)
    return v1_routes.V1Api(build(settings), Tokens(settings)).operations()


def test_the_document_describes_every_route_and_every_answer(service: Service) -> None:
    status, document = call(service, "GET", "/v1/openapi.json")
    assert (status, document["openapi"]) == (200, "3.1.0")
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert told == {(each.method, each.path) for each in _operations(service)}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            told_names = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert told_names == set(_names(path))
    ids = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert len(set(ids)) == len(ids)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    "template",
    ["/v1/jobs", "/v1/jobs/{job}", "/v1/models", "/v1/models/{algorithm}/{model}", "/v1/algorithms/{algorithm}"],
)
def test_answers_are_what_the_document_says(service: Service, template: str) -> None:
    document = call(service, "GET", "/v1/openapi.json")[1]
    path = template.format(job=the_job(service), algorithm="algo", model="m")
    schema = document["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(call(service, "GET", path)[1], schema | {"components": document["components"]})


def test_every_parameter_of_the_document_is_taken_and_no_other(service: Service) -> None:
    """A misspelt one would list everything, and look like an answer."""
    document = call(service, "GET", "/v1/openapi.json")[1]
    for path, methods in document["paths"].items():
        if "get" not in methods or path.endswith("/events"):
            continue
        address = path.format(job=the_job(service), algorithm="algo", model="m", number=1, old=1, new=1, file="x.png")
        for each in (each for each in methods["get"]["parameters"] if each["in"] == "query"):
            assert each["description"]
            for name, value in _examples(each).items():
                assert call(service, "GET", f"{address}?{name}={value}")[0] == 200, (address, name)
        status, answer = call(service, "GET", f"{address}?lImit=1")
        assert (status, "unknown parameter 'lImit'" in answer["detail"]) == (400, True), address


def test_the_document_names_the_parameters_that_the_pages_of_the_manual_use(service: Service) -> None:
    paths = call(service, "GET", "/v1/openapi.json")[1]["paths"]
    told = {
        path: [each["name"] for each in methods["get"]["parameters"] if each["in"] == "query"]
        for path, methods in paths.items()
        if "get" in methods
    }
    asked = {path: names for path, names in told.items() if names}
    assert asked == {
        "/v1/jobs": ["state", "limit"],
        "/v1/history": ["limit"],
        "/v1/calls": ["limit"],
        "/v1/shadow": ["since"],
        "/v1/algorithms/{algorithm}/search": ["target", "fields", "model", "values"],
    }


def test_a_state_that_no_job_can_have_is_refused_by_name(service: Service) -> None:
    status, answer = call(service, "GET", "/v1/jobs?state=finished")
    assert (status, answer["detail"]) == (
        400,
        "state is one of queued, running, succeeded, failed, cancelled, lost.",
    )


def test_another_method_is_told_every_method_of_the_path(service: Service) -> None:
    """RFC 9110, 15.5.6; clients that are made from the document ask so."""
    for path, methods in call(service, "GET", "/v1/openapi.json")[1]["paths"].items():
        address = path.format(
            job=NO_JOB, algorithm="algo", model="m", number=1, old=1, new=1, file="x.png", choice="auto"
        )
        headers = {"Authorization": f"Bearer {service.token}"}
        request = urllib.request.Request(service.url + address, method="OPTIONS", headers=headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        with refused.value as answer:
            allowed = set(answer.headers["Allow"].split(", "))
        assert (answer.code, allowed - {"HEAD"}) == (405, {each.upper() for each in methods}), path


def _examples(parameter: dict[str, Any]) -> dict[str, str]:
    """Return parameters of a query, with values, as one of the document describes them."""
    schema = parameter["schema"]
    if schema["type"] == "object":
        return {schema["propertyNames"]["pattern"].removeprefix("^").replace("\\", "") + "epochs": "5"}
    if schema["type"] == "integer":
        return {parameter["name"]: "1"}
    return {parameter["name"]: schema.get("enum", ["2026-01-31T18:00Z"])[0]}


def _names(path: str) -> list[str]:
    return [part.strip("{}") for part in path.split("/") if part.startswith("{")]


def test_metrics_are_behind_the_token_and_tell_what_was_done(service: Service) -> None:
    assert call(service, "GET", "/metrics", "")[0] == 401
    service.apply("algo", ROWS)
    status, text = call(service, "GET", "/metrics")
    assert status == 200
    lines = text.splitlines()
    assert 'dltk_requests_total{algorithm="algo",outcome="success",route="/apply"} 1.0' in lines
    assert 'dltk_rows_total{algorithm="algo",route="/apply"} 2.0' in lines
    assert any(line.startswith('dltk_phase_seconds_count{phase="apply",route="/apply"}') for line in lines)
    of_algorithm = 'dltk_algorithm_seconds_count{algorithm="algo",phase="apply",route="/apply"}'
    assert any(line.startswith(of_algorithm) for line in lines)
    assert any(line.startswith('dltk_volume_jobs{state="succeeded"}') for line in lines)


# ------------------------------------------------------------ the end


@pytest.fixture
def running(folder: Path, tmp_path: Path) -> Iterator[tuple[Service, str]]:
    """A server with a long grace, and the fit that it would wait for."""
    with Service(tmp_path / "home", folder / "notebooks", DLTK_GRACE="60") as service:
        began, go_on = tmp_path / "began", tmp_path / "go_on"
        service.fit("waits", ROWS, mode="async", began=str(began), go_on=str(go_on))
        until(began.exists)
        yield service, the_job(service)


def test_event_streams_end_at_sigterm_and_a_second_one_ends_everything(running: tuple[Service, str]) -> None:
    service, job = running
    process = service.process
    assert process is not None
    address = urlsplit(service.url)
    stream = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
    stream.request("GET", f"/v1/jobs/{job}/events", headers={"Authorization": service.token})
    answer = stream.getresponse()
    assert answer.readline() == b"event: job\n"
    rest: list[bytes] = []
    reader = threading.Thread(target=lambda: rest.append(answer.read()))
    reader.start()
    process.send_signal(signal.SIGTERM)
    reader.join(60)
    assert rest  # the stream is whole, although the fit still runs
    assert process.poll() is None
    stream.close()
    workers = service.workers()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
