"""A volume of a DSDL container as its documentation lays it out: all of it works, and nothing in it changes.

``/srv/notebooks/**/NAME.ipynb`` is exported as ``/srv/app/model/NAME.py``, whose models are the files
``/srv/app/model/data/NAME_MODEL…``; staged data, logs and pictures lie beside.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import HEALTHY, write_notebook
from tests.support.service import Service

pytestmark = pytest.mark.process

ROWS = "a,b\n1,2\n3,4\n"
MODULE = "\n\n".join(dedent(part) for part in HEALTHY.values())
# In sub-folders, with odd names; each has been exported, and the export of `moved` is of an older notebook.
NOTEBOOKS = {"plain": "", "moved": "team/detections", "my-zscore": "", "2 words": "drafts of 2024", "größe": "team"}
FITTED_ROWS = 41  # of the flat model files
LOADS_FOLDER = """
    def load(name):
        with open(MODEL_DIRECTORY + name + "/weights.json") as file:
            return json.load(file)
"""


@dataclass
class Volume:
    """The old volume under a running server, and what was in its files before."""

    service: Service
    before: dict[Path, tuple[str, int]]


def state(path: Path) -> tuple[str, int]:
    return hashlib.sha256(path.read_bytes()).hexdigest(), stat.S_IMODE(path.stat().st_mode)


def lay_out(srv: Path) -> None:
    """Make the volume."""
    modules, models, notebooks = srv / "app" / "model", srv / "app" / "model" / "data", srv / "notebooks"
    models.mkdir(parents=True)
    for name, folder in NOTEBOOKS.items():
        write_notebook(notebooks / folder, name)
        (modules / f"{name}.py").write_text(MODULE, encoding="utf-8")
    (modules / "moved.py").write_text(MODULE.replace('"rows": [model["rows"]]', '"stale": [0]'), encoding="utf-8")
    (modules / "only_python.py").write_text(MODULE, encoding="utf-8")
    (modules / "in_folder.py").write_text(MODULE + dedent(LOADS_FOLDER), encoding="utf-8")
    (modules / "helper_of_theirs.py").write_text("WORD = 'help'\n", encoding="utf-8")
    for name in ("plain_web", "only_python_web", "moved_web"):
        (models / f"{name}.json").write_text(json.dumps({"rows": FITTED_ROWS}))
    (models / "in_folder_web").mkdir()
    (models / "in_folder_web" / "weights.json").write_text(json.dumps({"rows": FITTED_ROWS}))
    for name, text in {
        "notebooks/data/web.csv": ROWS,
        "notebooks/data/web.json": '{"options": {"params": {}}, "feature_variables": ["a", "b"]}',
        "notebooks/logs/fit/20240101-000000/events.out.tfevents.1.host": "old",
        "notebooks/.ipynb_checkpoints/plain-checkpoint.ipynb": "{}",
        "notebooks/broken.ipynb": "{",
        "app/graphics/plot.png": "\x89PNG",
        "app/__init__.py": "",
        "app/model/__init__.py": "",
    }.items():
        (srv / name).parent.mkdir(parents=True, exist_ok=True)
        (srv / name).write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Volume]:
    srv = tmp_path_factory.mktemp("old_volume") / "srv"
    lay_out(srv)
    before = {path: state(path) for path in srv.rglob("*") if path.is_file()}
    with Service(srv, srv / "notebooks") as service:
        yield Volume(service, before)


def answered_rows(service: Service, algorithm: str, model: str) -> int:
    """How many rows the model was fitted on, as its apply repeats them."""
    answer = service.apply(algorithm, ROWS, model=model)
    assert answer["status"] == "success", answer
    name, first, *_ = answer["results"].split()
    assert name == "rows"
    return int(first)


@pytest.mark.parametrize("algorithm", ["plain", "only_python", "moved", "in_folder"])
def test_its_models_answer(volume: Volume, algorithm: str) -> None:
    assert answered_rows(volume.service, algorithm, "web") == FITTED_ROWS


@pytest.mark.parametrize("algorithm", [*NOTEBOOKS, "only_python"], ids=ascii)
def test_its_algorithms_fit_and_answer_after_a_restart(volume: Volume, algorithm: str) -> None:
    answer = volume.service.fit(algorithm, ROWS, model="new")
    assert answer["message"].startswith("/fit done successfully. Version 1 of model 'new'"), answer
    assert answered_rows(volume.service, algorithm, "new") == 2


def test_a_new_fit_of_an_old_model_and_staging_leave_the_old_files(volume: Volume) -> None:
    service = volume.service
    assert "Version 1 of model 'web' is now current" in service.fit("plain", ROWS, model="web")["message"]
    assert service.fit("plain", ROWS, model="fresh", mode="stage")["status"] == "staged"
    service.restart()
    assert answered_rows(service, "plain", "web") == 2
    service.send("/v1/models/plain/web/rollback", b"")
    assert answered_rows(service, "plain", "web") == FITTED_ROWS


def test_nothing_in_it_has_changed(volume: Volume) -> None:
    service = volume.service
    service.fit("plain", ROWS, model="web")
    service.restart()
    assert {path: state(path) for path in volume.before} == volume.before
