"""More than 40 malformed requests for every door: each gets its protocol's own error, and nothing is harmed."""

from __future__ import annotations

import http.client
import json
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.doors.world import send
from tests.support.service import Service
from tests.tables import test_arrow, test_json_rows, test_tensors

FITS = [("algo", "a,t\n1,x\n2,y\n", "m"), ("algo", "a,b\n1,2\n", "n")]
pytestmark = [
    pytest.mark.process,
    pytest.mark.server(notebooks={"algo": {}}, fits=FITS, DLTK_MAX_BODY="1M", DLTK_SCORING_MODEL="algo/m"),
]
ARROW, CSV, JSON = "application/vnd.apache.arrow.stream", "text/csv", "application/json"
TOKEN = "the token"  # stands for it in the headers of a case
GOOD = b'[{"a": 1, "t": "x"}]'
ERRORS = {"rows": {"detail"}, "infer": {"error"}, "scoring": {"error_code", "message"}}


@dataclass(frozen=True)
class Case:
    """One request; `status` is that of its answer."""

    door: str
    name: str
    path: str
    body: bytes = GOOD
    status: int = 400
    method: str = "POST"
    kind: str | None = JSON
    headers: tuple[tuple[str, str], ...] = (("Authorization", TOKEN),)
    more: tuple[tuple[str, str], ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.door}: {self.name}"


def of_every_door(door: str, path: str) -> Iterator[Case]:
    """What is wrong with any request: token, method, encoding, size."""
    yield Case(door, "no token", path, status=401, headers=())
    yield Case(door, "a wrong token", path, status=401, headers=(("Authorization", "Bearer guess"),))
    yield Case(door, "two tokens", path, status=401, headers=(("Authorization", TOKEN),) * 2)
    yield Case(door, "GET", path, b"", 405, "GET")
    yield Case(door, "PUT", path, status=405, method="PUT")
    latin = ("Content-Type", "application/json; charset=ISO-8859-1")
    yield Case(door, "letters of another code", path, status=415, kind=None, more=(latin,))
    yield Case(door, "compressed", path, more=(("Content-Encoding", "gzip"),))
    yield Case(door, "too large", path, b" " * (1024**2 + 1), 413)
    yield Case(door, "no body", path, b"")
    yield Case(door, "no text", path, b"\xff\xfe\x00")


def of_rows() -> Iterator[Case]:
    model = "/v1/models/algo/m/apply"
    yield from of_every_door("rows", model)
    for name, path, status in (
        ("no such algorithm", "/v1/models/nothing/m/apply", 404),
        ("no such model", "/v1/models/algo/none/apply", 404),
        ("no such version", "/v1/models/algo/m/versions/9/apply", 404),
        ("version 0", "/v1/models/algo/m/versions/0/apply", 400),
        ("a version of letters", "/v1/models/algo/m/versions/x/apply", 400),
        ("a version of digits of others", "/v1/models/algo/m/versions/%D9%A3/apply", 400),
        ("a huge version", f"/v1/models/algo/m/versions/{'9' * 30}/apply", 400),
        ("no such version in the query", f"{model}?version=9", 404),
        ("a version of letters in the query", f"{model}?version=x", 400),
        ("two versions", "/v1/models/algo/m/versions/1/apply?version=1", 400),
        ("two versions in the query", f"{model}?version=1&version=1", 400),
        ("an empty version", f"{model}?version=", 400),
        ("a parameter twice", f"{model}?x=1&x=2", 400),
        ("no name", "/v1/models/..%5C/m/apply", 400),
        ("a path", "/v1/models/..%2F..%2Fetc/m/apply", 404),
        ("the container's status", "/v1/models/dltk_status/m/apply", 404),
        ("a slash", f"{model}/", 404),
        ("with_version", f"{model}?with_version=perhaps", 400),
    ):
        yield Case("rows", name, path, status=status)
    for kind in (None, "", "text/plain", "application/x-ndjson", "application/json, text/csv"):
        yield Case("rows", f"the type {kind}", model, status=415, kind=kind)
    yield Case("rows", "two types", model, more=(("Content-Type", CSV),))
    for accepted in ("text/html", "image/*", "application/vnd.apache.parquet;q=1"):
        yield Case("rows", f"Accept {accepted}", model, status=406, more=(("Accept", accepted),))
    for number, body in enumerate(test_arrow.broken()):
        yield Case("rows", f"Arrow {number}", model, body, kind=ARROW)
    for kind, body in test_arrow.SMALL.items():  # more than DLTK_MAX_BODY once they are read
        yield Case("rows", f"Arrow, much of {kind}", model, body(), kind=ARROW)
    for number, body in enumerate((b"", b"\n", b'a\n"x', b"a\n1\n2,3\n")):
        yield Case("rows", f"CSV {number}", model, body, kind=CSV)
    yield from (Case("rows", f"JSON {number}", model, body) for number, body in enumerate(json_bodies()))


def of_infer() -> Iterator[Case]:
    model = "/v2/models/algo.n/infer"
    yield from of_every_door("infer", model)
    for name, path, status in (
        ("no such algorithm", "/v2/models/nothing.m/infer", 404),
        ("no such version", "/v2/models/algo.n/versions/9/infer", 404),
        ("version 0", "/v2/models/algo.n/versions/0/infer", 400),
        ("no dot", "/v2/models/algo/infer", 404),
        ("two dots", "/v2/models/algo.n.n/infer", 404),
        ("no name", "/v2/models/%00.n/infer", 400),
        ("a route there is not", "/v2/models/algo.n/explain", 404),
        ("a version in the query", f"{model}?version=1", 400),
        ("a model in the query", f"{model}?model=algo.m", 400),
    ):
        body = json.dumps({"inputs": [test_tensors.column("a", "FP64", [1]), test_tensors.column("b", "FP64", [1])]})
        yield Case("infer", name, path, body.encode(), status)
    for length in ("0", "-1", "x", "1e3", "999999", "9" * 30, "", "٣"):
        more = (("Inference-Header-Content-Length", length.encode().decode("latin-1")),)
        yield Case("infer", f"a header of {length!r} bytes", model, b"{}", more=more)
    for name, head, behind, _ in test_tensors.REFUSED:
        text = head if isinstance(head, bytes) else json.dumps(head).encode()
        more = (("Inference-Header-Content-Length", str(len(text))),) if behind else ()
        yield Case("infer", name, model, text + behind, more=more)


def of_scoring() -> Iterator[Case]:
    yield from of_every_door("scoring", "/invocations")
    for name, query, status in (
        ("no such algorithm", "model=nothing.m", 404),
        ("no dot", "model=algo", 404),
        ("no name", "model=", 404),
        ("two dots", "model=a.b.c", 404),
        ("a path", "model=%2Fetc.m", 400),
        ("no such version", "version=9", 404),
        ("a version of letters", "version=x", 400),
        ("version 0", "model=algo.m&version=0", 400),
        ("an empty version", "version=", 400),
        ("two models", "model=algo.m&model=algo.n", 400),
        ("a parameter that means nothing", "modle=algo.n", 400),
    ):
        yield Case("scoring", name, f"/invocations?{query}", status=status)
    for kind in (None, "text/plain", ARROW):
        yield Case("scoring", f"the type {kind}", "/invocations", status=415, kind=kind)
    for number, body in enumerate((b"", b"\n", b'a\n"x', b"a\n1\n2,3\n")):
        yield Case("scoring", f"CSV {number}", "/invocations", body, kind=CSV)
    yield from (Case("scoring", f"JSON {number}", "/invocations", body) for number, body in enumerate(json_bodies()))


def json_bodies() -> list[bytes]:
    bodies = [body for body, _ in test_json_rows.REFUSED]
    return [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]


CASES = [*of_rows(), *of_infer(), *of_scoring()]


def answer_to(service: Service, case: Case) -> tuple[int, str, Any]:
    """The status of an answer, its type, and its JSON."""
    with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(service.url).port, timeout=100)) as client:
        client.putrequest(case.method, case.path, skip_accept_encoding=True)
        for name, value in (*case.headers, *case.more):
            client.putheader(name, service.token if value == TOKEN else value)
        if case.kind is not None:
            client.putheader("Content-Type", case.kind)
        client.putheader("Content-Length", str(len(case.body)))
        client.endheaders(case.body)
        answer = client.getresponse()
        return answer.status, answer.headers.get_content_type(), json.loads(answer.read())


@pytest.fixture(scope="module", autouse=True)
def unharmed(shared_service: Service) -> Iterator[None]:
    """After all of them the same workers answer as before, and no fault is in the log."""

    def good() -> list[Any]:
        rows = send(shared_service, "POST", "/v1/models/algo/m/apply", GOOD, Content_Type=JSON).json
        scored = send(shared_service, "POST", "/invocations", GOOD, Content_Type=JSON).json
        tensors = [test_tensors.column("a", "FP64", [1.0]), test_tensors.column("b", "FP64", [1.0])]
        body = json.dumps({"inputs": tensors}).encode()
        return [rows, scored, send(shared_service, "POST", "/v2/models/algo.n/infer", body).json]

    before, workers = good(), set(shared_service.workers())
    assert before[0] == [{"rows": 2}]
    yield
    assert good() == before
    assert workers <= set(shared_service.workers())
    assert not [each for each in shared_service.events() if each["level"] == "error"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_malformed_request_gets_its_protocols_error(service: Service, case: Case) -> None:
    status, kind, answer = answer_to(service, case)
    assert (status, kind, set(answer)) == (case.status, "application/json", ERRORS[case.door]), answer
    text = " ".join(answer.values())
    assert len(text) < 1000
    assert service.token not in text


@pytest.mark.parametrize("door", ERRORS)
def test_there_are_40_of_them_for_each_door(door: str) -> None:
    assert len([case for case in CASES if case.door == door]) >= 40


def test_the_prefix_of_tensors_is_no_part_of_the_protocol(service: Service) -> None:
    """A client that sends the length as the first bytes, as the front does to workers, is refused."""
    text = b'{"inputs": []}'
    answer = send(service, "POST", "/v2/models/algo.n/infer", struct.pack("<Q", len(text)) + text)
    assert (answer.status, list(answer.json)) == (400, ["error"])
