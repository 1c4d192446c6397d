"""`dltk migrate check`: an old container's volume with models that load, and with models that cannot."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dltk_runtime import cli, landlock
from dltk_runtime.commands import Exit
from dltk_runtime.store.store import ModelName, ModelStore
from dltk_runtime.volume.old import paths_of
from tests.conftest import write_notebook
from tests.store.helpers import promoted

pytestmark = pytest.mark.process

STORED = Path(__file__).parent.parent / "data" / "old_models"
PICKLE = {
    "import": "import os\nimport pickle\nMODEL_DIRECTORY = '/srv/app/model/data/'",
    "load": "def load(name):\n    return pickle.load(open(MODEL_DIRECTORY + name + '.pkl', 'rb'))",
}
VANDAL = """
def load(name):
    path = MODEL_DIRECTORY + name + ".json"
    for place in (MODEL_DIRECTORY + "new", os.path.realpath(path), os.path.dirname(os.path.realpath(path)) + "/other"):
        try:
            with open(place, "a") as file:
                file.write("changed")
        except OSError:
            pass
    try:
        os.remove(os.path.realpath(path))
    except OSError:
        pass
    return {}
"""
MODULE = """
import json
def init(df, param): return {}
def fit(model, df, param): return {}
def apply(model, df, param): return df
def load(name):
    with open("/srv/app/model/data/" + name + ".json") as file:
        return json.load(file)
"""
SEES_OTHERS = """
def load(name):
    if hasattr(sys, "loaded_before"):
        raise ValueError("this process has loaded " + sys.loaded_before)
    sys.loaded_before = name
    return {}
"""
NOTEBOOKS: dict[str, dict[str, str]] = {
    **dict.fromkeys(("scaled", "forest", "boost"), PICKLE),
    "lstm": {
        "import": "import keras\nMODEL_DIRECTORY = '/srv/app/model/data/'",
        "load": "def load(name):\n    return keras.models.load_model(MODEL_DIRECTORY + name + '.h5')",
    },
    "network": {
        "import": "import torch\nMODEL_DIRECTORY = '/srv/app/model/data/'",
        "load": "def load(name):\n    return torch.load(MODEL_DIRECTORY + name + '.pt')",
    },
    "needs": {"import": "import json\nimport a_library_of_ours\nMODEL_DIRECTORY = '/srv/app/model/data/'"},
    "helped": {"import": "from app.model import gone_helper\nMODEL_DIRECTORY = '/srv/app/model/data/'"},
    "crashes": {
        "import": "import os\nMODEL_DIRECTORY = '/srv/app/model/data/'",
        "load": "def load(name):\n    os._exit(3)",
    },
    "vandal": {"import": "import os\nMODEL_DIRECTORY = '/srv/app/model/data/'", "load": VANDAL},
    "alone": {"import": "import sys", "load": SEES_OTHERS},
    "healthy": {},
    "healthy_pair": {},
    "pretrained": {"load": "def load(name):\n    return {'weights': 1}"},
}


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume as it was ``/srv`` of a DSDL container."""
    srv = tmp_path_factory.mktemp("old") / "srv"
    models = srv / "app" / "model" / "data"
    shutil.copytree(STORED, models, ignore=shutil.ignore_patterns("README.md"))
    for name, cells in NOTEBOOKS.items():
        write_notebook(srv / "notebooks", name, **cells)
    (srv / "app" / "model" / "module.py").write_text(MODULE)
    flat = ("healthy_a", "healthy_a_b", "healthy_pair_c", "needs_default", "helped_default", "crashes_default")
    for name in (*flat, "vandal_default", "module_m", "alone_a", "alone_b"):
        (models / f"{name}.json").write_text('{"rows": 3}')
    (models / "healthy_a_scaler.pkl").write_bytes(b"\x80\x04N.")
    (models / "stranger_default.json").write_text("{}")
    return srv


def state(volume: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of every file, and the time of every folder."""
    return {
        str(path.relative_to(volume)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in volume.rglob("*")
    }


def check(volume: Path, *options: object) -> Result:
    return CliRunner().invoke(cli.dltk, ["migrate", "check", str(volume), *map(str, options)])


@pytest.fixture(scope="module")
def lines(volume: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The lines by algorithm and model; nothing in the volume has changed meanwhile."""
    before = state(volume)
    result = check(volume, "--json")
    assert result.exit_code == Exit.FAILED, result.output
    assert state(volume) == before
    return {(each["algorithm"], each["model"]): each for each in json.loads(result.stdout)["models"]}


@pytest.mark.parametrize(
    ("algorithm", "model", "verdict"),
    [
        ("scaled", "default", "loads"),
        ("forest", "default", "refit"),
        ("boost", "default", "use compat"),
        ("lstm", "default", "refit"),
        ("network", "default", "loads"),
        ("needs", "default", "a library is missing"),
        ("helped", "default", "no file"),
        ("crashes", "default", "refit"),
        ("vandal", "default", "loads"),
        ("module", "m", "loads"),
        ("alone", "a", "loads"),
        ("alone", "b", "loads"),  # in a worker of its own: that of `a` has marked its process
        ("healthy", "a", "loads"),
        ("healthy", "a_b", "loads"),
        ("healthy_pair", "c", "loads"),
        ("pretrained", "", "loads"),
    ],
)
def test_each_model_has_its_verdict(
    lines: dict[tuple[str, str], dict[str, Any]], algorithm: str, model: str, verdict: str
) -> None:
    assert lines[algorithm, model]["verdict"] == verdict, lines[algorithm, model]


@pytest.mark.parametrize(
    ("algorithm", "texts"),
    [
        ("scaled", ["written by scikit-learn 1.2.2, read by "]),
        ("forest", ["written by scikit-learn 1.2.2; ", "node array from the pickle has an incompatible dtype"]),
        ("boost", ["written by scikit-learn 1.6.1; ", "1.6.1 in compat", "No module named '_loss'"]),
        ("lstm", ["written by keras 2.9.0; ", "time_major", "lstm.ipynb, cell "]),
        ("needs", ["a_library_of_ours is not installed"]),
        ("helped", ["the volume has no module app.model.gone_helper: (at helped.ipynb, cell "]),
        ("crashes", ["The worker process ended by itself with exit code 3 in step 'load'"]),
        ("network", []),
    ],
)
def test_the_reason_names_format_and_release(
    lines: dict[tuple[str, str], dict[str, Any]], algorithm: str, texts: list[str]
) -> None:
    why = lines[algorithm, "default"]["why"]
    assert all(text in why for text in texts), why
    assert "dltk-check-" not in why, "paths are those of the old container"
    if not texts:
        assert why == ""


def test_the_format_of_each_file_is_named(lines: dict[tuple[str, str], dict[str, Any]]) -> None:
    formats = {algorithm: lines[algorithm, "default"]["formats"] for algorithm in ("forest", "lstm", "network")}
    assert formats == {"forest": "pickle, scikit-learn 1.2.2", "lstm": "HDF5, keras 2.9.0", "network": "torch"}


def test_a_second_file_of_a_model_is_no_model(lines: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert [model for algorithm, model in lines if algorithm == "healthy"] == ["a", "a_b"]
    assert lines["healthy", "a"]["files"] == ["healthy_a.json", "healthy_a_b.json", "healthy_a_scaler.pkl"]
    assert ("healthy", "pair_c") not in lines, "it is a model of healthy_pair"


def test_a_file_without_an_algorithm_is_named_and_not_in_use(lines: dict[tuple[str, str], dict[str, Any]]) -> None:
    line = lines["", ""]
    assert (line["files"], line["verdict"], line["in_use"]) == (["stranger_default.json"], "no file", False)
    assert not lines["pretrained", ""]["in_use"]


def test_only_models_in_use_decide_about_the_exit_code(tmp_path: Path) -> None:
    small = tmp_path / "srv"
    for name in ("healthy", "healthy_pair"):
        write_notebook(small / "notebooks", name, **NOTEBOOKS[name])
    (small / "app/model/data").mkdir(parents=True)
    (small / "app/model/data/healthy_pair_a.json").write_text('{"rows": 3}')
    (small / "app/model/data/healthy_b.json").write_text("damaged")
    used = tmp_path / "used.csv"
    used.write_text("state,model,algorithm\nin use,pair_a,healthy\nunused,b,healthy\n")
    result = check(small, "--in-use", used, "--csv")
    assert result.exit_code == Exit.OK, result.output
    rows = {(row["algorithm"], row["model"]): row for row in csv.DictReader(io.StringIO(result.stdout))}
    found = {name: (row["verdict"], row["in_use"]) for name, row in rows.items()}
    assert found["healthy", "pair_a"] == ("loads", "1"), "the list says which of the readings it is"
    assert found["healthy", "b"] == ("refit", "0")


def test_a_model_that_was_fitted_here_since_is_answered_by_its_version(tmp_path: Path) -> None:
    srv = tmp_path / "srv"
    write_notebook(srv / "notebooks", "healthy")
    (srv / "app/model/data").mkdir(parents=True)
    (srv / "app/model/data/healthy_a.json").write_text("damaged")
    promoted(ModelStore.open(paths_of(srv), keep=2), ModelName("healthy", "a"))
    before = state(srv)
    result = check(srv)
    assert result.exit_code == Exit.OK, result.output
    assert "fitted here since: version 1 answers, and not these files" in result.stdout
    assert state(srv) == before


def test_a_model_in_use_without_a_file_fails(tmp_path: Path) -> None:
    write_notebook(tmp_path / "srv" / "notebooks", "healthy")
    used = tmp_path / "used.csv"
    used.write_text("model,algorithm\nlost,healthy\ngone,\nfar,elsewhere\n$model$,healthy\n$model$,\n")
    result = check(tmp_path / "srv", "--in-use", used)
    assert result.exit_code == Exit.FAILED
    assert "In use: 5 no file." in result.stdout
    assert "is the algorithm elsewhere" in result.stdout
    assert "is the algorithm healthy" not in result.stdout
    assert result.stdout.count("no model has such a name; where $…$ stands for it") == 2


def test_what_is_no_volume_and_no_list_is_refused_by_name(tmp_path: Path) -> None:
    assert "is no volume of a DSDL container" in str(check(tmp_path).exception)
    (tmp_path / "used.csv").write_text("name\nx\n")
    (tmp_path / "notebooks").mkdir()
    assert "has no column 'model'; it has name" in str(check(tmp_path, "--in-use", tmp_path / "used.csv").exception)


def test_where_the_kernel_cannot_protect_the_volume_files_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notebook(tmp_path / "srv" / "notebooks", "vandal", **NOTEBOOKS["vandal"])
    (tmp_path / "srv/app/model/data").mkdir(parents=True)
    (tmp_path / "srv/app/model/data/vandal_default.json").write_text("{}")
    before = state(tmp_path / "srv")
    monkeypatch.setattr(landlock, "absence", lambda: "as on an old kernel")
    monkeypatch.setattr(landlock, "READ_ONLY_VARIABLE", "DLTK_NOT_READ")
    assert check(tmp_path / "srv").exit_code == Exit.OK
    assert state(tmp_path / "srv") == before
