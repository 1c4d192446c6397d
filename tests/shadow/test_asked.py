"""What is decoded of a kept request and its answer, and what is kept of it: bounded, without a session key."""

from __future__ import annotations

import json

import pytest

from dltk_runtime.call import Request
from dltk_runtime.errors import BodyInvalid
from dltk_runtime.names import MAX_NAME_LENGTH
from dltk_runtime.payload import NO_ROWS
from dltk_runtime.server.shadow.asked import REPEATED_MODEL, OldAnswer, ShadowRequest, model_in, named, repeated
from dltk_runtime.server.shadow.kept import TAIL_BYTES, KeptRequest, KeptRoom
from tests.support.service import meta_for

DATA = 'a,b\n1,"x\ny"\n2,é\n'


def sent(model: str = "m", **params: str) -> bytes:
    meta = meta_for(DATA, model, {"algo": "umap", **params})
    meta["options"]["session_key"] = "live-key"
    return json.dumps({"data": DATA, "meta": meta}).encode()


def kept(request: bytes, answer: bytes = b"{}", room: int = 10**6, route: str = "/fit") -> KeptRequest:
    made = KeptRequest(KeptRoom(room), route, "id", b"token")
    for start in range(0, len(request), 100):
        made.add_sent(request[start : start + 100])
    made.complete, made.status = True, 200
    made.add_answer(answer)
    made.end_answer()
    return made


def test_a_request_is_decoded_without_its_session_key() -> None:
    asked = ShadowRequest.of(
        kept(sent(), json.dumps({"status": "success", "message": "", "results": "a\n1\n"}).encode())
    )
    assert asked.request.model == "m"
    assert b"live-key" not in asked.request.meta_json
    assert (asked.old.outcome, json.loads(asked.old.results)) == ("success", "a\n1\n")
    assert asked.rows == 3  # at most: a line break within a cell counts too


def test_what_splunk_does_not_send_is_refused() -> None:
    with pytest.raises(BodyInvalid):
        ShadowRequest.of(kept(b"no json"))


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b'{"status": "error", "message": "/fit: ERROR: secret row"}', "error"),
        (200, b'{"status": "staged", "message": ""}', "staged"),
        (200, b'{"status": "success", "message": ""}', "error"),
        (200, b'{"status": "success", "results": 5}', "error"),
        (200, b"<html>", "no JSON"),
        (200, b"[]", "no JSON"),
        (500, b"{}", "HTTP 500"),
        (0, b"", "no answer"),
    ],
)
def test_an_answer_without_results_has_an_outcome_and_no_text(status: int, body: bytes, outcome: str) -> None:
    assert OldAnswer.of(status, body) == OldAnswer(outcome)


@pytest.mark.parametrize(
    ("mode", "nothing"), [("stage", True), ("'stage'", True), ('"register"', True), ("async", True), ("x", False)]
)
def test_a_mode_may_train_nothing(mode: str, nothing: bool) -> None:
    asked = ShadowRequest.of(kept(sent(mode=mode)))
    assert asked.trains_nothing("/fit") is nothing
    assert not asked.trains_nothing("/apply")


def test_a_repeated_fit_goes_into_a_model_of_its_own_and_is_else_the_same() -> None:
    again = json.loads(repeated("/fit", sent()))
    assert again["meta"]["options"].pop("model_name") == REPEATED_MODEL
    first = json.loads(sent())
    first["meta"]["options"].pop("model_name")
    assert again == first
    assert repeated("/apply", sent()) == sent()
    with pytest.raises(ValueError, match="JSON"):
        repeated("/fit", b"no json")


def test_names_are_kept_on_one_line_and_no_longer_than_ours() -> None:
    """They stand in records, in the labels of metrics and in the report, whatever a request calls its model."""
    meta = {"options": {"params": {"algo": "a\nb\x1b[31m"}, "model_name": "m" * 1_000_000}}
    assert named(Request.of(NO_ROWS, meta)) == ("a b", "m" * MAX_NAME_LENGTH)


def test_what_finds_no_room_is_not_kept_and_gives_its_room_back() -> None:
    room = KeptRoom(250)
    made = KeptRequest(room, "/apply", "id", b"")
    made.add_sent(b"x" * 200)
    assert room.used == 200
    made.add_sent(b"x" * 100)
    assert (room.used, made.crowded, made.sent()) == (0, True, b"")
    made.add_sent(b"x")
    made.drop()
    assert room.used == 0


def test_a_fit_without_room_still_tells_its_model() -> None:
    made = kept(sent("risk"), room=150)
    assert made.crowded
    assert model_in(made.tail) == ("umap", "risk")
    assert len(made.tail) <= TAIL_BYTES


@pytest.mark.parametrize("tail", [b"", b"rows", b'"meta": {"options"', b'"meta": []}', b'"meta": {"options": []}}'])
def test_an_end_that_is_no_meta_tells_none(tail: bytes) -> None:
    assert model_in(tail) is None
