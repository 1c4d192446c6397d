"""Hostile requests: each gets a clear answer, none leaves its place, and a healthy one works right after."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.support.service import Service, meta_for
from tests.support.wire import ECHO, connection, encoded, head, one_event, post, read_all, refused

MIB = 1024**2
DATA = "a,b\n1,2\n"
NAMES = [
    "",
    "../../x",
    "/etc/passwd",
    "a/b",
    "a.b",
    "a\0b",
    "a\n",
    "x" * 10_000,
    "\ud800",
    "%2e",
]
OF_NOTEBOOKS = ["1a", "a b", "a-b", "ä"]  # names that an algorithm may have, and a model may not
UNKNOWN = [*OF_NOTEBOOKS, "os", "data", "json", "app", "sys"]  # names that can be a notebook's, and are none


FITS = [("healthy", DATA), ("echo", DATA)]
pytestmark = [pytest.mark.process, pytest.mark.server(notebooks={"healthy": {}, "echo": ECHO}, fits=FITS)]


@pytest.fixture(autouse=True)
def _a_healthy_request_works_right_after(shared_service: Service) -> Iterator[None]:
    yield
    assert shared_service.apply("healthy", DATA)["status"] == "success"


def snapshot(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


# ---------------------------------------------------------------- bodies


@pytest.mark.parametrize("path", ["/fit", "/apply"])
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"\xff\xfe{", b"{}", b'{"data": "a"}', b'{"meta": {}}', b"\0" * 1000),
        *(b'{"data": NaN, "meta": {}}', b'{"data": "a\n1\n", "meta": {}}', b'{"data": "a", "meta": []}'),
        *(b'{"data": ["a"], "meta": {}}', b'{"data": "a", "meta": {"options": 1}}', b"[" * 100_000),
        *(
            b'{"data": "a", "meta": {"options": {"params": 1}}}',
            b'{"data": "a", "meta": {"options": {"model_name": 1}}}',
        ),
        *(b'{"data": "a", "meta": ' + b'{"a":' * 90_000 + b"1" + b"}" * 90_000 + b"}", b'{"data": "a\\q", "meta": {}}'),
    ],
)
def test_a_body_that_is_not_as_splunk_sends_it_is_refused(service: Service, path: str, body: bytes) -> None:
    assert refused(service, body, path).startswith(f"{path}: ERROR: unable to parse json from POST data. ")


@pytest.mark.parametrize(
    "meta", [{}, {"options": {}}, {"options": {"params": {}}}, {"options": {"params": {"k": "v"}}}]
)
def test_a_fit_without_algo_says_how_to_name_one(service: Service, meta: dict[str, Any]) -> None:
    message = refused(service, json.dumps({"data": DATA, "meta": meta}).encode())
    assert "Add algo=" in message


def test_an_apply_without_algo_to_a_model_that_nobody_fitted_says_so(service: Service) -> None:
    message = refused(service, json.dumps({"data": DATA, "meta": {}}).encode(), "/apply")
    assert "no algorithm was fitted into a model named 'default'" in message


@pytest.mark.parametrize("extra", ['"x": NaN', '"x": -Infinity', '"x": 1e999', f'"x": {10**30}', '"x": "\\ud800"'])
@pytest.mark.parametrize("path", ["/fit", "/apply"])
def test_a_value_that_other_parsers_refuse_reaches_the_notebook(service: Service, path: str, extra: str) -> None:
    meta = json.dumps(meta_for(DATA, "m", {"algo": "echo"}))[:-1] + f", {extra}}}"
    answer = post(service, f'{{"data": {json.dumps(DATA)}, "meta": {meta}}}'.encode(), path)
    assert answer["status"] == "success", answer
    key, value = extra.split(": ")
    assert f"{key}: {json.dumps(json.loads(value))}".replace('"', '""') in answer["results"]


@pytest.mark.parametrize("path", ["/fit", "/apply"])
def test_parameters_of_wrong_types_reach_the_notebook(service: Service, path: str) -> None:
    meta = meta_for(DATA, "m", {"algo": "echo"})
    meta["options"]["params"] |= {"a": 1, "b": None, "c": [{"d": True}], "\ud800": "\ud800", "": ""}
    meta |= {"feature_variables": 7, "target_variables": {"x": 1}}
    answer = post(service, json.dumps({"meta": meta, "data": DATA, "more": meta}).encode(), path)
    assert answer["status"] == "success", answer


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("name", NAMES + UNKNOWN + ["__init__", "__main__"], ids=lambda name: ascii(name[:12]))
@pytest.mark.parametrize("path", ["/fit", "/apply"])
def test_an_algorithm_of_that_name_runs_nothing_and_leaves_nothing(service: Service, path: str, name: str) -> None:
    before = snapshot(service.notebooks) | snapshot(service.home / "app")
    message = refused(service, encoded(DATA, name, model="hostile"), path)
    assert message.startswith(f"{path}: ERROR: unable to load algo code from module. ")
    assert ("No notebook" if name in UNKNOWN else "Invalid algorithm name") in message
    assert len(message) < 600
    assert snapshot(service.notebooks) | snapshot(service.home / "app") == before


@pytest.mark.parametrize("name", [name for name in NAMES + OF_NOTEBOOKS if name], ids=lambda name: ascii(name[:12]))
@pytest.mark.parametrize(("path", "mode"), [("/fit", "sync"), ("/apply", "stage"), ("/fit", "stage")])
def test_a_model_of_that_name_is_refused_before_anything_is_written(
    service: Service, path: str, mode: str, name: str
) -> None:
    before = snapshot(service.home.parent)
    message = refused(service, encoded(DATA, "healthy", model=name, mode=mode), path)
    assert "Invalid model name" in message
    assert len(message) < 400
    assert snapshot(service.home.parent) == before


@pytest.mark.parametrize("name", NAMES + UNKNOWN + ["__init__"], ids=lambda name: ascii(name[:12]))
def test_a_stage_does_not_care_for_the_algorithm(service: Service, name: str) -> None:
    before = snapshot(service.home.parent)
    assert post(service, encoded(DATA, name, model="staged", mode="stage"))["status"] == "staged"
    new = {Path(path).name for path in snapshot(service.home.parent) - before}
    assert new <= {"staged.csv", "staged.json", "staged"}


@pytest.mark.parametrize("name", ["os", "data", "__init__", "default", "versions", "con"])
def test_a_model_may_have_any_name_that_is_one(service: Service, name: str) -> None:
    assert post(service, encoded(DATA, "healthy", model=name))["status"] == "success"
    assert post(service, encoded(DATA, "healthy", model=name), "/apply")["results"] == "rows\n1\n"
    assert post(service, encoded(DATA, "healthy", model=name, mode="stage"))["status"] == "staged"


# ---------------------------------------------------------------- data


@pytest.mark.parametrize(("path", "mode"), [("/fit", "sync"), ("/apply", "stage"), ("/fit", "stage")])
@pytest.mark.parametrize(
    ("literal", "words"),
    [
        (b'""', "no rows and no fields"),
        (b'"\\n"', "no rows and no fields"),
        (b'"a\\n1\\n1,2,3\\n"', "line 3"),
        (b'"a,b\\n\\"1,2\\n"', "row 1"),
        (b'"a\\n\xff\\n"', "not UTF-8"),
        (b'"a\\n\\ud800\\n"', "lone surrogate"),
    ],
)
def test_rows_that_are_no_frame_are_refused_with_the_place(
    service: Service, path: str, mode: str, literal: bytes, words: str
) -> None:
    meta = json.dumps(meta_for(DATA, "m", {"algo": "healthy", "mode": mode})).encode()
    message = refused(service, b'{"data": ' + literal + b', "meta": ' + meta + b"}", path)
    assert message.startswith(f"{path}: ERROR: unable to convert raw data to pandas dataframe. ")
    assert words in message


def test_a_header_without_rows_is_a_frame_without_rows(service: Service) -> None:
    assert service.apply("healthy", "a,b\n")["results"] == "rows\n"
    assert service.fit("healthy", "a,b\n", model="header")["status"] == "success"
    assert service.fit("healthy", "a,b\n", model="header", mode="stage")["status"] == "staged"


def test_a_hundred_thousand_columns(service: Service) -> None:
    data = ",".join(f"c{number}" for number in range(100_000)) + "\n" + ",".join(["1"] * 100_000) + "\n"
    body = json.dumps({"data": data, "meta": meta_for(DATA, "m", {"algo": "healthy"})}).encode()
    assert post(service, body, "/apply")["results"] == "rows\n1\n"


# ---------------------------------------------------------------- heads


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "99999999999999999999999"])
def test_a_content_length_that_is_none_ends_the_connection(service: Service, length: str) -> None:
    with connection(service) as sock:
        sock.sendall(head(service, "/fit", {"Content-Length": length}))
        assert read_all(sock).startswith(b"HTTP/1.1 400 ")


HEAD = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"POST /fit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (HEAD + b"Endless: ", b"x" * 1000),
        (HEAD, b"Many: headers\r\n"),
        (b"GET /", b"x" * 1000),
        (CHUNKED + b"1\r\nx\r\n0\r\n", b"Trailer: x\r\n"),
        (CHUNKED + b"1\r\nx\r\n0\r\nEndless: ", b"x" * 1000),
    ],
    ids=["header", "headers", "request line", "trailers", "trailer"],
)
def test_a_head_without_end_is_ended_by_the_server(service: Service, begin: bytes, more: bytes) -> None:
    with connection(service) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(begin + more * (200_000 // len(more)))
        assert b"The head of a request may have" in read_all(sock)
    with connection(service) as sock:
        sock.sendall(begin)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            send_for_ever(sock, more * 100)


def send_for_ever(sock: socket.socket, more: bytes) -> NoReturn:
    while True:
        sock.sendall(more)


def test_a_long_head_and_a_body_of_many_small_chunks_are_no_endless_head(service: Service) -> None:
    body = encoded(DATA + "1,2\n" * 20_000, "healthy")
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[n : n + 3] for n in range(0, len(body), 3))
    )
    headers = {"Transfer-Encoding": "chunked", "Connection": "close", "Long": "x" * 30_000}
    with connection(service) as sock:
        sock.sendall(head(service, "/apply", headers) + chunks + b"0\r\n\r\n")
        assert b'"status":"success"' in read_all(sock)


def test_a_client_that_hangs_up_half_way_is_forgotten(service: Service) -> None:
    for path, token in (("/fit", service.token), ("/fit", "wrong"), ("/nothing", ""), ("/compute", "")):
        with connection(service) as sock:
            sock.sendall(head(service, path, {"Content-Length": "1000000", "Authorization": token}) + b'{"data": "')
    event = one_event(service, event="/fit", outcome="the client hung up")
    assert event["level"] == "warning"
