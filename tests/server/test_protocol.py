"""Splunk's wire format: what is accepted, what is refused with which words, and what never gets through."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dltk_runtime.apply.apply import Applied
from dltk_runtime.errors import BodyInvalid, Busy, DltkError, NameInvalid
from dltk_runtime.fit.queue import Submitted
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.payload import Payload
from dltk_runtime.secret_names import meta_without_session_keys
from dltk_runtime.server import protocol
from dltk_runtime.server.tokens import token_matches
from dltk_runtime.service.stage import Staged
from tests.project.patterns import ROOT

VERSION = VersionId(ModelName("umap", "m"), 1)
META = {"options": {"params": {"algo": "umap"}, "model_name": "m"}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
tokens = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


def body(data: Any = "a\n1\n", meta: Any = META) -> bytes:
    return json.dumps({"data": data, "meta": meta}).encode()


# ---------------------------------------------------------------- the token


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "Splunk {}"])
def test_the_token_is_accepted_in_three_forms(form: str) -> None:
    assert token_matches(form.format("s3cret"), "s3cret")


HOSTILE_HEADERS = [
    "",
    " ",
    "s",
    "s3cre",
    "3cret",
    "s3cretx",
    "xs3cret",
    "S3CRET",
    "s3cret ",
    " s3cret",
    "s3cret\0",
    "None",
]
HOSTILE_HEADERS += [
    "Bearer",
    "Bearer ",
    "Bearer  s3cret",
    "bearer s3cret",
    "BearerS3cret",
    "Bearer s3cret x",
    "Basic s3cret",
]
HOSTILE_HEADERS += [
    "Bearer Bearer s3cret",
    "Splunk Bearer s3cret",
    "s3cret,s3cret",
    "s3\u00e7ret",
    "\xff\xfe",
    "\ud800",
]


@pytest.mark.parametrize("header", HOSTILE_HEADERS)
def test_anything_but_the_whole_token_is_refused(header: str) -> None:
    assert not token_matches(header, "s3cret")


HASH = "sha256:" + hashlib.sha256(b"s3cret").hexdigest()


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "Splunk {}"])
def test_a_token_is_accepted_by_its_hash_and_the_hash_is_no_token(form: str) -> None:
    assert token_matches(form.format("s3cret"), HASH)
    for wrong in ("s3cre", "s3cret ", "", HASH, HASH.removeprefix("sha256:"), "Basic s3cret"):
        assert not token_matches(form.format(wrong), HASH)
    assert not token_matches("s3cret", "sha256:")


@pytest.mark.parametrize("token", ["s3cret", HASH])
def test_a_token_is_compared_in_a_time_that_does_not_depend_on_where_it_differs(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert token_matches("s3cret", token)
    monkeypatch.setattr("hmac.compare_digest", lambda *_: False)
    assert not token_matches("s3cret", token)


@pytest.mark.parametrize("header", ["", "Bearer ", "Splunk ", "x"])
def test_an_empty_token_matches_nothing(header: str) -> None:
    assert not token_matches(header, "")


@given(tokens, st.text() | tokens)
def test_a_header_matches_exactly_when_it_is_one_of_the_three_forms(token: str, header: str) -> None:
    forms = {token, f"Bearer {token}", f"Splunk {token}"}
    assert all(token_matches(form, token) for form in forms)
    assert token_matches(header, token) == (header in forms)


def message_of(pieces: protocol.Pieces) -> str:
    return str(json.loads(b"".join(pieces))["message"])


# ---------------------------------------------------------------- what is accepted


def test_a_request_has_its_parts() -> None:
    parameters = {"algo": '"umap"', "mode": "stage", "plot": '"matrix,pairplot"'}
    request = protocol.decode(body(meta={"options": {"params": parameters}, "target_variables": ["y"]}))
    assert (request.algorithm, request.model, request.targets) == ("umap", "default", ["y"])
    assert request.parameters == parameters
    assert request.staging
    assert json.loads(bytes(request.rows.view())) == "a\n1\n"


def test_data_is_taken_over_as_it_is_in_the_body_and_not_copied() -> None:
    sent = bytearray(body("a\n" + "1\n" * 1000))
    data = protocol.decode(sent).rows.view()
    assert bytes(data) == json.dumps("a\n" + "1\n" * 1000).encode()
    with pytest.raises(BufferError):
        sent.append(0)


@pytest.mark.parametrize(
    "text",
    [
        '{"meta": %s, "data": "a"}',
        '{"data": "x", "data": "a", "meta": %s}',
        '{"more": [1, {"data": 2}], "data": "a", "meta": %s}',
        '\n {"data"\t:\r\n"a" , "meta": %s } \n',
        '\ufeff{"data": "a", "meta": %s}',
    ],
    ids=["meta first", "twice the same key", "more keys", "blanks", "byte order mark"],
)
def test_order_and_dressing_do_not_matter(text: str) -> None:
    request = protocol.decode((text % json.dumps(META)).encode())
    assert (bytes(request.rows.view()), request.algorithm, request.model) == (b'"a"', "umap", "m")


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 10**30, 10**4000, 1e308, "\ud800", "\0", [[]], {"a": {}}]
)
def test_a_value_that_other_parsers_refuse_reaches_the_worker(value: Any) -> None:
    meta = META | {"strange": value}
    assert repr(json.loads(protocol.decode(body(meta=meta)).meta_json)) == repr(meta)


@pytest.mark.parametrize("options", [{}, {"options": None}, {"options": {}}, {"options": {"params": None}}])
def test_options_and_parameters_may_be_missing(options: dict[str, Any]) -> None:
    request = protocol.decode(body(meta=options))
    assert (request.algorithm, request.model, request.parameters) == (None, "default", {})


def test_parameters_that_are_no_texts_become_texts() -> None:
    parameters = {"algo": "a", "epochs": 3, "deep": {"x": [1, None]}, "flag": True}
    request = protocol.decode(body(meta={"options": {"params": parameters}}))
    assert request.parameters == {"algo": "a", "epochs": "3", "deep": '{"x": [1, null]}', "flag": "true"}


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "is no JSON"),
        (b"{", "is no JSON"),
        (b"data=1", "is no JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"data"', "must be a JSON object"),
        (b"{}", "lacks 'data' and 'meta'"),
        (b'{"data": ""}', "lacks 'meta'"),
        (b'{"data": "\xff", "meta": {"a": "\xff"}}', "not UTF-8 from byte 10 on"),
        (b'{"data": "a", "meta": {"a": 1' + b"0" * 5000 + b"}}", "is no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"data": "", "meta": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "nested too deeply"),
        (b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b', "meta": {}}', "nested too deeply"),
        (body(meta={"a": json.loads("[" * 120 + "]" * 120)}), "nested more than 100 levels"),
        *((body(data), "'data' must be a text") for data in (None, 1, True, [], {}, ["a"], float("nan"), [[[[1]]]])),
        *((body(meta=meta), "'meta' must be an object") for meta in (None, 1, "x", [], [{}])),
        *((body(meta={"options": bad}), "'meta.options' must be an object, not") for bad in (1, "x", [], [1], True)),
        *((body(meta={"options": {"params": bad}}), "'meta.options.params' must be") for bad in (1, "algo=x", ["x"])),
        *((body(meta={"options": {"params": {"algo": bad}}}), "params.algo' must be a text") for bad in (1, [], {})),
        *((body(meta={"options": {"model_name": bad}}), "model_name' must be a text") for bad in (1, ["m"], {})),
    ],
)
def test_a_body_that_is_not_as_splunk_sends_it_is_refused_with_the_first_thing_that_is_wrong(
    sent: bytes, words: str
) -> None:
    with pytest.raises(BodyInvalid) as caught:
        protocol.decode(sent)
    assert words in caught.value.sentence
    assert len(caught.value.sentence) < 300
    message = message_of(protocol.failed("/fit", caught.value))
    assert message.startswith("/fit: ERROR: unable to parse json from POST data. ")


@given(st.binary())
@example(b'{"data": "\\ud800", "meta": {}}')
@example(b'{"data": "a\nb", "meta": {}}')
@example(b'{"data": "a", "meta": {"\\ud800": "\\udfff"}}')
def test_any_bytes_are_a_request_or_an_error_of_ours(sent: bytes) -> None:
    with contextlib.suppress(DltkError):
        assert bytes(protocol.decode(sent).rows.view()[:1]) == b'"'


@given(json_values, json_values, json_values, json_values, json_values)
def test_any_json_is_a_request_or_an_error_of_ours(data: Any, meta: Any, options: Any, params: Any, value: Any) -> None:
    named = {"params": {"algo": value, "mode": value}, "model_name": value}
    for given_meta in (meta, {"options": options}, {"options": {"params": params}}, {"options": named}):
        for sent in (json.dumps(given_meta), body(data, given_meta), body("a\n1\n", given_meta)):
            with contextlib.suppress(DltkError):
                request = protocol.decode(sent if isinstance(sent, bytes) else sent.encode())
                assert isinstance(json.loads(request.meta_json), dict)
                assert isinstance(request.staging, bool)
                assert all(isinstance(each, str) for each in request.parameters.values())


# ---------------------------------------------------------------- secrets


def test_session_keys_are_taken_out_where_splunk_puts_them() -> None:
    sent = {"options": {"session_key": "k1", "params": {}}, "search_info": {"session_key": "k2", "sid": "1.2"}}
    assert meta_without_session_keys(sent) == {"options": {"params": {}}, "search_info": {"sid": "1.2"}}


def test_what_has_no_session_key_stays_as_it_is() -> None:
    meta = {"options": {"params": {"session": "a", "key": "b"}, "args": ["session_key"]}, "n": [1, {"x": None}]}
    assert meta_without_session_keys(meta) == meta


secret_keys = st.sampled_from(
    [
        *("session_key", "sessionKey", "SESSION_KEY", "session-key", "splunk_session_key"),
        *("auth_token", "authToken", "authorization", "Authorization", "X-Splunk-Authorization"),
        *("authString", "session_keys", "session_key_2", "splunkd_8089"),
    ]
)
inside = st.sampled_from(
    [
        lambda key: json.dumps({"a": [{key: "a live key"}]}),
        lambda key: json.dumps({"a": json.dumps({key: "a live key"})}),
        lambda key: repr({key: "a-live-key"}),
        lambda key: f"{key}=a-live-key&x=1",
        lambda key: f"{key}: Splunk a-live-key",
        lambda key: '{"not": "json" "' + key + '": "a-live-key"}',
        lambda key: '\ufeff {"' + key + '": ["a live key"]}',
        lambda key: 'x={"' + key + '": ["a-live-key"]}',
        lambda key: f"<response><{key}>a-live-key</{key}></response>",
        lambda key: f"https://splunk/x?{key}%3Da-live-key",
        lambda key: f"if {key} == b'a-live-key': pass",
    ]
)


@given(secret_keys, inside, st.booleans())
def test_session_keys_are_taken_out_of_texts(key: str, text: Any, deep: bool) -> None:
    sent: dict[str, Any] = {"options": {"x": [text(key)]}} if deep else {"x": text(key)}
    clean = json.dumps(meta_without_session_keys(sent))
    assert "live key" not in clean
    assert "live-key" not in clean


@pytest.mark.parametrize("scheme", ["Splunk ", "Bearer ", "basic  "])
def test_the_value_of_a_header_is_taken_out_wherever_it_stands(scheme: str) -> None:
    """Headers come as pairs too, where no name is beside the value."""
    key = "a^1_" * 10
    sent = {"headers": [["Authorization", scheme + key], {"name": "Authorization", "value": scheme + key}]}
    assert key not in json.dumps(meta_without_session_keys(sent))


@pytest.mark.parametrize(
    "text",
    [
        *('{"a": 1}', "[1, 2]", "a=b", "{session_key", "| search x=1 session_key", "key: value", "a session key > b"),
        *("Splunk Enterprise", "basic a_name_that_is_very_long_and_has_no_digits", "session keys", "<b>bold</b>"),
    ],
)
def test_texts_without_session_keys_stay_to_the_letter(text: str) -> None:
    assert meta_without_session_keys({"x": [text, {"y": text}]}) == {"x": [text, {"y": text}]}


@given(json_values, secret_keys, st.lists(st.sampled_from(["list", "dict"]), max_size=8))
def test_session_keys_are_taken_out_at_any_depth(value: Any, key: str, way: list[str]) -> None:
    nested: Any = {"kept": value, key: "a live key"}
    for step in way:
        nested = [value, nested] if step == "list" else {"x": value, "y": nested}
    clean = json.dumps(meta_without_session_keys({"top": nested}))
    assert "a live key" not in clean
    assert '"kept"' in clean


@pytest.mark.parametrize(
    "meta",
    [
        {"options": {"params": {"algo": {"session_key": "a live key"}}}},
        {"options": {"params": [{"session_key": "a live key"}]}},
        {"options": [{"session_key": "a live key"}]},
        {"options": {"model_name": {"session_key": "a live key"}}},
    ],
)
def test_an_error_about_a_value_does_not_repeat_the_key_in_it(meta: Any) -> None:
    with pytest.raises(BodyInvalid) as caught:
        protocol.decode(body(meta=meta))
    assert "live" not in str(caught.value)


def test_parameters_carry_no_session_key() -> None:
    parameters = {"algo": "a", "session_key": "a live key", "more": {"session_key": "a live key"}}
    request = protocol.decode(body(meta={"options": {"params": parameters}}))
    assert "live" not in str(request.parameters)


# ---------------------------------------------------------------- answers


@given(st.text(max_size=20), st.binary(max_size=20))
def test_an_answer_is_json_whatever_its_message_holds(message: str, csv: bytes) -> None:
    literal = msgspec.json.encode(csv.hex())
    applied = Applied(VERSION, 1, Payload(literal, escaped=True), (message,))
    answer = json.loads(b"".join(protocol.answered("/apply", applied)))
    text = f"/apply done successfully. WARNING: {message}"
    assert answer == {"status": "success", "message": text, "results": csv.hex()}


@given(st.text(max_size=20))
def test_results_in_plain_csv_arrive_as_they_are(csv: str) -> None:
    applied = Applied(VERSION, 1, Payload(csv.encode("utf-8", "replace"), escaped=False))
    answer = json.loads(b"".join(protocol.answered("/apply", applied)))
    text = csv.encode("utf-8", "replace").decode()
    assert answer == {"status": "success", "message": "/apply done successfully", "results": text}


def test_a_message_with_half_a_character_is_still_json() -> None:
    answer = json.loads(b"".join(protocol.failed("/fit", DltkError("a\ud800b"))))
    assert answer == {"status": "error", "message": "/fit: ERROR: unable to fit model. a?b"}


def test_results_are_there_only_on_success() -> None:
    for answer in (Staged(Path("x.csv"), 1), Submitted("1", VERSION.name)):
        assert set(json.loads(b"".join(protocol.answered("/fit", answer)))) == {"status", "message"}


def test_a_summary_is_a_json_string_that_holds_json() -> None:
    fields = {"app": "dltk-runtime", "model": "b'cGljdHVyZQ=='", "model_summary": None}
    assert json.loads(json.loads(protocol.summary(fields))) == fields


@pytest.mark.parametrize(
    ("route", "error", "opening"),
    [
        (
            "/fit",
            NameInvalid("algorithm", "../x"),
            "/fit: ERROR: unable to load algo code from module. Invalid algorithm name '../x'",
        ),
        ("/fit", Busy("'umap'", 64, "DLTK_MAX_WAITING"), "/fit: ERROR: unable to fit model. 64 requests already wait"),
        (
            "/apply",
            Busy("'umap'", 64, "DLTK_MAX_WAITING"),
            "/apply: ERROR: unable to apply model. 64 requests already wait",
        ),
    ],
)
def test_a_failure_begins_with_the_words_that_people_look_for(route: str, error: DltkError, opening: str) -> None:
    assert message_of(protocol.failed(route, error)).startswith(opening)


def test_no_room_of_the_front_can_unpickle() -> None:
    folders = ("access", "apply", "cluster", "files", "fit", "jobs", "pool", "server", "service", "store", "tracking")
    files = [path for folder in folders for path in (ROOT / "dltk_runtime" / folder).rglob("*.py")]
    imports = re.compile(r"^\s*(import|from) (pickle|cloudpickle|joblib|marshal|dill|shelve)\b", re.MULTILINE)
    assert [path.name for path in files if imports.search(path.read_text(encoding="utf-8"))] == []
