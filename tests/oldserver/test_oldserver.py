"""The stand-in for the old container does what its table of facts says, line by line."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pandas as pd
import pytest

from tests.oldserver import OldContainer
from tests.oldserver.client import DATA, Client
from tests.oldserver.facts import FACTS
from tests.support.service import meta_for, until

pytestmark = pytest.mark.process

TRACE = {
    name: f"""
        def {name}({arguments}):
            with open("/srv/calls", "a") as file:
                file.write("{name}" + {detail} + " ")
            return {result}
    """
    for name, arguments, detail, result in (
        ("init", "df, param", "''", "{}"),
        ("fit", "model, df, param", "''", "{}"),
        ("apply", "model, df, param", "''", "df"),
        ("save", "model, name", "':' + name", "model"),
        ("load", "name", "':' + name", "{}"),
        ("summary", "model=None", "(':none' if model is None else '')", "{}"),
    )
}
ALGORITHMS: dict[str, dict[str, str]] = {
    "healthy": {},
    "tracing": TRACE,
    "echo": {"apply": "def apply(model, df, param): return df"},
    "kinds": {"apply": "def apply(model, df, param): return pd.DataFrame({'kind': [str(each) for each in df.dtypes]})"},
    "array": {"apply": "def apply(model, df, param): return df.to_numpy()"},
    "series": {"apply": "def apply(model, df, param): return df['a']"},
    "lists": {"apply": "def apply(model, df, param): return {'x': [5, 6]}"},
    "no_fit": {"fit": "def fit(model, df, param): raise ValueError('no luck')"},
    "no_init": {"init": "def init(df, param): 1 / 0"},
    "no_save": {"save": "def save(model, name): open(MODEL_DIRECTORY + name + '.json', 'w').write('{'); 1 / 0"},
    "no_apply": {"apply": "def apply(model, df, param): 1 / 0"},
    "no_syntax": {"fit": "def fit(model, df, param) 1"},
    "no_summary": {"summary": None},
    "never_saved": {"save": None},
    "no_load": {"load": None},
    "waiting": {"fit": "def fit(model, df, param): open('/srv/gate').read(); return {}"},
    "edited": {"apply": "def apply(model, df, param): return pd.DataFrame({'said': ['first']})"},
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, processes: None) -> Iterator[Client]:
    with OldContainer(tmp_path_factory.mktemp("old")) as old:
        for name, cells in ALGORITHMS.items():
            old.module(name, **cells)
        yield Client(old)


def a_fit_answers_rows_as_csv(client: Client) -> None:
    assert client.post("/fit", "echo")["results"] == DATA
    assert set(client.post("/fit", "no_fit")) == {"status", "message"}


def success_texts(client: Client) -> None:
    assert client.post("/fit", "healthy")["message"] == "/fit done successfully"
    assert client.post("/apply", "healthy")["message"] == "/apply done successfully"


def staging_writes_two_files(client: Client) -> None:
    answer = client.post("/fit", "healthy", model="staged", mode="stage")
    path = client.old.home / "notebooks" / "data" / "staged.csv"
    assert answer == {
        "status": "staged",
        "message": f"Model data staged successfully in {path} - no model was built yet.",
    }
    assert path.read_text() == DATA
    assert json.loads(path.with_suffix(".json").read_text())["options"]["model_name"] == "staged"


def a_stage_left_in_the_parameters_does_not_stop_an_apply(client: Client) -> None:
    client.post("/fit", "healthy")
    assert client.post("/apply", "healthy", mode="stage")["status"] == "success"


def order_of_calls(client: Client) -> None:
    client.calls()
    client.post("/fit", "tracing")
    assert client.calls() == "summary:none init summary fit save:tracing_m apply"
    client.post("/apply", "tracing")
    assert client.calls() == "apply"
    client.post("/fit", "healthy")
    client.post("/apply", "tracing")
    assert client.calls() == "load:tracing_m apply"


def names_of_saved_models(client: Client) -> None:
    client.post("/fit", "healthy", model="named")
    assert (client.old.home / "app" / "model" / "data" / "healthy_named.json").exists()


def model_without_into(client: Client) -> None:
    client.post("/fit", "healthy", model="")
    assert (client.old.home / "app" / "model" / "data" / "healthy_default.json").exists()


def errors_are_status_200(client: Client) -> None:
    for algo in ("no_fit", "no_init", "nowhere"):
        assert client.post("/fit", algo)["status"] == "error"
    assert client.send("/fit", b"no json")[0] == 200


def openings_of_errors(client: Client) -> None:
    expected = {
        "no_init": "unable to initialize module",
        "no_fit": "unable to fit model",
        "no_save": "unable to save model",
        "no_apply": "unable to apply model",
        "no_syntax": "unable to load algo code from module",
        "nowhere": "unable to load algo code from module",
    }
    for algo, opening in expected.items():
        assert client.post("/fit", algo)["message"].startswith(f"/fit: ERROR: {opening}")
    assert client.post("/fit", "healthy", "\n")["message"].startswith(
        "/fit: ERROR: unable to convert raw data to pandas dataframe"
    )
    assert b"/apply: ERROR: unable to parse json from POST data" in client.send("/apply", b"{")[1]
    (client.old.home / "notebooks" / "data" / "folder.csv").mkdir(exist_ok=True)
    staged = client.post("/fit", "healthy", model="folder", mode="stage")
    assert staged["message"].startswith("/fit: ERROR: unable to stage dataframe")


def errors_have_one_line(client: Client) -> None:
    message = client.post("/fit", "no_fit")["message"]
    assert message == "/fit: ERROR: unable to fit model. Ended with exception: 'no luck'"


def token(client: Client) -> None:
    for given in ("", "wrong", f"Basic {client.old.token}"):
        status, body, headers = client.send("/summary", token=given)
        assert (status, set(json.loads(body)), headers["WWW-Authenticate"]) == (401, {"detail"}, "Bearer")
    for form in ("", "Bearer ", "Splunk "):
        assert client.send("/summary", token=form + client.old.token)[0] == 200


def summary(client: Client) -> None:
    client.post("/fit", "healthy")
    for path in ("/", "/summary"):
        told = json.loads(json.loads(client.send(path)[1]))
        assert told["app"] == "Splunk App for Data Science and Deep Learning"
        assert (told["model"], told["token"], told["model_summary"]) == ("{'rows': 2}", "valid", {"rows": 2})
    client.post("/fit", "healthy", "a\n1\n", model="another")
    assert "{'rows': 1}" in client.send("/summary")[1].decode(), "of the model used last, whichever is asked about"


def graphics(client: Client) -> None:
    (client.old.home / "app" / "graphics" / "plot.png").write_bytes(b"picture")
    assert client.send("/graphics/plot.png", token="")[:2] == (200, b"picture")
    assert client.send("/graphics/none.png", token="")[0] == 404


def compute_is_retired(client: Client) -> None:
    assert client.send("/compute", b"{}")[0] == 410


def non_ascii_is_escaped(client: Client) -> None:
    body = json.dumps({"data": "a\nZoë\n", "meta": meta_for("a\nZoë\n", "m", {"algo": "echo"})}).encode()
    assert rb"Zo\u00eb" in client.send("/fit", body)[1]


def data_is_read_as_pandas_reads_it(client: Client) -> None:
    answer = client.post("/fit", "kinds", "a,b,c,d\n007,1e3,True,NA\n1,2,False,x\n")
    assert answer["results"].split() == ["kind", "int64", "float64", "bool", str(pd.Series(["x"]).dtype)]


def results_pass_through_a_frame(client: Client) -> None:
    assert client.post("/fit", "array")["results"] == "0,1\n1,2\n3,4\n"
    assert client.post("/fit", "series")["results"] == DATA.replace("a,b", "a").replace(",2", "").replace(",4", "")
    assert client.post("/fit", "lists")["results"] == "x\n5\n6\n"


def one_request_at_a_time(client: Client) -> None:
    import os

    os.mkfifo(client.old.home / "gate")
    done: list[str] = []
    fit = threading.Thread(target=lambda: (client.post("/fit", "waiting"), done.append("fit")))
    probe = threading.Thread(target=lambda: (client.send("/summary"), done.append("summary")))
    fit.start()
    gate = os.open(client.old.home / "gate", os.O_WRONLY)  # once somebody reads it
    probe.start()
    probe.join(0.3)
    assert done == []
    os.close(gate)
    fit.join(60)
    probe.join(60)
    until(lambda: len(done) == 2)


def a_fit_overwrites_the_only_copy(client: Client) -> None:
    client.post("/fit", "healthy", model="kept")
    path = client.old.home / "app" / "model" / "data" / "no_save_kept.json"
    path.write_text("{}")
    client.post("/fit", "no_save", model="kept")
    assert path.read_text() == "{"


def stale_code(client: Client) -> None:
    client.post("/fit", "edited")
    client.old.module("edited", apply="def apply(model, df, param): return pd.DataFrame({'said': ['second']})")
    client.post("/fit", "healthy")
    assert client.post("/apply", "edited")["results"] == "said\nfirst\n"


CHECKS: dict[str, Callable[[Client], None]] = {
    check.__name__: check
    for check in (
        a_fit_answers_rows_as_csv,
        success_texts,
        staging_writes_two_files,
        a_stage_left_in_the_parameters_does_not_stop_an_apply,
        order_of_calls,
        names_of_saved_models,
        model_without_into,
        errors_are_status_200,
        openings_of_errors,
        errors_have_one_line,
        token,
        summary,
        graphics,
        compute_is_retired,
        non_ascii_is_escaped,
        data_is_read_as_pandas_reads_it,
        results_pass_through_a_frame,
        one_request_at_a_time,
        a_fit_overwrites_the_only_copy,
        stale_code,
    )
}


def test_each_fact_has_a_check() -> None:
    assert set(CHECKS) == set(FACTS)


@pytest.mark.parametrize("fact", FACTS)
def test_fact(client: Client, fact: str) -> None:
    CHECKS[fact](client)


def test_an_apply_without_an_algorithm_is_an_error(client: Client) -> None:
    meta = meta_for(DATA, "m", {})
    status, answer, _ = client.send("/apply", json.dumps({"data": DATA, "meta": meta}).encode())
    assert (status, json.loads(answer)["status"]) == (200, "error")
    assert b"/apply: ERROR: unable to parse json from POST data" in answer


@pytest.mark.parametrize(("path", "algo"), [("/fit", "no_summary"), ("/fit", "never_saved"), ("/apply", "no_load")])
def test_a_call_that_needs_a_function_the_module_lacks_gets_no_answer(client: Client, path: str, algo: str) -> None:
    client.post("/fit", "healthy")  # so that no other model is in memory
    with pytest.raises(OSError, match="closed connection"):
        client.post(path, algo)
    assert client.post("/apply", "healthy")["status"] == "success"


def test_every_picture_is_a_png(client: Client) -> None:
    (client.old.home / "app" / "graphics" / "plot.svg").write_bytes(b"<svg/>")
    assert client.send("/graphics/plot.svg")[2]["Content-Type"] == "image/png"
