"""`dltk_status`: a search asks the container about itself, and gets rows."""

from __future__ import annotations

import csv
import io

import pytest

from dltk_runtime.names import STATUS_COLUMNS
from tests.support.service import Service, meta_for

ROWS = "_time\n1700000000\n"


NOTEBOOKS = {
    "algo": {"fit": "def fit(model, df, param):\n    model['rows'] = len(df)\n    return {'metrics': {'f1': 0.93}}"},
    "fails": {"fit": "def fit(model, df, param): raise ValueError('one,\\n\"two\"')"},
}
pytestmark = pytest.mark.server(notebooks=NOTEBOOKS, fits=[("algo", "x\n1\n2\n"), ("fails", "x\n1\n2\n")])


def rows_of(answer: dict[str, str]) -> list[dict[str, str]]:
    assert answer["status"] == "success", answer
    return list(csv.DictReader(io.StringIO(answer["results"])))


def test_jobs_and_models_are_rows_with_plain_names(service: Service) -> None:
    rows = rows_of(service.apply("dltk_status", ROWS, model="dltk_status"))
    assert list(rows[0]) == list(STATUS_COLUMNS)
    assert [row["kind"] for row in rows] == ["container", "job", "job", "model", "version"]
    container, failed, succeeded, model, version = rows
    assert container["state"] == "running"
    assert (failed["algorithm"], failed["state"], failed["version"]) == ("fails", "failed", "")
    assert 'ValueError: one,\n"two"' in failed["message"]
    assert (succeeded["state"], succeeded["version"], succeeded["rows"]) == ("succeeded", "1", "2")
    assert (model["model"], model["version"], model["state"]) == ("m", "1", "current")
    assert (model["job"], model["metrics"]) == (succeeded["job"], "train f1=0.93")
    same = ("algorithm", "model", "version", "state", "job", "time", "rows", "metrics")
    assert [version[each] for each in same] == [model[each] for each in same]


def test_the_model_s_name_is_enough_and_so_is_the_algorithm(service: Service) -> None:
    expected = [row["kind"] for row in rows_of(service.apply("", ROWS, model="dltk_status"))]
    assert [row["kind"] for row in rows_of(service.apply("dltk_status", "a,b\n1,2\n", model="any"))] == expected


@pytest.mark.parametrize("data", ["\n", "", "a,b\n1", 'a\n"'])
def test_whatever_rows_are_sent(service: Service, data: str) -> None:
    meta = meta_for("a\n", "dltk_status", {"algo": "dltk_status"})
    assert rows_of(service.post("/apply", data, meta))[0]["kind"] == "container"


def test_a_fit_answers_too_so_that_a_search_can_make_the_stub(service: Service) -> None:
    rows = rows_of(service.fit("dltk_status", ROWS, model="dltk_status"))
    assert len([row for row in rows if row["kind"] == "job"]) == 2  # and it is none
