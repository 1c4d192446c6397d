"""``/mcp``: what agents may do, with which rights, and 40 malformed requests that harm nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from dltk_runtime.access import file
from dltk_runtime.access.file import TokenEntry
from dltk_runtime.access.holder import Right
from tests.conftest import write_notebook
from tests.doors import test_clients, world
from tests.doors.agents import APPLY, MALFORMED, message
from tests.doors.world import FLOWERS
from tests.support.service import Service, until

pytestmark = pytest.mark.process
JSON = "application/json"
TOKENS = {
    "agent": {"rights": [Right.APPLY, Right.READ], "models": ("m",)},
    "scorer": {"rights": [Right.APPLY]},
    "trainer": {"rights": [Right.FIT]},
}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    path = tmp_path_factory.mktemp("tokens") / "tokens.json"
    return path, {name: file.add(path, TokenEntry(name=name, values=[], **given)) for name, given in TOKENS.items()}  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, processes: None, tokens: tuple[Path, dict[str, str]]
) -> Iterator[Service]:
    root = tmp_path_factory.mktemp("mcp")
    write_notebook(root / "notebooks", "iris", **world.IRIS)
    variables = {
        "DLTK_MCP": "true",
        "DLTK_MCP_HOSTS": "127.0.0.1,models.example.com",
        "DLTK_TOKENS_FILE": str(tokens[0]),
    }
    with Service(root / "home", root / "notebooks", **variables) as running:
        for model in ("m", "other"):
            assert running.fit("iris", world.IRIS_FIT[1], model, "species")["status"] == "success"
        yield running


def post(
    service: Service, body: bytes, token: str | None = None, method: str = "POST", **headers: str
) -> tuple[int, Any]:
    """The status and the JSON of the answer to one request; an underscore in the name of a header is a dash."""
    given = {"Authorization": service.token if token is None else token, "Content-Type": JSON, "Accept": JSON}
    given |= {name.replace("_", "-"): text for name, text in headers.items()}
    with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(service.url).port, timeout=100)) as client:
        client.request(method, "/mcp", body, {name: text for name, text in given.items() if text})
        answer = client.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None


def call(service: Service, tool: str, token: str | None = None, **arguments: Any) -> dict[str, Any]:
    """The result of a tool, asked for in the form of 2025."""
    body = message("tools/call", {"name": tool, "arguments": arguments})
    status, answer = post(service, body, token, MCP_Protocol_Version="2025-06-18")
    assert status == 200, answer
    return dict(answer["result"])


def refused(result: dict[str, Any]) -> str:
    assert result["isError"]
    return str(result["content"][0]["text"])


def helper(service: Service) -> psutil.Process:
    assert service.process is not None
    children = psutil.Process(service.process.pid).children()
    (found,) = [each for each in children if "dltk_runtime.server.mcp" in each.cmdline()]
    return found


# ------------------------------------------------------------ what agents may do


def test_the_four_tools_answer_what_the_core_answers(service: Service) -> None:
    listed = call(service, "list_models")["structuredContent"]["models"]
    assert listed == [{"algorithm": "iris", "model": model, "current": 1} for model in ("m", "other")]
    described = call(service, "describe_model", algorithm="iris", model="m")["structuredContent"]
    assert [each["name"] for each in described["inputs"]] == world.FIELDS
    assert described["outputs"][1] == {"name": "p_setosa", "datatype": "FP64"}
    applied = call(service, "apply_model", **APPLY)["structuredContent"]
    assert applied == {
        "version": 1,
        "warnings": [],
        "rows": world.splunks(service, "iris", FLOWERS.head(2)).to_dict("records"),
    }
    state = call(service, "job_state", job=described["versions"][0]["job"])["structuredContent"]
    assert (state["state"], state["version"]) == ("succeeded", 1)
    assert "/mcp" in {each["event"] for each in service.events()}
    assert 'route="/mcp"' in service.send("/metrics", None).decode()


def test_versions_and_parameters_reach_the_model(service: Service) -> None:
    rounded = call(service, "apply_model", **APPLY, version=1, parameters={"rounded": "2"})["structuredContent"]
    assert rounded["rows"][0]["p_setosa"] == 0.98
    assert "no version 9" in refused(call(service, "apply_model", **APPLY, version=9))


def test_an_argument_that_a_tool_does_not_have_is_refused_by_name(service: Service) -> None:
    """A version that is misspelt would be answered by the current one."""
    said = refused(call(service, "apply_model", **APPLY, versoin=1))
    assert said == (
        "The tool apply_model has no argument 'versoin': expected algorithm, model, rows, version, parameters."
    )
    assert "expected none" in refused(call(service, "list_models", algorithm="iris"))
    _, listed = post(service, message("tools/list", {}))
    assert {each["inputSchema"]["additionalProperties"] for each in listed["result"]["tools"]} == {False}


@pytest.mark.skipif(not test_clients.PYTHON.exists(), reason="no clients: make clients")
def test_the_sdks_own_client_scores_over_plain_http(service: Service) -> None:
    asked = {"url": service.url, "model": "iris.m", "columns": FLOWERS.to_dict("list"), "clients": ["mcp"]}
    unused = {"certificate": None, "forwarder": None}
    found = test_clients.run(test_clients.PYTHON, [asked | unused | {"token": service.token}])
    assert found["iris.m"]["mcp"] == world.splunks(service, "iris", FLOWERS).to_dict("list")


# ------------------------------------------------------------ rights


def test_a_token_for_some_models_sees_and_applies_no_others(
    service: Service, tokens: tuple[Path, dict[str, str]]
) -> None:
    agent = tokens[1]["agent"]
    assert [each["model"] for each in call(service, "list_models", agent)["structuredContent"]["models"]] == ["m"]
    assert call(service, "apply_model", agent, **APPLY)["structuredContent"]["version"] == 1
    other = {"algorithm": "iris", "model": "other"}
    job = call(service, "describe_model", **other)["structuredContent"]["versions"][0]["job"]
    for tool, arguments in (("describe_model", other), ("apply_model", APPLY | other), ("job_state", {"job": job})):
        assert "iris/other is none of them" in refused(call(service, tool, agent, **arguments))


def test_a_tool_needs_the_right_of_what_it_does(service: Service, tokens: tuple[Path, dict[str, str]]) -> None:
    scorer, trainer = tokens[1]["scorer"], tokens[1]["trainer"]
    assert not call(service, "apply_model", scorer, **APPLY)["isError"]
    assert not call(service, "describe_model", scorer, algorithm="iris", model="m")["isError"]
    for token, tool, arguments in (
        (scorer, "list_models", {}),
        (trainer, "list_models", {}),
        (trainer, "apply_model", APPLY),
        (trainer, "describe_model", {"algorithm": "iris", "model": "m"}),
    ):
        assert "lacks the right" in refused(call(service, tool, token, **arguments))


def test_the_helper_gets_no_token(service: Service) -> None:
    call(service, "list_models")
    process = helper(service)
    assert service.token not in "\0".join([*process.cmdline(), *process.environ().values()])


# ------------------------------------------------------------ the process


def test_a_helper_that_ends_is_started_again(service: Service) -> None:
    call(service, "list_models")
    before = helper(service)
    os.kill(before.pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(before.pid))
    assert call(service, "apply_model", **APPLY)["structuredContent"]["version"] == 1
    assert helper(service).pid != before.pid


def test_the_front_has_not_imported_the_sdk(service: Service) -> None:
    call(service, "list_models")
    assert service.process is not None
    assert "pydantic" not in Path(f"/proc/{service.process.pid}/maps").read_text()  # its compiled half
    assert "pydantic" in Path(f"/proc/{helper(service).pid}/maps").read_text()


# ------------------------------------------------------------ what is no request


@pytest.fixture(scope="module")
def unharmed(service: Service) -> Iterator[None]:
    """After all of them the same processes answer as before, and no fault is in the log."""
    before = call(service, "apply_model", **APPLY)
    process, workers = helper(service).pid, set(service.workers())
    yield
    assert call(service, "apply_model", **APPLY) == before
    assert helper(service).pid == process
    assert workers <= set(service.workers())
    assert not [each for each in service.events() if each["level"] == "error"]


@pytest.mark.parametrize(("body", "headers"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_a_malformed_request_gets_an_error_of_the_protocol(
    service: Service, unharmed: None, body: bytes, headers: dict[str, str]
) -> None:
    status, answer = post(service, body, **headers)
    assert answer["jsonrpc"] == "2.0"
    assert status >= 400 or "error" in answer or answer["result"]["isError"], answer
    assert ("error" in answer) or refused(answer["result"])
    assert len(json.dumps(answer)) < 10_000
    assert service.token not in json.dumps(answer)


def test_there_are_40_of_them() -> None:
    assert len(MALFORMED) >= 40


@pytest.mark.parametrize(
    ("token", "method", "status"),
    [("", "POST", 401), ("guess", "POST", 401), (None, "GET", 405), (None, "DELETE", 405)],
)
def test_who_has_no_token_and_what_is_no_post_is_refused_here(
    service: Service, token: str | None, method: str, status: int
) -> None:
    found, answer = post(service, message("tools/list"), token, method)
    assert (found, set(answer)) == (status, {"jsonrpc", "id", "error"})


def test_hosts_that_the_setting_names_are_served(service: Service) -> None:
    for host in ("models.example.com", "models.example.com:5000"):
        assert post(service, message("tools/list"), Host=host, Origin=f"https://{host}")[0] == 200
