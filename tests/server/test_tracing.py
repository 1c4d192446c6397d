"""Tracing: a span for each request and one for each phase, and a server that says so when it cannot."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.support.service import Service, until

pytestmark = pytest.mark.process

# Stands for splunk-opentelemetry, which pins other versions of OpenTelemetry than ours: its one function that we call.
SPLUNK_OTEL = """
import os
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

def init_splunk_otel():
    provider = TracerProvider()
    out = open(os.environ["SPANS"], "a")
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=out, formatter=line)))
    trace.set_tracer_provider(provider)

def line(span):
    return span.to_json(indent=None) + "\\n"
"""


def test_a_request_is_a_span_and_its_phases_are_spans_below_it(
    paths: Paths, make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    make_notebook("algo")
    (tmp_path / "splunk_otel.py").write_text(SPLUNK_OTEL)
    variables = {"PYTHONPATH": str(tmp_path), "SPANS": str(tmp_path / "spans"), "olly_enabled": "1"}
    with Service(paths.home, paths.notebooks, **variables) as service:
        service.fit("algo", "a\n1\n2\n")
        service.apply("algo", "a\n1\n2\n")
        service.apply("none", "a\n1\n2\n")
        tensor = {"name": "a", "datatype": "FP64", "shape": [2], "data": [1, 2]}
        service.send("/v2/models/algo.m/infer", json.dumps({"inputs": [tensor]}).encode())
    spans = [json.loads(line) for line in (tmp_path / "spans").read_text().splitlines()]
    fit, apply, refused, inferred = (span for span in spans if span["parent_id"] is None)
    assert [span["name"] for span in (fit, apply, refused)] == ["POST /fit", "POST /apply", "POST /apply"]
    assert (inferred["name"], inferred["attributes"]["dltk.version"]) == ("POST /v2/infer", 1)  # as every door
    facts = fit["attributes"]
    assert (facts["dltk.algorithm"], facts["dltk.version"], facts["dltk.rows"]) == ("algo", 1, 2)
    assert (apply["status"]["status_code"], refused["status"]["status_code"]) == ("UNSET", "ERROR")
    assert {"queue", "decode", "init", "fit", "save"} <= _phases(spans, fit)
    assert {"queue", "decode", "apply", "encode"} <= _phases(spans, apply) & _phases(spans, inferred)
    assert _phases(spans, refused) == set()


# Sends as the exporter of splunk-opentelemetry does: batches, in a thread, for as long as its variable says.
STUCK = """
import os, socket
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

class Collector(SpanExporter):
    def export(self, spans):
        seconds = float(os.environ["OTEL_EXPORTER_OTLP_TIMEOUT"])
        try:
            with socket.create_connection(("127.0.0.1", int(os.environ["COLLECTOR"])), seconds) as connection:
                connection.sendall(b"spans")
                connection.recv(1)
        except OSError as error:
            with open(os.environ["TOLD"], "a") as told:
                told.write(f"not sent: {error}; logs: {os.environ['OTEL_LOGS_EXPORTER']}\\n")
        return SpanExportResult.FAILURE

    def shutdown(self):
        pass

def init_splunk_otel():
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Collector(), schedule_delay_millis=100))
    trace.set_tracer_provider(provider)
"""


def test_no_request_waits_for_a_collector_that_is_away_and_the_end_only_a_moment(
    paths: Paths, make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    make_notebook("algo")
    (tmp_path / "splunk_otel.py").write_text(STUCK)
    told = tmp_path / "told"
    with socket.create_server(("127.0.0.1", 0)) as collector:  # takes what comes, and answers nothing
        variables = {"PYTHONPATH": str(tmp_path), "TOLD": str(told), "olly_enabled": "1"}
        variables["COLLECTOR"] = str(collector.getsockname()[1])
        with Service(paths.home, paths.notebooks, **variables) as service:
            service.fit("algo", "a\n1\n2\n")
            with collector.accept()[0]:
                assert service.apply("algo", "a\n1\n2\n")["status"] == "success"
                assert not told.exists()  # it still waits for the first answer
                collector.close()
                until(told.exists)
            assert service.apply("algo", "a\n1\n2\n")["status"] == "success"
            assert service.stop() == 0
    lines = told.read_text().splitlines()
    assert lines[0] == "not sent: timed out; logs: none"  # logs repeat what notebooks print: they stay here
    assert lines[-1] == "not sent: [Errno 111] Connection refused; logs: none"


def _phases(spans: list[dict[str, Any]], request: dict[str, Any]) -> set[str]:
    """The names of the spans below one, which lie within its time."""
    below = [span for span in spans if span["parent_id"] == request["context"]["span_id"]]
    for span in below:
        assert request["start_time"] <= span["start_time"] <= span["end_time"] <= request["end_time"]
    return {span["name"] for span in below}


# As splunk-opentelemetry does for OTEL_TRACES_EXPORTER=jaeger-thrift-splunk, which newer releases no longer have.
UNKNOWN_EXPORTER = """
def init_splunk_otel():
    raise RuntimeError("Requested component 'jaeger-thrift-splunk' not found")
"""


@pytest.mark.parametrize(
    ("library", "advice"),
    [("", "splunk-opentelemetry is not installed"), (UNKNOWN_EXPORTER, "Correct the OTEL_ variables")],
    ids=["not installed", "unknown exporter"],
)
def test_a_server_that_cannot_trace_says_so_and_serves(
    paths: Paths, make_notebook: MakeNotebook, tmp_path: Path, library: str, advice: str
) -> None:
    make_notebook("algo")
    if library:
        (tmp_path / "splunk_otel.py").write_text(library)
    with Service(paths.home, paths.notebooks, PYTHONPATH=str(tmp_path), olly_enabled="true") as service:
        assert service.fit("algo", "a\n1\n2\n")["status"] == "success"
        (event,) = [event for event in service.events() if event["event"] == "not traced"]
    assert advice in event["advice"]
