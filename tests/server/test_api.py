"""Promise 1, the wire: routes, tokens, texts and order of calls as protocol 1 has them; real HTTP throughout."""

from __future__ import annotations

import concurrent.futures
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime import __version__
from tests.support.service import Service
from tests.support.wire import GATED, Gate, connection, encoded, head, read_all

DATA = "a,b\n1,2\n3,4\n"

RECORDING = {
    "import": """
        import json, os
        import pandas as pd
        MODEL_DIRECTORY = "/srv/app/model/data/"
        calls = []
    """,
    "init": "def init(df, param): calls.append('init'); return {'init': True}",
    "fit": "def fit(model, df, param): calls.append('fit'); return {}",
    "save": """
        def save(model, name):
            calls.append("save " + name[:])  # a text before `name` itself would join the file's name
            with open(MODEL_DIRECTORY + name + ".json", "w") as file:
                json.dump({"saved": name}, file)
    """,
    "load": """
        def load(name):
            calls.append("load " + name[:])
            with open(MODEL_DIRECTORY + name + ".json") as file:
                return json.load(file)
    """,
    "apply": """
        def apply(model, df, param):
            calls.append("apply " + json.dumps(model))
            return pd.DataFrame({"calls": calls})
    """,
    "summary": """
        def summary(model=None):
            calls.append(f"summary {model}")
            return {"version": 1}
    """,
}

ODD_MODEL = {
    "import": "import numpy, pandas as pd",
    "init": "def init(df, param): return {}",
    "fit": "def fit(model, df, param): return {}",
    "apply": """
        def apply(model, df, param):
            model["picture"] = b"cGljdHVyZQ=="
            return df
    """,
    "save": None,
    "load": None,
    "summary": """
        def summary(model=None):
            odd = {"array": numpy.arange(3), "scalar": numpy.float32(0.5), "nan": float("nan"), "bytes": b"x"}
            return odd | {"frame": pd.DataFrame({"a": [1]}), "set": {1}, (1, 2): "tuple key", "half": "\\ud800"}
    """,
}


NOTEBOOKS = {
    "healthy": {},
    "gated": GATED,
    "recording": RECORDING,
    "odd": ODD_MODEL,
    "raises_in_fit": {"fit": "def fit(model, df, param): 1 / 0"},
    "raises_in_init": {"init": "def init(df, param): 1 / 0"},
    "raises_in_save": {"save": "def save(model, name): 1 / 0"},
    "raises_in_apply": {"apply": "def apply(model, df, param): 1 / 0"},
    "does_not_compile": {"fit": "def fit(model, df, param) return"},
}
pytestmark = [pytest.mark.process, pytest.mark.server(notebooks=NOTEBOOKS, fits=[("healthy", DATA)])]


def columns(answer: dict[str, Any]) -> list[str]:
    """The cells of the answer's only column."""
    assert answer["status"] == "success", answer
    return [line.strip('"').replace('""', '"') for line in answer["results"].splitlines()[1:]]


# ---------------------------------------------------------------- answers


def test_a_fit_answers_with_its_results(service: Service) -> None:
    answer = service.fit("healthy", DATA, model="answers")
    assert list(answer) == ["status", "message", "results"]
    assert answer["status"] == "success"
    assert answer["message"].startswith("/fit done successfully")
    assert answer["results"] == "rows\n2\n2\n"


def test_an_apply_answers_with_its_results(service: Service) -> None:
    answer = service.apply("healthy", "a,b\n1,2\n", model="m")
    assert answer == {"status": "success", "message": "/apply done successfully", "results": "rows\n2\n"}


def test_mode_stage_of_the_fit_is_ignored_on_apply(service: Service) -> None:
    assert service.apply("healthy", DATA, model="m", mode="stage")["message"] == "/apply done successfully"


def test_an_apply_without_algo_finds_the_algorithm_through_the_model(service: Service) -> None:
    assert service.apply("", DATA, model="m", threshold="3")["results"] == "rows\n2\n2\n"


@pytest.mark.parametrize(
    ("path", "algo", "data", "opening"),
    [
        ("/fit", "raises_in_init", DATA, "/fit: ERROR: unable to initialize module"),
        ("/fit", "raises_in_fit", DATA, "/fit: ERROR: unable to fit model"),
        ("/fit", "raises_in_save", DATA, "/fit: ERROR: unable to save model"),
        ("/fit", "raises_in_apply", DATA, "/fit: ERROR: unable to apply model"),
        ("/fit", "does_not_compile", DATA, "/fit: ERROR: unable to load algo code from module"),
        ("/fit", "no_such_notebook", DATA, "/fit: ERROR: unable to load algo code from module"),
        ("/fit", "healthy", "\n", "/fit: ERROR: unable to convert raw data to pandas dataframe"),
        ("/apply", "raises_in_apply", DATA, "/apply: ERROR: unable to apply model"),
        ("/apply", "healthy", "\n", "/apply: ERROR: unable to convert raw data to pandas dataframe"),
        ("/apply", "no_such_notebook", DATA, "/apply: ERROR: unable to load algo code from module"),
    ],
)
def test_a_failure_is_http_200_with_an_opening_that_people_look_for(
    service: Service, path: str, algo: str, data: str, opening: str
) -> None:
    answer = json.loads(service.send(path, encoded(data, algo, model="m" if data == "\n" else "failing")))
    assert list(answer) == ["status", "message"]
    assert answer["status"] == "error"
    assert answer["message"].startswith(opening + ". ")


def test_an_error_in_a_notebook_names_cell_and_line_first(service: Service) -> None:
    message = service.fit("raises_in_fit", DATA)["message"]
    assert "ZeroDivisionError" in message
    assert "raises_in_fit.ipynb, cell 3 (mltkc_fit), line 1" in message


# ---------------------------------------------------------------- order of calls


def test_the_order_of_calls_in_a_fit_and_in_an_apply(service: Service) -> None:
    name = "versions/recording/order/1/recording_order"
    assert columns(service.fit("recording", "a\n1\n", model="order")) == [
        "summary None",
        "init",
        "summary {'init': True}",
        "fit",
        f"save {name}",
        'apply {"init": true}',
    ]
    first = [f"load {name}", f'apply {{"saved": "{name}"}}']
    assert columns(service.apply("recording", "a\n1\n", model="order")) == first
    assert columns(service.apply("recording", "a\n1\n", model="order"))[:2] == first


def test_the_second_fit_saves_under_the_next_version(service: Service) -> None:
    for _ in range(2):
        calls = columns(service.fit("recording", "a\n1\n", model="twice"))
    assert "save versions/recording/twice/2/recording_twice" in calls


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "Splunk {}"])
def test_the_token_is_accepted_in_three_forms(service: Service, form: str) -> None:
    assert service.status_of("/summary", token=form.format(service.token)) == 200


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: "",
        lambda token: token[:-1],
        lambda token: token[1:],
        lambda token: token[3],
        lambda token: token + "x",
        lambda token: token.upper() + "A",
        lambda token: f"Basic {token}",
        lambda token: "Bearer ",
        lambda token: f"{token}\xe9\xff",
    ],
)
@pytest.mark.parametrize(("path", "body"), [("/fit", b"{}"), ("/apply", b"{}"), ("/summary", None), ("/", None)])
def test_any_other_token_is_401(service: Service, path: str, body: bytes | None, spoil: Callable[[str], str]) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        service.send(path, body, token=spoil(service.token))
    with caught.value as error:
        assert error.code == 401
        assert error.headers["WWW-Authenticate"] == "Bearer"
        assert list(json.load(error)) == ["detail"]


def test_a_header_that_is_no_text_is_401(service: Service) -> None:
    for value in (b"\xff\xfe\x80", "Bearer ключ".encode(), b"\xc3"):
        with connection(service) as sock:
            sock.sendall(head(service, "/summary", {"Authorization": value, "Connection": "close"}, "GET"))
            assert read_all(sock).startswith(b"HTTP/1.1 401 ")


def test_no_header_at_all_is_401(service: Service) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{service.url}/summary", timeout=60)


def test_a_wrong_token_with_a_large_body_gets_its_401_and_no_reset(service: Service) -> None:
    assert service.status_of("/fit", b"x" * 50_000_000, token="wrong") == 401


# ---------------------------------------------------------------- summary


@pytest.mark.parametrize("path", ["/summary", "/"])
def test_a_summary_is_a_json_string_that_holds_json(service: Service, path: str) -> None:
    service.apply("healthy", DATA, model="m")
    text = json.loads(service.send(path, None))
    assert isinstance(text, str)
    assert json.loads(text) == {
        "app": "Splunk App for Data Science and Deep Learning",
        "runtime": "dltk-runtime",
        "version": __version__,
        "model": "{'rows': 2}",
        "token": "valid",
        "model_summary": {"rows": 2},
    }


def test_the_summary_of_a_model_with_bytes_arrays_and_nan_is_still_json(service: Service) -> None:
    assert service.fit("odd", DATA, model="odd")["status"] == "success"
    found = service.summary()
    assert "b'cGljdHVyZQ=='" in found["model"]
    assert found["model_summary"]["array"] == [0, 1, 2]
    assert found["model_summary"]["nan"] is None
    assert found["model_summary"]["bytes"] == "b'x'"


def test_before_any_model_is_used_the_summary_says_so(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    with Service(tmp_path / "home", tmp_path / "notebooks", DLTK_SPARES="0") as fresh:
        assert fresh.summary() == {
            "app": "Splunk App for Data Science and Deep Learning",
            "runtime": "dltk-runtime",
            "version": __version__,
            "model": "no model exists",
            "token": "valid",
            "model_summary": None,
        }


def test_nothing_waits_for_a_busy_worker(service: Service) -> None:
    gate = Gate(service.home)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        fit = pool.submit(service.fit, "gated", DATA, "gated")  # its own apply stands before the gate
        gate.open_for_one()
        assert fit.result()["status"] == "success"
        apply = pool.submit(service.apply, "gated", DATA, "gated")
        held = gate.wait_for_one()
        try:
            for path in ("/summary", "/", "/livez", "/readyz"):
                service.send(path, None, timeout=60)  # what waits for the worker is not answered at all
            assert not apply.done()
        finally:
            os.close(held)
        assert apply.result()["status"] == "success"
