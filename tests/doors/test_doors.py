"""Every door: the values of Splunk's apply, the version that was asked for, what is refused, and what is counted."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.conftest import write_notebook
from tests.doors import world
from tests.doors.world import FLOWERS, WORDS, Answer, send, splunks
from tests.support.service import Service, until

ARROW, CSV, JSON = "application/vnd.apache.arrow.stream", "text/csv", "application/json"
BROKEN = "def apply(model, df, param): raise ValueError('no such day')"
PRETRAINED = {"load": "def load(name): return {'rows': 7}"}
NOTEBOOKS: dict[str, dict[str, str | None]] = {
    **world.NOTEBOOKS,
    "broken": {"apply": BROKEN},
    "never": {},
    "pretrained": PRETRAINED,
}
pytestmark = [
    pytest.mark.process,
    pytest.mark.server(notebooks=NOTEBOOKS, fits=[world.IRIS_FIT, *world.FITS], DLTK_SCORING_MODEL="iris/m"),
]
ROWS = "/v1/models/iris/m/apply"
INFER = "/v2/models/iris.m/infer"
SCORING = "/invocations"


def arrow(rows: pd.DataFrame) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pandas(rows, preserve_index=False)
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def inputs(rows: pd.DataFrame) -> list[dict[str, Any]]:
    kinds = {"f": "FP64", "i": "INT64", "O": "BYTES", "U": "BYTES"}
    return [
        {
            "name": name,
            "shape": [len(rows)],
            "datatype": kinds[getattr(column.dtype, "kind", "O")],
            "data": list(column),
        }
        for name, column in rows.items()
    ]


def matrix(rows: pd.DataFrame, **more: Any) -> tuple[bytes, dict[str, str]]:
    """A request with the rows as one binary matrix, and its header."""
    data = rows.to_numpy().tobytes()
    tensor = {"name": "x", "shape": list(rows.shape), "datatype": "FP64", "parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [tensor], **more}).encode()
    return head + data, {"Inference_Header_Content_Length": str(len(head))}


def tensors(answer: Answer) -> pd.DataFrame:
    """The results of an inference, binary ones too."""
    size = int(answer.headers.get("inference-header-content-length", len(answer.body)))
    behind, found = answer.body[size:], {}
    for each in json.loads(answer.body[:size])["outputs"]:
        length = each.get("parameters", {}).get("binary_data_size", 0)
        part, behind = behind[:length], behind[length:]
        if not length:
            found[each["name"]] = each["data"]
        elif each["datatype"] == "BYTES":
            found[each["name"]] = texts(part)
        else:
            found[each["name"]] = np.frombuffer(part, {"FP64": "<f8"}[each["datatype"]])
    return pd.DataFrame(found)


def texts(data: bytes) -> list[str]:
    found = []
    while data:
        (length,) = struct.unpack_from("<I", data)
        found.append(data[4 : 4 + length].decode())
        data = data[4 + length :]
    return found


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found.astype(expected.dtypes.to_dict()), expected, check_exact=True)


# ------------------------------------------------------------ the values of Splunk's apply


def rows_in(service: Service, algorithm: str, rows: pd.DataFrame, form: str) -> pd.DataFrame:
    """What the door for rows answers in one form."""
    body = {ARROW: arrow, CSV: lambda each: each.to_csv(index=False).encode(), JSON: as_records}[form](rows)
    answer = send(service, "POST", f"/v1/models/{algorithm.replace(' ', '%20')}/m/apply", body, Content_Type=form)
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, form), answer.body
    if form == ARROW:
        return pa.ipc.open_stream(answer.body).read_all().to_pandas()
    return pd.DataFrame(answer.json) if form == JSON else pd.read_csv(pa.BufferReader(answer.body))


def as_records(rows: pd.DataFrame) -> bytes:
    return json.dumps(rows.to_dict("records")).encode()


@pytest.mark.parametrize("form", [ARROW, JSON])
@pytest.mark.parametrize(("algorithm", "rows"), [("iris", FLOWERS), ("words of it", WORDS)])
def test_rows_have_splunks_values_bit_for_bit(service: Service, algorithm: str, rows: pd.DataFrame, form: str) -> None:
    expected = splunks(service, algorithm, rows)
    same(rows_in(service, algorithm, rows, form), expected)
    same(rows_in(service, algorithm, rows[rows.columns[::-1]], form), expected)  # the order of columns means nothing


def test_csv_is_that_of_splunk(service: Service) -> None:
    text = FLOWERS.to_csv(index=False)
    answer = send(service, "POST", ROWS, text.encode(), Content_Type="text/csv; charset=utf-8", Accept="*/*")
    assert answer.body.decode() == service.apply("iris", text)["results"]


def test_an_inference_has_splunks_values_bit_for_bit(service: Service) -> None:
    expected = splunks(service, "iris", FLOWERS)
    as_text = json.dumps({"inputs": inputs(FLOWERS), "id": "an id"}).encode()
    answer = send(service, "POST", INFER, as_text, Content_Type=JSON)
    assert {name: answer.json[name] for name in ("model_name", "model_version", "id")} == {
        "model_name": "iris.m",
        "model_version": "2",
        "id": "an id",
    }
    same(tensors(answer), expected)
    body, header = matrix(FLOWERS, parameters={"binary_data_output": True})
    answer = send(service, "POST", INFER, body, **header)
    assert answer.headers["content-type"] == "application/octet-stream"
    same(tensors(answer), expected)
    body, header = matrix(FLOWERS, outputs=[{"name": "p_setosa", "parameters": {"binary_data": True}}])
    same(tensors(send(service, "POST", INFER, body, **header)), expected[["p_setosa"]])


def test_an_inference_of_texts_has_splunks_values(service: Service) -> None:
    body = json.dumps({"inputs": inputs(WORDS), "parameters": {"binary_data_output": True}}).encode()
    answer = send(service, "POST", "/v2/models/words%20of%20it.m/infer", body, Content_Type=JSON)
    same(tensors(answer), splunks(service, "words of it", WORDS))


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": FLOWERS.to_dict("split")},
        {"dataframe_records": FLOWERS.to_dict("records")},
        {"inputs": FLOWERS.to_dict("list")},
        {"instances": FLOWERS.to_numpy().tolist()},
    ],
    ids=lambda body: next(iter(body)),
)
def test_invocations_have_splunks_values_bit_for_bit(service: Service, body: Any) -> None:
    answer = send(service, "POST", SCORING, json.dumps(body).encode(), Content_Type=JSON)
    same(pd.DataFrame(answer.json["predictions"]), splunks(service, "iris", FLOWERS))


def test_invocations_take_csv_and_name_their_model(service: Service) -> None:
    path = "/invocations?model=words%20of%20it.m&version=1"
    answer = send(service, "POST", path, WORDS.to_csv(index=False).encode(), Content_Type=CSV)
    same(pd.DataFrame(answer.json["predictions"]), splunks(service, "words of it", WORDS))


def test_large_rows_arrive_whole(service: Service) -> None:
    many = pd.concat([FLOWERS] * 300, ignore_index=True)  # 1.4 MB: through a memory file
    expected = splunks(service, "iris", many)
    same(rows_in(service, "iris", many, ARROW), expected)
    body, header = matrix(many, parameters={"binary_data_output": True})
    same(tensors(send(service, "POST", INFER, body, **header)), expected)


def test_parameters_reach_the_notebook_through_every_door(service: Service) -> None:
    row = FLOWERS.head(1)
    expected = splunks(service, "iris", row).round(1)
    answer = send(service, "POST", f"{ROWS}?rounded=1", arrow(row), Content_Type=ARROW)
    same(pa.ipc.open_stream(answer.body).read_all().to_pandas(), expected)
    body = {"inputs": inputs(row), "parameters": {"rounded": 1, "priority": 3}}
    same(tensors(send(service, "POST", INFER, json.dumps(body).encode())), expected)
    scored = {"inputs": row.to_dict("list"), "params": {"rounded": 1}}
    answer = send(service, "POST", SCORING, json.dumps(scored).encode(), Content_Type=JSON)
    same(pd.DataFrame(answer.json["predictions"]), expected)


# ------------------------------------------------------------ versions


def test_a_version_answers_by_its_number_and_says_when_it_was_never_promoted(service: Service) -> None:
    service.fit(*world.IRIS_FIT, promote="manual")
    paths = {
        f"{ROWS}": "2",
        f"{ROWS}?version=1": "1",
        "/v1/models/iris/m/versions/3/apply": "3",
        "/invocations?version=3": "3",
    }
    for path, number in paths.items():
        answer = send(service, "POST", path, as_records(FLOWERS.head(1)), Content_Type=JSON)
        assert (answer.status, answer.headers["dltk-version"]) == (200, number), answer.body
        assert ("never promoted" in answer.headers.get("dltk-warning", "")) == (number == "3")
    body = json.dumps({"inputs": inputs(FLOWERS.head(1))}).encode()
    answer = send(service, "POST", "/v2/models/iris.m/versions/3/infer", body)
    assert answer.json["model_version"] == "3"
    assert answer.json["parameters"]["warnings"].startswith("version 3, which was asked for, was never promoted")
    assert send(service, "GET", "/v2/models/iris.m/versions/3/ready").status == 200
    assert send(service, "GET", "/v2/models/iris.m").json["versions"] == ["1", "2", "3"]


# ------------------------------------------------------------ health and metadata


def test_health_and_metadata_are_those_of_the_protocol(service: Service) -> None:
    assert all(send(service, "GET", f"/v2/health/{end}", token="none").json == {end: True} for end in ("live", "ready"))
    assert send(service, "GET", "/ping", token="none").status == 200
    server, version = send(service, "GET", "/v2").json, send(service, "GET", "/version").body.decode()
    assert (server["extensions"], server["version"]) == (["binary_tensor_data"], version)
    described = send(service, "GET", "/v2/models/iris.m/versions/1").json
    assert described["inputs"] == [{"name": name, "datatype": "FP64", "shape": [-1]} for name in world.FIELDS]
    assert {each["name"]: each["datatype"] for each in described["outputs"]}["p_setosa"] == "FP64"
    assert send(service, "GET", "/v2/models/iris.m/ready").json == {"name": "iris.m", "ready": True}


@pytest.mark.parametrize("name", ["never.m", "iris.other", "nothing.m", "iris", "a.b.c", "iris.m/versions/9"])
def test_a_model_that_there_is_not_is_not_ready(service: Service, name: str) -> None:
    for path in (f"/v2/models/{name}/ready", f"/v2/models/{name}"):
        answer = send(service, "GET", path)
        assert (answer.status, list(answer.json)) == (404, ["error"])


# ------------------------------------------------------------ one core


def test_every_door_is_counted_and_logged_by_its_name(service: Service) -> None:
    row = as_records(FLOWERS.head(2))
    send(service, "POST", ROWS, row, Content_Type=JSON, X_Request_ID="of-rows")
    send(service, "POST", SCORING, row, Content_Type=JSON, X_Request_ID="of-scoring")
    body = json.dumps({"inputs": inputs(FLOWERS.head(2))}).encode()
    send(service, "POST", INFER, body, X_Request_ID="of-infer")
    known = {"of-rows": "/v1/apply", "of-scoring": "/invocations", "of-infer": "/v2/infer"}
    until(lambda: known.keys() <= {each.get("request") for each in service.events()})
    for event in service.events():
        if event.get("request") in known:
            assert event["event"] == known[event["request"]]
            facts = {name: event[name] for name in ("outcome", "algorithm", "model", "version", "rows")}
            assert facts == {"outcome": "success", "algorithm": "iris", "model": "m", "version": 2, "rows": 2}
            assert {"decode", "apply", "encode"} <= event["phases"].keys()
    text = send(service, "GET", "/metrics").body.decode()
    for route in known.values():
        assert f'dltk_requests_total{{algorithm="iris",outcome="success",route="{route}"}}' in text


def test_rows_of_every_door_count_for_drift(service: Service) -> None:
    write_notebook(service.notebooks, "counted")
    service.fit("counted", "a\n" + "".join(f"{each}\n" for each in range(1000)))
    far = arrow(pd.DataFrame({"a": np.full(1000, 5000.0)}))
    send(service, "POST", "/v1/models/counted/m/apply", far, Content_Type=ARROW)
    judged = until(lambda: [each for each in send(service, "GET", "/v1/drift").json["judgements"] if each["rows"]])
    assert (judged[0]["algorithm"], judged[0]["rows"]) == ("counted", 1000)


def test_a_missing_field_is_refused_and_a_further_one_is_not(service: Service) -> None:
    answer = rows_in(service, "iris", FLOWERS.assign(more=1), ARROW)
    assert len(answer) == len(FLOWERS)
    lacking = send(service, "POST", ROWS, arrow(FLOWERS[world.FIELDS[:3]]), Content_Type=ARROW)
    assert lacking.status == 422
    assert lacking.json["detail"].startswith("the request lacks the field 'petal width', which the model was fitted on")
    assert "Splunk" not in lacking.json["detail"]


def test_what_a_notebook_raises_has_its_place(service: Service) -> None:
    service.fit("broken", "a\n1\n")
    answer = send(
        service, "POST", "/v2/models/broken.m/infer", json.dumps({"inputs": inputs(pd.DataFrame({"a": [1]}))}).encode()
    )
    assert (answer.status, list(answer.json)) == (422, ["error"])
    assert "ValueError: no such day (at broken.ipynb, cell 4 (mltkc_apply), line 1" in answer.json["error"]


def test_a_model_that_was_never_fitted_is_not_found(service: Service) -> None:
    answer = send(service, "POST", "/v1/models/never/fitted/apply", b"a\n1\n", Content_Type=CSV)
    assert (answer.status, "Fit it first" in answer.json["detail"]) == (404, True)


def test_a_model_that_its_notebook_brings_answers_and_is_ready_from_then_on(service: Service) -> None:
    ready = "/v2/models/pretrained.x/ready"
    assert send(service, "GET", ready).status == 404
    answer = send(service, "POST", "/v1/models/pretrained/x/apply", b"a,b\n1,2\n", Content_Type=CSV)
    assert (answer.body, answer.headers["dltk-version"]) == (b"rows\n7\n", "0")
    assert send(service, "GET", ready).status == 200
    body = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}]}).encode()
    matrix_of_unknown = send(service, "POST", "/v2/models/pretrained.x/infer", body)
    assert (matrix_of_unknown.status, "no fit says which" in matrix_of_unknown.json["error"]) == (400, True)


def test_the_document_has_the_forms_of_rows(service: Service) -> None:
    paths = send(service, "GET", "/v1/openapi.json").json["paths"]
    for path in ("/v1/models/{algorithm}/{model}/apply", "/v1/models/{algorithm}/{model}/versions/{number}/apply"):
        operation = paths[path]["post"]
        for each in (operation["requestBody"], operation["responses"]["200"]):
            assert each["content"].keys() == {ARROW, CSV, JSON}
        assert ("number" if "number" in path else "version") in {each["name"] for each in operation["parameters"]}
