"""The log: one JSON object a line, whatever is logged or printed, and nothing secret in it."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dltk_runtime import logs
from dltk_runtime.paths import Paths
from tests.support.service import Service, until
from tests.support.wire import one_event

DATA = "a,b\n1,2\n3,4\n"


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What goes to stderr while logging is as the server has it; what was there before comes back afterwards."""
    root, quiet = logging.getLogger(), logging.getLogger("uvicorn.access")
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []  # or `start` would close pytest's own
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.start()
    yield written
    logging.captureWarnings(False)
    quiet.disabled = False
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stderr: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stderr.getvalue().splitlines()]


# ---------------------------------------------------------------- lines


def test_an_event_is_one_line_with_its_fields(stderr: io.StringIO) -> None:
    logs.event("/fit", logging.WARNING, request="r1", rows=3, phases={"fit": 0.5}, version=None)
    (line,) = lines(stderr)
    assert str(line.pop("time")).endswith("+00:00")
    assert line == {"level": "warning", "event": "/fit", "request": "r1", "rows": 3, "phases": {"fit": 0.5}}


def test_a_handler_of_another_library_gets_a_whole_record(stderr: io.StringIO) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    logs.event("/apply", request="r1")
    logs.event("/apply", logging.DEBUG, request="r2")
    logs.log.info("/apply", extra={"fields": {"request": "r1"}})
    ours, theirs = records  # the level is off for the other one
    assert vars(ours).keys() == vars(theirs).keys()
    for each in ("name", "levelno", "levelname", "args", "exc_info", "pathname", "fields"):
        assert getattr(ours, each) == getattr(theirs, each), each
    assert 0 <= ours.msecs < 1000
    assert len(lines(stderr)) == 2


def test_a_traceback_stays_in_its_line(stderr: io.StringIO) -> None:
    try:
        raise KeyError("x")
    except KeyError:
        logs.log.exception("fault in the runtime", extra={"fields": {"request": "r1"}})
    (line,) = lines(stderr)
    assert (line["level"], line["request"]) == ("error", "r1")
    assert str(line["traceback"]).endswith("KeyError: 'x'\n")


def test_other_libraries_and_warnings_are_json_too(stderr: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").info("started with %s", 3)
    logging.getLogger("uvicorn.access").info("GET /")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    events = [str(line["event"]) for line in lines(stderr)]
    assert events[0] == "started with 3"
    assert "DeprecationWarning: old" in events[1]
    assert len(events) == 2


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=[])), st.integers() | st.binary() | st.sets(st.integers()))
def test_a_line_is_one_json_object_whatever_it_holds(stderr: io.StringIO, text: str, odd: object) -> None:
    stderr.seek(0)
    stderr.truncate()
    logs.event("any", text=text, odd=odd)
    written = stderr.getvalue()
    assert written.isascii()
    assert written.count("\n") == 1
    assert json.loads(written)["text"] == json.loads(json.dumps(text))


# ---------------------------------------------------------------- printed lines


def printed(stderr: io.StringIO, *pieces: bytes, most: int = 200) -> list[object]:
    sink = logs.PrintedLines(most, job="j1")
    for piece in pieces:
        sink.write(piece)
    found = lines(stderr)
    assert all((line["event"], line["job"]) == ("printed", "j1") for line in found)
    return [line["text"] for line in found]


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"o", b"n", b"e\nt", b"wo\n", b"unfinished"], ["one", "two"]),
        ([b"\n\n"], ["", ""]),
        ([b""], []),
        ([b"\xff\xc3\n", "ключ\n".encode()], ["\ufffd\ufffd", "ключ"]),
        ([b"\x1b[31mred\x1b[0m\n"], ["\x1b[31mred\x1b[0m"]),
    ],
)
def test_whole_lines_are_logged_with_their_job(stderr: io.StringIO, pieces: list[bytes], wanted: list[str]) -> None:
    assert printed(stderr, *pieces) == wanted


def test_a_line_without_end_is_cut(stderr: io.StringIO) -> None:
    texts = printed(stderr, *([b"x" * 1000] * 5), b"\nnext\n")
    assert texts[-1] == "next"
    assert all(len(str(text)) <= logs.MAX_LINE_BYTES for text in texts)


@pytest.mark.parametrize("pieces", [[b"x\n" * 10], [b"x\n"] * 10, [b"x\n" * 3, b"y\n" * 7]])
def test_only_so_many_lines_are_logged(stderr: io.StringIO, pieces: list[bytes]) -> None:
    texts = printed(stderr, *pieces, most=3)
    assert texts == ["x", "x", "x", "(3 lines are logged; the job's own log has more)"]


# ---------------------------------------------------------------- the server's


NOTEBOOKS = {
    "healthy": {},
    "prints": {"fit": "def fit(model, df, param): print('from fit'); print('a\\nb'); return {'rows': 1}"},
    "raises": {"fit": "def fit(model, df, param): 1 / 0"},
    "prints_in_apply": {"apply": "def apply(model, df, param): print('from apply'); return df"},
}
pytestmark = pytest.mark.server(notebooks=NOTEBOOKS, own=True)


def test_each_request_is_a_line_with_who_what_and_how_long(service: Service) -> None:
    service.fit("healthy", DATA, model="m")
    service.apply("healthy", DATA, model="m")
    service.fit("raises", DATA, model="m")
    service.fit("healthy", DATA, model="m", mode="stage")
    service.post("/fit", DATA, {})
    fit = one_event(service, event="/fit", algorithm="healthy")
    names = {"request", "algorithm", "model", "version", "rows", "seconds", "phases", "outcome", "job", "promoted"}
    assert names <= set(fit)
    assert (fit["level"], fit["model"], fit["version"], fit["rows"], fit["outcome"]) == ("info", "m", 1, 2, "success")
    assert {"decode", "init", "fit", "save", "apply"} <= set(fit["phases"])
    assert sum(fit["phases"].values()) <= fit["seconds"]
    apply = one_event(service, event="/apply")
    assert (apply["algorithm"], apply["model"], apply["version"], apply["rows"]) == ("healthy", "m", 1, 2)
    assert "apply" in apply["phases"]
    failed = one_event(service, event="/fit", algorithm="raises")
    assert failed["level"] == "warning"
    assert "ZeroDivisionError" in failed["outcome"]
    assert one_event(service, event="/fit", model="m", rows=2, outcome="success")
    refused = one_event(service, event="/fit", phases={})
    assert "names no algorithm" in refused["outcome"]
    requests = [event["request"] for event in service.events() if event["event"] in ("/fit", "/apply")]
    assert len(set(requests)) == len(requests) == 5


def test_what_a_notebook_prints_is_marked_with_its_job_or_request(service: Service) -> None:
    service.fit("prints", DATA)
    job = one_event(service, event="/fit")["job"]
    printed = [event for event in service.events() if event["event"] == "printed"]
    assert [event["text"] for event in printed] == ["from fit", "a", "b"]
    assert {(event["job"], event["algorithm"]) for event in printed} == {(job, "prints")}
    service.fit("prints_in_apply", DATA)
    service.apply("prints_in_apply", DATA)
    request = one_event(service, event="/apply")["request"]
    assert one_event(service, event="printed", text="from apply", request=request)


def test_every_line_of_the_log_is_json_also_when_clients_misbehave_and_the_server_stops(service: Service) -> None:
    service.status_of("/summary", token="wrong")
    service.status_of("/nothing")
    service.fit("raises", DATA)
    refused = one_event(service, event="refused", status=401)
    assert (refused["method"], refused["path"], refused["client"]) == ("GET", "/summary", "127.0.0.1")
    service.stop()
    log = until(service.log.read_text)
    assert all(isinstance(json.loads(line), dict) for line in log.splitlines())
    assert "wrong" not in log


@pytest.mark.process
def test_the_log_begins_with_the_settings_and_names_misspelt_ones(paths: Paths) -> None:
    variables = {"DLTK_APLY_WORKERS": "s3cret-1", "DLTK_ADMIN_TOKEN": "s3cret-2", "DLTK_APPLY_WORKERS": "3"}
    with Service(paths.home, paths.notebooks, **variables) as service:
        first, second = service.events()[:2]
        log = service.log.read_text()
    assert (first["event"], first["level"]) == ("starting", "info")
    assert first["settings"]["DLTK_APPLY_WORKERS"] == "3"
    assert first["settings"]["api_token"] == first["settings"]["DLTK_ADMIN_TOKEN"] == "***"
    assert first["version"]
    assert first["cores"] >= 1
    wanted = {"event": "unknown setting", "variable": "DLTK_APLY_WORKERS", "nearest": "DLTK_APPLY_WORKERS"}
    assert wanted.items() <= second.items()
    assert "s3cret" not in log
    assert service.token not in log


@pytest.mark.process
def test_the_level_of_the_log_is_a_setting(paths: Paths) -> None:
    with Service(paths.home, paths.notebooks, DLTK_LOG_LEVEL="warning") as service:
        service.status_of("/nothing")
        until(lambda: [each for each in service.events() if each["event"] == "refused"])
        service.stop()
        assert {each["level"] for each in service.events()} == {"warning"}
