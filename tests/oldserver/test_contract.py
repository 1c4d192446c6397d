"""What notebooks rely on holds in the stand-in for the old container, line by line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.oldserver import OldContainer
from tests.oldserver.client import DATA, Client
from tests.oldserver.facts import CONTRACT
from tests.support.service import meta_for

pytestmark = pytest.mark.process

SAYS_META = "def apply(model, df, param): return pd.DataFrame({'meta': [json.dumps(param)]})"
ALGORITHMS: dict[str, dict[str, str]] = {
    "plain": {},
    "told": {"apply": SAYS_META},
    "helped": {
        "import": "from app.model import helper\nfrom app.model.helper import WORD\nimport json, pandas as pd",
        "apply": "def apply(model, df, param): return pd.DataFrame({'said': [WORD + helper.WORD]})",
        "save": "def save(model, name): return model",
    },
    "drawing": {"apply": "def apply(model, df, param): open('/srv/app/graphics/a.png', 'w').write('p'); return df"},
    "staging": {"stage": "def stage(name): open('/srv/staged_by_hand', 'w').close()"},
    "forgetful": {"save": "def save(model, name): return model"},
    "supported": {"import": "from dsdlsupport import SplunkSearch\nimport json, pandas as pd"},
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, processes: None) -> Iterator[Client]:
    with OldContainer(tmp_path_factory.mktemp("old")) as old:
        for name, cells in ALGORITHMS.items():
            old.module(name, **cells)
        (old.home / "app" / "model" / "helper.py").write_text("WORD = 'help'\n")
        yield Client(old)


def helpers_are_imported_as_app_model(client: Client) -> None:
    assert client.post("/fit", "helped")["results"] == "said\nhelphelp\n"


def files_lie_where_notebooks_look(client: Client) -> None:
    client.post("/fit", "drawing", model="a")
    client.post("/fit", "drawing", model="a", mode="stage")
    for place in ("app/model/data/drawing_a.json", "app/graphics/a.png", "notebooks/data/a.csv"):
        assert (client.old.home / place).exists(), place


def parameters_keep_their_quotes(client: Client) -> None:
    answer = client.post("/fit", "told", plot='"matrix,pairplot"', epochs="3")
    params = json.loads(answer["results"].partition("\n")[2].strip()[1:-1].replace('""', '"'))["options"]["params"]
    assert (params["plot"], params["epochs"]) == ('"matrix,pairplot"', "3")


def a_session_key_reaches_the_notebook(client: Client) -> None:
    for place in ("options", "search_info"):
        meta = meta_for(DATA, "m", {"algo": "told"})
        meta.setdefault(place, {})["session_key"] = "a-live-key"
        assert b"a-live-key" in client.send("/fit", json.dumps({"data": DATA, "meta": meta}).encode())[1]


def an_apply_names_no_target(client: Client) -> None:
    fit = json.dumps({"data": DATA, "meta": meta_for(DATA, "m", {"algo": "told"}, "b")}).encode()
    assert b"target_variables" in client.send("/fit", fit)[1]
    assert "target_variables" not in client.post("/apply", "told")["results"]


def a_function_stage_is_never_called(client: Client) -> None:
    client.post("/fit", "staging", mode="stage")
    client.post("/fit", "staging")
    assert not (client.old.home / "staged_by_hand").exists()


def a_save_that_stores_nothing_is_lost(client: Client) -> None:
    client.post("/fit", "forgetful")
    assert client.post("/apply", "forgetful")["status"] == "success"
    client.post("/fit", "plain")
    assert client.post("/apply", "forgetful")["message"].startswith("/apply: ERROR: unable to apply model")


def a_summary_before_any_model(client: Client) -> None:
    client.old.stop()
    client.old.start()
    told = json.loads(json.loads(client.send("/summary")[1]))
    assert told["model"] == "no model exists"


CHECKS: dict[str, Callable[[Client], None]] = {
    check.__name__: check
    for check in (
        helpers_are_imported_as_app_model,
        files_lie_where_notebooks_look,
        parameters_keep_their_quotes,
        a_session_key_reaches_the_notebook,
        an_apply_names_no_target,
        a_function_stage_is_never_called,
        a_save_that_stores_nothing_is_lost,
        a_summary_before_any_model,
    )
}


def test_each_line_has_a_check() -> None:
    assert set(CHECKS) == set(CONTRACT)


@pytest.mark.parametrize("line", CONTRACT)
def test_line(client: Client, line: str) -> None:
    CHECKS[line](client)


def test_a_module_that_imports_dsdlsupport_does_not_load(client: Client) -> None:
    assert client.post("/fit", "supported")["message"].startswith("/fit: ERROR: unable to load algo code from module")
