"""`DLTK_ERROR_TEXTS=place`: texts of exceptions, which hold data, stay out of log, records and events."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from dltk_runtime.errors import FULL_TEXTS, PLACE_ONLY, BodyInvalid
from dltk_runtime.fit.recorded import kept_notices, recorded, recorded_fault
from dltk_runtime.logs import JsonLines
from dltk_runtime.notebook.errors import AlgorithmFailed
from dltk_runtime.paths import Paths
from dltk_runtime.worker.messages import SUMMARY_FAILED
from tests.conftest import MakeNotebook
from tests.splunkd import Splunkd
from tests.support.service import Service, until

DATA = "alice@example.org"
RAISING = {
    "fails": {"fit": "def fit(model, df, param):\n    raise ValueError(f'odd: {df.a[0]}')"},
    "dies": {"fit": "def fit(model, df, param):\n    import os; os._exit(3)"},
    "unused": {"load": "def load(name):\n    raise KeyError(name, 'alice@' + 'example.org')"},
    "silent": {"summary": "def summary(model=None):\n    raise TypeError('alice@' + 'example.org')"},
    "refuses": {"apply": "def apply(model, df, param):\n    raise RuntimeError(df.a[0])"},
}


@pytest.fixture
def place(splunkd: Splunkd, paths: Paths, make_notebook: MakeNotebook) -> Iterator[Service]:
    for name, cells in RAISING.items():
        make_notebook(name, **cells)
    hec = {"splunk_hec_enabled": "1", "splunk_hec_url": splunkd.hec_url, "splunk_hec_token": splunkd.hec_token}
    with Service(paths.home, paths.notebooks, **hec, DLTK_ERROR_TEXTS="place", DLTK_PRELOAD="unused/m") as service:
        yield service


@pytest.mark.process
def test_no_text_of_an_exception_leaves_but_in_the_answer(place: Service, splunkd: Splunkd) -> None:
    answers = {name: place.fit(name, f"a\n{DATA}\n") for name in RAISING}
    answers["again"] = place.apply("refuses", f"a\n{DATA}\n")
    assert [name for name, each in answers.items() if DATA in each["message"]] == [
        "fails", "unused", "silent", "refuses", "again",
    ]  # fmt: skip
    jobs = {each["algorithm"]: each for each in place.jobs()}
    assert jobs["fails"]["error"]["sentence"].startswith("ValueError (at fails.ipynb, cell ")
    assert jobs["fails"]["error"]["coordinates"].endswith("(mltkc_fit), line 2")
    assert jobs["dies"]["error"]["sentence"].startswith("The worker process ended by itself with exit code 3")
    assert "WARNING: the stored model cannot be used: KeyError (at unused.ipynb, cell " in jobs["unused"]["message"]
    assert "WARNING: summary failed: TypeError." in jobs["silent"]["message"]

    def indexed() -> list[dict[str, str]]:
        return [json.loads(row["_raw"]) for row in splunkd.storage.indexes["main"].rows()]

    until(lambda: sum(each["kind"] == "error" for each in indexed()) == 4, 60)
    assert DATA not in json.dumps(indexed())
    place.restart()  # its log has the preload too
    until(lambda: [each for each in place.events() if each["event"] == "preload"])
    assert DATA not in place.log.read_text()
    assert DATA not in json.dumps(place.jobs())
    manifests = [json.loads(path.read_text()) for path in place.home.rglob("version.json")]
    assert DATA not in json.dumps([each["notices"] for each in manifests])


def test_only_type_and_place_are_recorded() -> None:
    error = AlgorithmFailed("x", DATA, DATA, f"a.ipynb, cell 2 (fit), line 7: `x = '{DATA}'`", "ValueError")
    assert recorded(error, PLACE_ONLY) == {
        "sentence": "ValueError (at a.ipynb, cell 2 (fit), line 7)",
        "traceback": "",
        "coordinates": "a.ipynb, cell 2 (fit), line 7",
    }
    assert recorded(error, FULL_TEXTS)["sentence"] == DATA
    assert recorded(BodyInvalid(DATA), PLACE_ONLY)["sentence"] == "BodyInvalid"
    notices = (f"{SUMMARY_FAILED}ValueError: {DATA} (at x)", "the notebook's own words")
    assert kept_notices(notices, PLACE_ONLY) == ("summary failed: ValueError", "the notebook's own words")
    assert kept_notices(notices, FULL_TEXTS) == notices


@pytest.mark.parametrize(("texts", "shown"), [(PLACE_ONLY, False), (FULL_TEXTS, True)])
def test_a_fault_of_the_runtime_keeps_its_frames(texts: str, shown: bool) -> None:
    try:
        raise ValueError(DATA)
    except ValueError as error:
        fault = recorded_fault(error, texts)
        record = logging.LogRecord("dltk", logging.ERROR, "", 0, "fault", (), (type(error), error, error.__traceback__))
        line = JsonLines(texts).format(record)
    assert (DATA in fault["sentence"] + fault["traceback"], DATA in line) == (shown, shown)
    assert "test_error_texts.py" in fault["traceback"]
    assert "test_error_texts.py" in line
    assert "ValueError" in fault["sentence"]
    assert "ValueError" in line
