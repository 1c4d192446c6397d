"""Alerts and dashboard: Prometheus takes them, each alert fires and keeps silent, every name is the server's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dltk_runtime.jobs.record import State
from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.deploy import tools
from tests.deploy.chart import CHART, Rendered, render
from tests.deploy.series import Served, unknown
from tests.pool.test_gpus import Tool
from tests.support.service import Service, until

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("chart")]

HERE = Path(__file__).resolve().parent
DASHBOARD: dict[str, Any] = json.loads((CHART / "dashboards" / "dltk.json").read_text())
WATCHED = {"secret": {"apiToken": "x"}, "prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}
CLOSED_PORT = "http://127.0.0.1:9"  # an event collector, and an MLflow, that never answers
ROWS = "size\n" + "".join(f"{number % 7}\n" for number in range(1100))
SHIFTED = "size\n" + "".join(f"{number % 7 + 50}\n" for number in range(1100))


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return render(WATCHED, tmp_path_factory.mktemp("watched"))


@pytest.fixture
def rules_file(watched: Rendered, tmp_path: Path) -> Path:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(watched.one("PrometheusRule")["spec"]))
    return file


@pytest.fixture
def service(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A server with all that has metrics: GPUs, an event collector, fits and applies that drift."""
    tool = Tool(tmp_path / "driver")
    tool.say()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    hec = {"splunk_hec_enabled": "1", "splunk_hec_url": CLOSED_PORT, "splunk_hec_token": "t"} | {
        "MLFLOW_TRACKING_URI": CLOSED_PORT
    }
    with Service(paths.home, paths.notebooks, PATH=tool.path, **hec) as service:
        yield service


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def alerts(watched: Rendered) -> list[dict[str, Any]]:
    return list(watched.one("PrometheusRule")["spec"]["groups"][0]["rules"])


def test_prometheus_takes_the_rules(rules_file: Path) -> None:
    assert "12 rules found" in tools.run(tools.promtool(), "check", "rules", rules_file)


def test_each_alert_fires_and_keeps_silent(rules_file: Path) -> None:
    tests = rules_file.with_name("alerts_test.yaml")
    tests.write_text(_with_descriptions((HERE / "alerts_test.yaml").read_text(), rules_file))
    tools.run(tools.promtool(), "test", "rules", tests)


def test_each_alert_is_tested_both_ways(watched: Rendered) -> None:
    fired, silent = set(), set()
    for test in yaml.safe_load((HERE / "alerts_test.yaml").read_text())["tests"]:
        alert, verb = test["name"].split()[:2]
        own = [each for each in test["alert_rule_test"] if each["alertname"] == alert]
        assert own == test["alert_rule_test"]
        assert bool(own[0].get("exp_alerts")) == (verb == "fires")
        (fired if verb == "fires" else silent).add(alert)
    assert fired == silent == {rule["alert"] for rule in alerts(watched)}


def test_prometheus_takes_the_dashboards_expressions(tmp_path: Path) -> None:
    found = [each.replace("$__rate_interval", "5m").replace("$job", "j") for each in expressions()]
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(found)]
    file = tmp_path / "dashboard.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    tools.run(tools.promtool(), "check", "rules", file)
    assert len(found) > 15


def test_every_name_in_alerts_and_dashboard_is_in_the_servers_metrics(
    service: Service, make_notebook: MakeNotebook, watched: Rendered
) -> None:
    make_notebook("algo", apply="def apply(model, df, param):\n    return df")
    service.fit("algo", ROWS)
    service.apply("algo", SHIFTED)
    service.apply("missing", SHIFTED)
    until(lambda: b"\ndltk_drift{" in service.send("/metrics", None))
    served = Served(service.send("/metrics", None).decode())
    served.values["state"] |= set(State)  # a state without jobs has no line
    asked = [rule["expr"] for rule in alerts(watched)] + expressions()
    assert [name for expression in asked for name in unknown(expression, served)] == []
    # The check itself sees a wrong name, a wrong label, and a wrong value of a label.
    wrong = 'sum by (nodes) (dltk_worker{job="x"}) + dltk_volume_jobs{status="a"} + dltk_volume_jobs{state="dead|lost"}'
    assert unknown(wrong, served) == ["dltk_worker", "status", 'state="dead|lost"', "nodes"]


def test_the_dashboard_shows_all_of_the_servers_metrics() -> None:
    shown = " ".join(expressions())
    server = CHART.parents[1] / "dltk_runtime" / "server"
    text = "".join((server / name).read_text() for name in ("metrics.py", "gauges.py"))
    named = {word for word in text.split('"') if word.startswith("dltk_") and word.isidentifier()} - {"dltk_volume_"}
    assert len(named) > 12
    # Only with a cluster, whose nodes `dltk cluster` shows.
    named -= {name for name in named if name.startswith(("dltk_cluster_", "dltk_node_"))}
    assert {name for name in named if name not in shown} == set()


def test_the_panels_do_not_overlap_and_say_what_they_show() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not own & cells
        cells |= own
    assert all(panel["description"] and panel["targets"] for panel in panels())
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_config_map_holds_the_dashboard(watched: Rendered) -> None:
    assert json.loads(watched.get("ConfigMap data.dltk~json")) == DASHBOARD


def test_the_test_pods_program_passes_on_a_server_and_fails_without_its_token(
    service: Service, watched: Rendered, tmp_path: Path
) -> None:
    command = watched.get("Pod spec.containers.call.command")
    token = tmp_path / "token"
    codes = []
    for text in (service.token, "wrong"):
        token.write_text(text)
        environ = {**os.environ, "DLTK_URL": service.url, "api_token_file": str(token)}
        done = subprocess.run([sys.executable, *command[1:]], env=environ, capture_output=True, text=True, check=False)
        codes.append(done.returncode)
    assert codes == [0, 1]


def _with_descriptions(text: str, rules_file: Path) -> str:
    """Add to each expected alert its rule's description: promtool compares whole alerts."""
    rules = {rule["alert"]: rule for rule in yaml.safe_load(rules_file.read_text())["groups"][0]["rules"]}
    document = yaml.safe_load(text)
    for test in document["tests"]:
        for check in test["alert_rule_test"]:
            for alert in check.get("exp_alerts", ()):
                description = rules[check["alertname"]]["annotations"]["description"]
                alert["exp_annotations"]["description"] = description
    return yaml.safe_dump(document)
