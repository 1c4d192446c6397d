"""What a door does with a request, without a server: bodies in pieces, faults, clients that hang up, names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import Response

from dltk_runtime.access.actor import NOBODY
from dltk_runtime.access.errors import ModelForbidden, RightMissing
from dltk_runtime.access.holder import INSIDE, Holder, Right
from dltk_runtime.apply.apply import Applied
from dltk_runtime.apply.read_ahead import Upload
from dltk_runtime.call import Call
from dltk_runtime.call import Request as Sent
from dltk_runtime.errors import BodyInvalid, BodyTooLarge, Busy, NameInvalid
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.payload import NO_ROWS, Form, Forms
from dltk_runtime.pool.pool import Pool
from dltk_runtime.server import body
from dltk_runtime.server.connection import KEY
from dltk_runtime.server.doors.asked import accepted, media_type, version_of
from dltk_runtime.server.doors.columns import RESULTS
from dltk_runtime.server.doors.door import (
    MAX_WARNING_CHARACTERS,
    UNKEPT,
    Books,
    Door,
    Wanted,
    headers_of,
    model_of,
)
from dltk_runtime.server.doors.infer import Infer
from dltk_runtime.server.doors.rows import FORMS
from dltk_runtime.server.errors import OUTCOME_GONE, CharsetUnknown, FormUnacceptable, NoModel, VersionInvalid
from dltk_runtime.setting_types import as_plain_hosts
from dltk_runtime.settings import Settings
from dltk_runtime.tables import tensors
from dltk_runtime.worker.memory_file import MemoryFile
from tests.console.inside import World

POOL = Pool(Settings())


class _Ending:
    """A connection whose client hangs up as soon as somebody asks; None ends that."""

    def __init__(self) -> None:
        self._call: Callable[[], object] | None = None

    def when_lost(self, call: Callable[[], object] | None) -> None:
        self._call = call
        if call is not None:
            asyncio.get_running_loop().call_soon(lambda: self._call and self._call())


def request(path: str = "/v2/models/a.m/infer", pieces: Sequence[bytes] = (b"x",), **headers: str) -> Request:
    """A request whose body comes in pieces, and then the client's end."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": each, "more_body": True} for each in pieces]
    messages += [{"type": "http.request", "body": b""}, {"type": "http.disconnect"}]
    sent = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(sent)

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": pairs, "query_string": b"", "client": None}
    state = {"holder": INSIDE, "actor": NOBODY}
    return Request(scope | {"dltk.request_id": "the id", "state": state, KEY: _Ending()}, cast(Any, receive))


def received(pieces: Sequence[bytes], limit: int = 10**7, prefix: bytes = b"") -> Any:
    return asyncio.run(body.receive_rows(request(pieces=pieces), limit, Upload(POOL), prefix))


@pytest.mark.parametrize("size", [1000, body.MIN_UPLOAD_BYTES])
def test_a_body_arrives_whole_behind_its_prefix_also_without_a_length(size: int) -> None:
    pieces = [b"a" * (size // 3), b"", b"b" * size]
    payload = received(pieces, prefix=b"12345678")
    assert bytes(payload.view()) == b"12345678" + b"".join(pieces)
    assert not payload.escaped
    assert isinstance(payload.data, MemoryFile) == (size == body.MIN_UPLOAD_BYTES)


def test_a_body_ends_at_the_limit_and_one_that_is_compressed_before() -> None:
    with pytest.raises(BodyTooLarge):
        received([b"x" * 60, b"x" * 60], limit=100)
    with pytest.raises(BodyInvalid, match="Content-Encoding 'gzip'"):
        asyncio.run(body.receive_rows(request(content_encoding="gzip"), 100, Upload(POOL)))


class Outcomes:
    """A door over a service that does what a test says."""

    def __init__(self, apply: Any) -> None:
        self.outcomes: list[str] = []
        self.refused: list[str] = []
        service = SimpleNamespace(
            settings=Settings(), upload=lambda _: Upload(POOL), apply=apply, hung_up=lambda _: None
        )
        books = Books(lambda _call, outcome, _seconds: self.outcomes.append(outcome), self.refused.append)
        self._door = _Plain(cast(Any, service), books)

    def handle(self, path: str) -> Response:
        async def handled() -> Response:
            response = await self._door.handle(request(path))
            await asyncio.sleep(0)  # the account comes at the loop's next turn
            return response

        return asyncio.run(handled())


class _Plain(Door):
    route = "/plain"

    async def asked(self, request: Request, upload: Upload) -> Sent:
        rows = await self.receive(request, upload)
        return Wanted(ModelName("a", "m")).request(rows, Forms(Form.CSV, Form.CSV), {})

    def answered(self, _: Sent, applied: Applied, /) -> Response:
        return Response(headers=headers_of(applied))


async def breaks(sent: Sent, call: Call) -> Applied:
    raise RuntimeError("not foreseen")


async def full(sent: Sent, call: Call) -> Applied:
    raise Busy("a worker", 7, "DLTK_MAX_WAITING")


async def waits(sent: Sent, call: Call) -> Applied:
    await asyncio.sleep(60)
    raise AssertionError


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/v1/models/a/m/apply", ["detail"]),
        ("/v2/models/a.m/infer", ["error"]),
        ("/invocations", ["error_code", "message"]),
    ],
)
def test_a_fault_has_the_form_of_the_door_and_says_nothing_of_it(path: str, keys: list[str]) -> None:
    door = Outcomes(breaks)
    answer = door.handle(path)
    found = json.loads(bytes(answer.body))
    assert (answer.status_code, list(found)) == (500, keys)
    assert "the container's log has the traceback of request the id" in found[keys[-1]]
    assert (door.outcomes, door.refused) == (["fault"], ["fault"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models/a/m/apply", {"detail": "SAID"}),
        ("/v2/models/a.m/infer", {"error": "SAID"}),
        ("/invocations", {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "SAID"}),
    ],
)
def test_a_full_queue_is_said_by_every_door_and_counted(path: str, body: dict[str, str]) -> None:
    door = Outcomes(full)
    answer = door.handle(path)
    said = str(Busy("a worker", 7, "DLTK_MAX_WAITING"))
    assert answer.status_code == 503
    assert json.loads(bytes(answer.body)) == {key: said if text == "SAID" else text for key, text in body.items()}
    assert (door.outcomes, door.refused) == ([said], ["busy"])


def test_a_client_that_hangs_up_while_it_waits_is_dropped() -> None:
    door = Outcomes(waits)
    door.handle("/invocations")
    assert door.outcomes == [OUTCOME_GONE]


def test_a_model_is_named_by_algorithm_and_model_with_one_dot() -> None:
    assert model_of("größe 2.m") == ModelName("größe 2", "m")
    for text in ("", "m", "a.b.c", ".", "a.m."):
        with pytest.raises((NoModel, NameInvalid)):
            model_of(text)


@pytest.mark.parametrize("endpoint", ["model_ready", "metadata"])
@pytest.mark.parametrize(
    ("holder", "error"),
    [
        (Holder("team", models=("sales_*",)), ModelForbidden),
        (Holder("team", rights=frozenset({Right.READ}), models=("sales_*",)), ModelForbidden),
        (Holder("team", rights=frozenset({Right.FIT})), RightMissing),
    ],
)
def test_a_model_is_described_to_those_who_may_apply_or_read_it(
    endpoint: str, holder: Holder, error: type[Exception]
) -> None:
    infer = Infer(cast(Any, SimpleNamespace(settings=Settings())), UNKEPT)
    asked = request("/v2/models/a.m")
    asked.scope["path_params"], asked.scope["state"]["holder"] = {"name": "a.m"}, holder
    with pytest.raises(error):
        asyncio.run(getattr(infer, endpoint)(asked))


def test_agents_have_no_door_unless_the_setting_opens_one(paths: Paths) -> None:
    assert [World(paths, given).ask("/mcp").status for given in ({}, {"mcp": False}, {"mcp": True})] == [404, 404, 405]


def test_outputs_have_the_datatypes_that_tensors_have() -> None:
    assert {np.dtype(name): datatype for name, datatype in RESULTS.items()} == tensors.DATATYPES


def test_the_containers_status_is_no_model() -> None:
    with pytest.raises(NoModel):
        Wanted(ModelName("dltk_status", "m")).request(NO_ROWS, Forms(Form.CSV, Form.CSV), {})


def test_a_version_is_a_whole_number_from_1() -> None:
    assert [version_of(text) for text in (None, "1", "007")] == [None, 1, 7]
    for text in ("", "0", "-1", "1.5", "x", "٣", "9" * 19):
        with pytest.raises(VersionInvalid):
            version_of(text)


@pytest.mark.parametrize("charset", ["utf-8", '"UTF-8"', "us-ascii", ""])
def test_a_type_is_read_without_its_parameters(charset: str) -> None:
    assert media_type(request(content_type=f"Text/CSV; header=present; charset={charset}")) == "text/csv"
    assert media_type(request()) == ""


def test_a_body_in_other_letters_than_utf_8_is_refused_by_name() -> None:
    with pytest.raises(CharsetUnknown, match="'utf-16': send UTF-8"):
        media_type(request(content_type="application/json; Charset=UTF-16"))


@pytest.mark.parametrize(
    ("given", "form"),
    [
        (None, Form.JSON),
        ("", Form.JSON),
        ("*/*", Form.JSON),
        ("text/html, */*;q=0.1", Form.JSON),
        ("text/csv, application/json", Form.CSV),
        ("application/json;q=0.1, text/csv;q=0.2", Form.CSV),
        ("application/json;q=0, */*", Form.ARROW),
        ("application/json;q=0,text/*", Form.CSV),
        ("application/json;q=0.1, */*", Form.ARROW),
        ("text/csv;q=0.2, text/*;q=0.9, application/json;q=0.5", Form.JSON),
        ("application/*", Form.JSON),
        ("text/csv;q=high", Form.CSV),
    ],
)
def test_results_come_in_the_form_that_accept_prefers(given: str | None, form: Form) -> None:
    headers = {} if given is None else {"accept": given}
    assert accepted(request(**headers), FORMS, Form.JSON) is form


@pytest.mark.parametrize("given", ["text/csv;q=0", "image/*", "*/*;q=0", "text/csv;q=-1", "text", "application/jsonl"])
def test_a_form_that_is_not_wanted_is_not_sent(given: str) -> None:
    with pytest.raises(FormUnacceptable):
        accepted(request(accept=given), FORMS, Form.CSV)


def test_warnings_fit_into_a_header_whatever_they_say() -> None:
    version = VersionId(ModelName("a", "m"), 3)
    headers = headers_of(Applied(version, 2, NO_ROWS, ("zwei\nZeilen “größer”.", "x" * 5000)))
    assert headers["dltk-version"] == "3"
    assert headers["dltk-warning"].startswith(r"zwei\nZeilen \u201cgr\u00f6\u00dfer\u201d. xxx")
    assert len(headers["dltk-warning"]) == MAX_WARNING_CHARACTERS
    headers["dltk-warning"].encode("ascii")


@pytest.mark.parametrize("given", ["", " , ", "*.example.com", "a b", "dltk.example.com:5000"])
def test_hosts_of_agents_are_written_out(given: str) -> None:
    assert as_plain_hosts("dltk.example.com, 10.0.0.7,::1") == ("dltk.example.com", "10.0.0.7", "::1")
    with pytest.raises(ValueError):  # noqa: PT011 - `Settings` says which variable and what it takes
        as_plain_hosts(given)
