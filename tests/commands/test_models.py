"""Fits become versions and applies work from them: commits, trials, old volumes, restarts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.support.service import Service

ROWS = "x\n1\n2\n"
STORES_NOTHING = "def save(model, name):\n    return model"


pytestmark = [pytest.mark.process, pytest.mark.server(own=True)]


def version(paths: Paths, number: int, algorithm: str = "algo") -> Path:
    return paths.versions / algorithm / "m" / str(number)


def dltk(paths: Paths, *arguments: str) -> str:
    """Run ``dltk`` over the same home; what it printed."""
    command = [sys.executable, "-m", "dltk_runtime.cli", *arguments, "--home", str(paths.home)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def test_each_fit_is_a_version_and_the_last_one_is_current(
    service: Service, make_notebook: MakeNotebook, paths: Paths
) -> None:
    make_notebook("algo")
    assert "Version 1 of model 'm' is now current" in service.fit("algo", "x\n1\n")["message"]
    assert "Version 2 of model 'm' is now current" in service.fit("algo", "x\n1\n2\n3\n")["message"]
    assert service.apply("algo", "x\n9\n")["results"] == "rows\n3\n"
    assert json.loads((version(paths, 1) / "algo_m.json").read_text()) == {"rows": 1}


def test_the_manifest_says_what_the_version_is(service: Service, make_notebook: MakeNotebook, paths: Paths) -> None:
    make_notebook("algo", fit="def fit(model, df, param):\n    return {'metrics': {'r2': 0.5, 'bad': float('nan')}}")
    service.fit("algo", "x,t,y\n1,a,0\n2,b,1\n", target="y", epochs="3")
    manifest = json.loads((version(paths, 1) / "version.json").read_text())
    assert (manifest["algorithm"], manifest["model"], manifest["number"], manifest["rows"]) == ("algo", "m", 1, 2)
    assert manifest["parameters"] == {"algo": "algo", "epochs": "3"}
    assert manifest["targets"] == ["y"]
    features = [(feature["name"], feature["kind"]) for feature in manifest["features"]]
    assert features == [("x", "number"), ("t", "text"), ("y", "number")]
    assert manifest["train"] == {"r2": 0.5}
    assert manifest["job"] == service.jobs()[0]["id"]
    assert [source["path"] for source in manifest["sources"]] == ["algo.ipynb"]
    assert "pandas" in manifest["libraries"]
    assert {"algo_m.json", "code.json", "summary.json"} <= {each["path"] for each in manifest["files"]}


def test_a_restart_changes_no_answer(service: Service, make_notebook: MakeNotebook) -> None:
    make_notebook("algo")
    service.fit("algo", ROWS)
    before = service.apply("algo", "x\n5\n")
    service.restart()
    assert service.apply("algo", "x\n5\n") == before


def test_a_rollback_is_live_at_the_next_call_and_the_next_fit_moves_on(
    service: Service, make_notebook: MakeNotebook, paths: Paths
) -> None:
    make_notebook("algo")
    service.fit("algo", "x\n1\n")
    service.fit("algo", "x\n1\n2\n")
    dltk(paths, "models", "rollback", "algo", "m")
    assert service.apply("algo", "x\n9\n")["results"] == "rows\n1\n"
    assert "Version 3 of model 'm' is now current" in service.fit("algo", "x\n1\n2\n3\n")["message"]
    assert service.apply("algo", "x\n9\n")["results"] == "rows\n3\n"


def test_old_versions_are_pruned_but_not_the_newest(paths: Paths, make_notebook: MakeNotebook) -> None:
    make_notebook("algo")
    with Service(paths.home, paths.notebooks, DLTK_KEEP_VERSIONS="2") as service:
        for _ in range(4):
            service.fit("algo", ROWS)
        assert [number for number in range(1, 5) if version(paths, number).exists()] == [3, 4]


def test_a_model_that_save_does_not_store_is_kept_and_applied_after_a_restart(
    service: Service, make_notebook: MakeNotebook
) -> None:
    make_notebook(
        "algo",
        init="class Model:\n    pass\n\ndef init(df, param):\n    return Model()",
        fit="def fit(model, df, param):\n    model.rows = len(df)",
        apply="def apply(model, df, param):\n    return pd.DataFrame({'rows': [model.rows] * len(df)})",
        save=STORES_NOTHING,
        summary=None,
    )
    fitted = service.fit("algo", ROWS)
    assert fitted["results"] == "rows\n2\n2\n"
    assert "WARNING" not in fitted["message"]
    assert service.apply("algo", ROWS)["results"] == "rows\n2\n2\n"
    service.restart()
    assert service.apply("algo", ROWS)["results"] == "rows\n2\n2\n"


def test_a_notebook_without_save_and_load_keeps_its_model(service: Service, make_notebook: MakeNotebook) -> None:
    make_notebook("algo", save=None, load=None)
    service.fit("algo", ROWS)
    service.restart()
    assert service.apply("algo", "x\n1\n")["results"] == "rows\n2\n"


def test_promise_8_a_stored_model_that_does_not_load_shows_in_the_message_of_the_fit(
    service: Service, make_notebook: MakeNotebook
) -> None:
    make_notebook("algo", load="def load(name):\n    raise ValueError('cannot be read')")
    answer = service.fit("algo", ROWS)
    assert answer["status"] == "success"
    assert "WARNING: the stored model cannot be used: ValueError: cannot be read" in answer["message"]
    assert "algo.ipynb, cell 6 (mltkc_load), line 2" in answer["message"]
    assert "Version 1 of model 'm' is now current" in answer["message"]  # there is no other


def test_a_version_that_does_not_load_leaves_the_good_one_current(
    service: Service, make_notebook: MakeNotebook
) -> None:
    make_notebook("algo")
    service.fit("algo", "x\n1\n")
    make_notebook("algo", save="def save(model, name):\n    open(MODEL_DIRECTORY + name + '.json', 'w').write('{')")
    answer = service.fit("algo", ROWS)
    assert "Version 2 of model 'm' is stored, but version 1 stays current." in answer["message"]
    assert service.apply("algo", "x\n1\n")["results"] == "rows\n1\n"


def test_a_fit_whose_apply_raises_keeps_its_version_without_serving_it(
    service: Service, make_notebook: MakeNotebook, paths: Paths
) -> None:
    make_notebook("algo")
    service.fit("algo", "x\n1\n")
    make_notebook("algo", apply="def apply(model, df, param):\n    raise RuntimeError('no')")
    answer = service.fit("algo", ROWS)
    assert answer["status"] == "error"
    assert answer["message"].startswith("/fit: ERROR: unable to apply model. RuntimeError: no (at algo.ipynb, cell 4")
    assert "version 1 stays current" in answer["message"]
    assert (version(paths, 2) / "version.json").exists()
    assert service.jobs()[-1]["version"] == 2
    make_notebook("algo")
    assert service.apply("algo", "x\n1\n")["results"] == "rows\n1\n"


def test_flat_files_of_an_old_volume_are_version_0_and_the_next_fit_is_version_1(
    service: Service, make_notebook: MakeNotebook, paths: Paths
) -> None:
    make_notebook("algo")
    old = paths.models / "algo_m.json"
    old.write_text('{"rows": 42}')
    assert service.apply("algo", "x\n1\n")["results"] == "rows\n42\n"
    assert service.apply("", "x\n1\n")["results"] == "rows\n42\n"  # the algorithm is found by the files
    assert "Version 1 of model 'm' is now current" in service.fit("algo", ROWS)["message"]
    assert service.apply("algo", "x\n1\n")["results"] == "rows\n2\n"
    assert old.read_text() == '{"rows": 42}'


def test_a_pretrained_notebook_that_ignores_the_name_is_applied_without_a_fit(
    service: Service, make_notebook: MakeNotebook
) -> None:
    make_notebook("algo", load="def load(name):\n    return {'rows': 7}")
    assert service.apply("algo", "x\n1\n")["results"] == "rows\n7\n"


def test_an_apply_without_algo_uses_the_algorithm_fitted_last(service: Service, make_notebook: MakeNotebook) -> None:
    make_notebook("first")
    make_notebook("second", apply="def apply(model, df, param):\n    return ['second'] * len(df)")
    service.fit("first", ROWS)
    service.fit("second", ROWS)
    assert service.apply("", "x\n1\n")["results"] == "0\nsecond\n"
    service.fit("first", ROWS)
    assert service.apply("", "x\n1\n")["results"] == "rows\n2\n"


def test_apply_sees_the_target_variables_of_the_fit(service: Service, make_notebook: MakeNotebook) -> None:
    make_notebook("algo", apply="def apply(model, df, param):\n    return [param['target_variables'][0]] * len(df)")
    service.fit("algo", "x,y\n1,0\n", target="y")
    assert service.apply("algo", "x\n1\n")["results"] == "0\ny\n"


def test_what_one_apply_puts_into_the_model_is_gone_at_the_next(service: Service, make_notebook: MakeNotebook) -> None:
    count = "model['count'] = model.get('count', 0) + 1\n    return [model['count']] * len(df)"
    make_notebook("algo", apply=f"def apply(model, df, param):\n    {count}")
    service.fit("algo", "x\n1\n")
    assert [service.apply("algo", "x\n1\n")["results"] for _ in range(3)] == ["0\n1\n"] * 3


def test_what_one_apply_changes_deep_inside_the_model_is_undone_before_the_next(
    service: Service, make_notebook: MakeNotebook
) -> None:
    make_notebook(
        "algo",
        init="class Seen:\n    def __init__(self):\n        self.rows = []\n\ndef init(df, param):\n    return Seen()",
        fit="def fit(model, df, param):\n    return {}",
        apply="def apply(model, df, param):\n    model.rows.append(len(df))\n    return [len(model.rows)] * len(df)",
        save="def save(model, name):\n    return model",
        summary="def summary(model=None):\n    return {'seen': len(model.rows) if model else 0}",
    )
    service.fit("algo", "x\n1\n")
    assert [service.apply("algo", "x\n1\n")["results"] for _ in range(5)] == ["0\n1\n"] * 5
    assert service.summary()["model_summary"] == {"seen": 1}  # as the last apply left it


def test_pictures_that_apply_puts_into_the_model_are_in_the_summary(
    service: Service, make_notebook: MakeNotebook
) -> None:
    picture = "model['plot'] = b'iVBOR' + str(len(df)).encode()\n    return df"
    make_notebook("algo", apply=f"def apply(model, df, param):\n    {picture}")
    assert service.summary()["model"] == "no model exists"
    service.fit("algo", ROWS)
    assert "b'iVBOR2'" in service.summary()["model"]
    service.apply("algo", "x\n1\n")
    assert "b'iVBOR1'" in service.summary()["model"]


def test_a_whole_pytorch_model_loads_although_torch_defaults_to_weights_only(
    service: Service, make_notebook: MakeNotebook
) -> None:
    make_notebook(
        "algo",
        **{
            "import": 'import pandas as pd\nimport torch\nMODEL_DIRECTORY = "/srv/app/model/data/"',
            "init": "class Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
            "        self.layer = torch.nn.Linear(1, 1)\n\ndef init(df, param):\n    return Net()",
            "fit": "def fit(model, df, param):\n    return {}",
            "apply": "def apply(model, df, param):\n"
            "    return model.layer(torch.tensor(df[['x']].values, dtype=torch.float32))",
            "save": "def save(model, name):\n    torch.save(model, MODEL_DIRECTORY + name + '.pt')",
            "load": "def load(name):\n    return torch.load(MODEL_DIRECTORY + name + '.pt')",
            "summary": None,
        },
    )
    fitted = service.fit("algo", ROWS)
    assert fitted["message"] == "/fit done successfully. Version 1 of model 'm' is now current."
    assert service.apply("algo", ROWS)["results"] == fitted["results"]
