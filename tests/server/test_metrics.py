"""What an operator sees from outside: refusals, deaths, what waits, the volume, and a request's id."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dltk_runtime.access.holder import Holder
from dltk_runtime.paths import Paths
from dltk_runtime.server import refusals, splunk_routes
from dltk_runtime.server.admission import Admission, ConnectionBounds
from dltk_runtime.server.metrics import SeenMetrics
from dltk_runtime.server.token_files import Tokens
from dltk_runtime.service.wiring import build
from dltk_runtime.settings import Settings
from tests.conftest import MakeNotebook
from tests.support.service import ROOT, Service, until

ROWS = "x\n1\n2\n"
NOTEBOOKS = {
    "algo": {},
    "crashes": {
        "apply": "def apply(model, df, param):\n    import os, signal\n    os.kill(os.getpid(), signal.SIGSEGV)"
    },
    "exits": {"apply": "def apply(model, df, param):\n    import os\n    os._exit(3)"},
    "waits": {
        "apply": """
            def apply(model, df, param):
                import os, time
                params = param["options"]["params"]
                while "go_on" in params and not os.path.exists(params["go_on"]):
                    time.sleep(0.01)
                return df
        """
    },
}
pytestmark = pytest.mark.server(notebooks=NOTEBOOKS, fits=[(name, ROWS) for name in NOTEBOOKS if name != "crashes"])

Figures = dict[tuple[str, str], float]


def parsed(text: str) -> Figures:
    """Samples by name and, if there is one, the value of their only label."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if len(sample.labels) < 2
    }


def figures(service: Service) -> Figures:
    return parsed(service.send("/metrics", None).decode())


def raised(service: Service, name: str, label: str, before: Figures) -> bool:
    return figures(service)[name, label] > before[name, label]


def answer_of(service: Service, path: str, **headers: str) -> tuple[int, Any, dict[str, Any]]:
    request = urllib.request.Request(service.url + path, headers={"Authorization": service.token, **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, {}
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, json.loads(error.read())


# ------------------------------------------------------------ counters and gauges


def test_refusals_are_counted_by_reason_and_their_log_lines_say_it(service: Service) -> None:
    before = figures(service)
    for reason, provoke in {
        "unauthorized": lambda: service.status_of("/summary", token="wrong"),
        "not_found": lambda: service.status_of("/nothing"),
        "method_not_allowed": lambda: service.status_of("/summary", b"{}"),
        "retired": lambda: service.status_of("/compute", b"{}"),
        "body_invalid": lambda: service.send("/apply", b"{"),
        "algorithm_missing": lambda: service.post("/fit", ROWS, {}),
    }.items():
        provoke()
        until(lambda reason=reason: raised(service, "dltk_refused_total", reason, before))
    lines = [each for each in service.events() if each["event"] == "refused"]
    assert {each["reason"] for each in lines} >= {"unauthorized", "not_found", "method_not_allowed", "retired"}
    assert all(each["reason"] and each["detail"] and each["request"] for each in lines)


def test_deaths_of_workers_are_counted_by_cause(service: Service) -> None:
    before = figures(service)
    assert service.apply("exits", ROWS)["status"] == "error"
    assert service.fit("crashes", ROWS)["status"] == "error"
    assert service.apply("algo", ROWS)["status"] == "success"
    for pid in service.workers():
        os.kill(pid, signal.SIGKILL)
    for cause in ("exit", "signal", "killed"):
        until(lambda cause=cause: raised(service, "dltk_worker_deaths_total", cause, before))
    assert figures(service)["dltk_worker_deaths_total", "deadline"] == 0


def test_ends_of_asynchronous_fits_are_counted_by_outcome(service: Service) -> None:
    before = figures(service)
    assert service.fit("algo", ROWS, model="later", mode="async")["status"] == "submitted"
    assert service.fit("crashes", ROWS, model="later", mode="async")["status"] == "submitted"
    for outcome in ("succeeded", "failed"):
        until(lambda outcome=outcome: raised(service, "dltk_async_fits_total", outcome, before))


def test_what_waits_is_shown(service: Service, tmp_path: Path) -> None:
    import threading

    go_on = tmp_path / "go_on"
    calls = [threading.Thread(target=service.apply, args=("waits", ROWS), kwargs={"go_on": str(go_on)}) for _ in "12"]
    for each in calls:
        each.start()
    until(lambda: figures(service)["dltk_requests_waiting", "/apply"] == 1)
    go_on.touch()
    for each in calls:
        each.join(60)
    until(lambda: figures(service)["dltk_requests_waiting", "/apply"] == 0)


def test_build_readiness_disk_and_connections_are_shown(service: Service) -> None:
    found = figures(service)
    assert found["dltk_ready", ""] == 1
    assert ("dltk_build_info", "0.1.0") in found or any(name == "dltk_build_info" for name, _ in found)
    assert 0 < found["dltk_volume_free_bytes", ""] < found["dltk_volume_size_bytes", ""]
    assert found["dltk_connections", ""] >= 1
    assert found["dltk_connections_ended_total", "too many connections"] == 0
    assert found["dltk_volume_jobs", "queued"] == 0


def test_damaged_lines_in_a_history_are_shown(service: Service) -> None:
    before = figures(service)["dltk_volume_damaged_lines", ""]
    history = service.home / "app/model/data/versions/algo/m/promoted"
    with history.open("ab") as file:
        file.write(b"00000000 {}\n")
    assert figures(service)["dltk_volume_damaged_lines", ""] == before + 1


def test_the_page_of_metrics_lists_what_is_served_and_tells_the_volumes_apart(service: Service) -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text()
    named = set(re.findall(r"`(dltk_\w+)`", page))
    families = list(text_string_to_metric_families(service.send("/metrics", None).decode()))
    served = {each.name + ("_total" if each.type == "counter" else "") for each in families}
    assert served - named == set()
    absent = {"dltk_volume_", "dltk_events_total", "dltk_events_waiting_bytes"}  # no collector is set here
    # tests of their own look for these
    elsewhere = ("dltk_shadow_", "dltk_tracking_", "dltk_cluster_", "dltk_node_")
    absent |= {name for name in named if name.startswith(elsewhere)}
    assert named - served <= absent
    shared = {"dltk_volume_jobs", "dltk_volume_models", "dltk_volume_versions", "dltk_volume_damaged_lines"}
    assert shared | {"dltk_volume_free_bytes", "dltk_volume_size_bytes"} == {
        name for name in served if name.startswith("dltk_volume_")
    }


# ------------------------------------------------------------ ids


def test_a_request_id_is_taken_returned_logged_and_in_the_job_record(service: Service) -> None:
    given = "splunk-search_1.2:3/4=5+6"
    assert answer_of(service, "/livez", **{"X-Request-ID": given})[1]["X-Request-ID"] == given
    assert answer_of(service, "/nothing", **{"X-Request-ID": given})[1]["X-Request-ID"] == given
    assert answer_of(service, "/livez")[1]["X-Request-ID"] is None
    meta = {"options": {"params": {"algo": "algo"}, "model_name": "with_id"}, "feature_variables": ["x"]}
    body = json.dumps({"data": ROWS, "meta": meta}).encode()
    headers = {"Authorization": service.token, "X-Request-ID": "fit-7"}
    request = urllib.request.Request(f"{service.url}/fit", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=200) as answer:
        assert answer.headers["X-Request-ID"] == "fit-7"
    (job,) = [each for each in service.jobs() if each["model"] == "with_id"]
    assert job["request"] == "fit-7"
    assert until(lambda: [each for each in service.events() if each.get("request") == "fit-7"])
    assert [each for each in service.events() if each.get("request") == given and each["event"] == "refused"]


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, "x\tz", 'a"b', "é"])
def test_an_id_that_is_no_plain_text_is_not_taken(given: str, service: Service) -> None:
    host = service.url.removeprefix("http://")
    client = http.client.HTTPConnection(host, timeout=60)
    client.putrequest("GET", "/nothing")
    client.putheader("X-Request-ID", given.encode("latin-1"))
    client.endheaders()
    answer = client.getresponse()
    assert (answer.status, answer.headers["X-Request-ID"]) == (404, None)
    client.close()


# ------------------------------------------------------------ without a server


def application(paths: Paths) -> tuple[Any, splunk_routes.RequestIds]:
    settings = Settings(api_token="t", home=paths.home, notebooks=paths.notebooks)
    service = build(settings)
    return service, splunk_routes.application(service, Admission(ConnectionBounds.of(settings, 1024)), Tokens(settings))


def get(app: Any, path: str) -> tuple[int, bytes]:
    """GET a path of an ASGI application, whatever it raises behind its answer."""
    sent: list[dict[str, Any]] = []
    headers = [(b"authorization", b"t"), (b"x-request-id", b"one")]
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": headers, "http_version": "1.1", "scheme": "http", "server": ("h", 1), "client": ("c", 1)}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def call() -> None:
        try:
            await app(scope, receive, send)
        except RuntimeError:
            assert sent

    asyncio.run(call())
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent[1:])


def test_a_fault_is_refused_with_its_reason_and_its_id(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    service, app = application(paths)

    def broken() -> None:
        raise RuntimeError("a fault")

    service.store.names = broken
    status, text = get(app, "/v1/models")
    assert status == 500
    assert "traceback of request one" in json.loads(text)["detail"]
    (line,) = [each for each in caplog.records if each.message == "refused"]
    assert line.fields["reason"] == refusals.FAULT  # type: ignore[attr-defined]
    assert line.fields["request"] == "one"  # type: ignore[attr-defined]
    assert parsed(get(app, "/metrics")[1].decode())["dltk_refused_total", "fault"] == 1


@pytest.mark.parametrize("part", ["store.counts", "jobs.states", "pool.usage", "drift.levels", "store.damaged_lines"])
def test_one_part_that_fails_takes_no_other_metric_down(
    part: str, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    service, app = application(paths)
    whole = {name for name, _ in parsed(get(app, "/metrics")[1].decode())}
    room, method = part.split(".")

    def broken() -> None:
        raise PermissionError("closed")

    setattr(getattr(service, room), method, broken)
    status, text = get(app, "/metrics")
    assert status == 200
    left = {name for name, _ in parsed(text.decode())}
    assert {"dltk_build_info", "dltk_refused_total"} <= left < whole | {"dltk_drift"}
    assert "a periodic task failed" in caplog.text


def test_the_volume_may_be_gone(paths: Paths) -> None:
    _, app = application(paths)
    paths.home.rename(paths.home.with_name("gone"))
    status, text = get(app, "/metrics")
    found = parsed(text.decode())
    assert status == 200
    assert ("dltk_volume_free_bytes", "") not in found
    assert ("dltk_workers", "") in found


@pytest.mark.process
def test_sums_over_replicas_are_right_but_for_the_volume(paths: Paths, make_notebook: MakeNotebook) -> None:
    make_notebook("algo")
    with Service(paths.home, paths.notebooks) as one, Service(paths.home, paths.notebooks) as other:
        assert one.fit("algo", ROWS)["status"] == "success"
        both = [figures(one), figures(other)]
    assert [each["dltk_volume_models", ""] for each in both] == [1, 1]
    assert [each["dltk_volume_jobs", "succeeded"] for each in both] == [1, 1]
    assert [
        each["dltk_request_seconds_count", "/fit"] for each in both if ("dltk_request_seconds_count", "/fit") in each
    ] == [1]


def test_figures_of_a_model_are_seen_by_whoever_may_see_the_model() -> None:
    registry = CollectorRegistry()
    drift = Gauge("drift", "Of a model", ["algorithm", "model"], registry=registry)
    for name in ("sales_eu", "others"):
        drift.labels("umap", name).set(1)
    Gauge("rest", "Of the server", registry=registry).set(2)
    seen = generate_latest(SeenMetrics(registry, Holder("narrow", models=("sales_*",)))).decode()
    assert 'model="sales_eu"' in seen
    assert "rest 2.0" in seen
    assert "others" not in seen
    assert "others" in generate_latest(SeenMetrics(registry, Holder("all"))).decode()
