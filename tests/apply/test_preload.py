"""Models that DLTK_PRELOAD names are loaded before the server is ready; several workers may serve one model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dltk_runtime.errors import SettingInvalid
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelName
from tests.conftest import MakeNotebook
from tests.support.service import Service, until

GATED_LOAD = """
    def load(name):
        import os, pathlib, threading
        folder = pathlib.Path(MODEL_DIRECTORY)
        (folder / "loading").touch()
        while not (folder / "open").exists():
            threading.Event().wait(0.01)
        return {"process": os.getpid()}
"""
PROCESS = """
    def apply(model, df, param):
        return pd.DataFrame({"process": [model["process"]]})
"""
MEETING = """
    def apply(model, df, param):
        import os, pathlib, threading
        folder = pathlib.Path(MODEL_DIRECTORY)
        (folder / f"here-{os.getpid()}").touch()
        for _ in range(1000):
            if len(list(folder.glob("here-*"))) == 2:
                return pd.DataFrame({"met": [True]})
            threading.Event().wait(0.01)
        return pd.DataFrame({"met": [False]})
"""


@pytest.mark.process
def test_the_server_is_ready_once_the_models_are_loaded(tmp_path: Path, make_notebook: MakeNotebook) -> None:
    notebooks = make_notebook("slow", load=GATED_LOAD, apply=PROCESS, fit="def fit(model, df, param): return {}").parent
    data = tmp_path / "server" / "app" / "model" / "data"
    data.mkdir(parents=True)
    with Service(tmp_path / "server", notebooks, DLTK_PRELOAD="slow/m") as service:
        until((data / "loading").exists)
        assert service.status_of("/readyz") == 503
        assert service.status_of("/livez") == 200
        (data / "open").touch()
        until(lambda: service.status_of("/readyz") == 200)
        first = service.apply("slow", "x\n1\n")
        assert first["status"] == "success"
        assert int(first["results"].split()[1]) in service.workers()
        [event] = [each for each in service.events() if each["event"] == "preload"]
        assert (event["algorithm"], event["outcome"]) == ("slow", "success")


@pytest.mark.process
def test_a_model_that_cannot_be_loaded_is_told_and_holds_up_nobody(tmp_path: Path, make_notebook: MakeNotebook) -> None:
    broken = "def load(name): raise ValueError('no such file')"
    notebooks = make_notebook("broken", load=broken).parent
    with Service(tmp_path / "server", notebooks, DLTK_PRELOAD="broken/m, gone/m") as service:
        until(lambda: service.status_of("/readyz") == 200)
        told = {each["algorithm"]: each["outcome"] for each in service.events() if each["event"] == "preload"}
        assert "no such file" in told["broken"]
        assert "gone" in told["gone"]


def test_names_are_read_from_the_variable() -> None:
    assert Settings.from_env({"DLTK_PRELOAD": "a/m, b/n,"}).preload == (ModelName("a", "m"), ModelName("b", "n"))


@pytest.mark.parametrize("value", ["a", "a/b/c", "a/../b", "a/m b/m"])
def test_a_name_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SettingInvalid, match="DLTK_PRELOAD"):
        Settings.from_env({"DLTK_PRELOAD": value})


@pytest.mark.process
def test_two_workers_serve_one_model_at_once_where_api_workers_allows_it(
    tmp_path: Path, make_notebook: MakeNotebook
) -> None:
    notebooks = make_notebook("meeting", apply=MEETING, load="def load(name): return {}").parent
    with Service(tmp_path / "server", notebooks, api_workers="2", DLTK_SPARES="0") as service:
        (tmp_path / "server" / "app" / "model" / "data").mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(lambda _: service.apply("meeting", "x\n1\n"), range(2)))
    assert [answer["results"] for answer in answers] == ["met\nTrue\n"] * 2
