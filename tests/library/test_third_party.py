"""Notebooks as users write them: each fits, survives a restart and applies, or is refused with cell and reason.

``tests/data/third_party`` holds twenty: in sub-folders, with odd names, cells marked by comments or
not at all, magics, helpers by ``sys.path``, prefixes in ``save``, old formats, own words for the
runtime's parameters, credentials. What is refused would fail in a DSDL container, too.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner

from dltk_runtime.cli import dltk
from dltk_runtime.commands import Exit
from tests.support.service import Service

NOTEBOOKS = Path(__file__).resolve().parents[1] / "data" / "third_party"
DATA = "a,b,y\n" + "".join(f"{row},{row % 5 * 2.5},{row * 3 + 1}\n" for row in range(1, 21))
CONFIG = {"llm": {"endpoint": "https://llm.example", "model": "small", "api_key": "key-4f7e1a"}}
pytestmark = pytest.mark.process


@dataclass(frozen=True)
class Case:
    """A notebook's name, its search, and parts of the answer: a column, and a warning or refusal."""

    algorithm: str
    column: str = "score"
    target: str = ""
    params: dict[str, str] = field(default_factory=dict)
    says: str = ""


FITTED = [
    Case("dns_entropy", "0"),
    Case("my-zscore", "z_a"),
    Case("two words"),
    Case("größen"),
    Case("llm_summary", "answer"),
    Case("mode_switch", params={"mode": '"production"'}),
    Case("seasonal_naive", "holdout", params={"holdout": "24"}),
    Case("pip_first"),
    Case("prefix_save", "y", target="y"),
    Case("fstring_save", "cluster"),
    Case("extra_params", "outlier", params={"treshold": "2", "container_image": "golden"}, says="mean 'threshold'"),
    Case("comment_marked"),
    Case("path_helper", "far"),
    Case("2019_old_format"),
    Case("class_model", "high"),
    Case("no_save"),
    Case("try_imports", "kind"),
]
EDITED = "class_model"  # its author saves an `apply` that raises, after the fit
REFUSED = [
    Case("named_magic", says="named_magic.ipynb, cell 1 (mltkc_import), line 1: `%matplotlib inline`: magics are not"),
    Case("missing_library", says="The library 'a_library_nobody_has' is not installed in this environment"),
]


def without_target(data: str) -> str:
    return "".join(line.rpartition(",")[0] + "\n" for line in data.splitlines())


def fit(service: Service, case: Case) -> dict[str, Any]:
    rows = DATA if case.target else without_target(DATA)
    return service.fit(case.algorithm, rows, target=case.target, **case.params)


def apply(service: Service, case: Case) -> dict[str, Any]:
    """An apply repeats the parameters of the fit, and has no target."""
    return service.apply(case.algorithm, without_target(DATA), **case.params)


def break_apply(path: Path) -> None:
    """Save the notebook with an `apply` that raises."""
    notebook = nbformat.read(path, 4)
    (cell,) = (each for each in notebook.cells if "def apply" in each.source)
    cell.source = "def apply(model, df, param):\n    raise NotImplementedError('half done')"
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """The answers of each notebook: of its fit and, after a restart, of its apply."""
    root = tmp_path_factory.mktemp("third_party")
    shutil.copytree(NOTEBOOKS, root / "notebooks")
    secrets = {"DLTK_NOTEBOOK_SECRETS": "llm_config", "llm_config": json.dumps(CONFIG)}
    # As people start it: in PROD, where a version keeps its code.
    with Service(root / "home", root / "notebooks", DLTK_VERSION_CODE="auto", **secrets) as service:
        with ThreadPoolExecutor(4) as pool:
            fitted = pool.map(lambda case: fit(service, case), (*FITTED, *REFUSED))
            found = {case.algorithm: [answer] for case, answer in zip((*FITTED, *REFUSED), fitted, strict=True)}
            break_apply(root / "notebooks" / f"{EDITED}.ipynb")
            service.restart()
            for case, answer in zip(FITTED, pool.map(lambda case: apply(service, case), FITTED), strict=True):
                found[case.algorithm].append(answer)
        yield found


def test_there_are_twenty() -> None:
    names = {unicodedata.normalize("NFC", path.stem) for path in NOTEBOOKS.rglob("*.ipynb")}
    assert names == {case.algorithm for case in (*FITTED, *REFUSED)} | {"daily report"}
    assert len(names) == 20


@pytest.mark.parametrize("case", FITTED, ids=lambda case: ascii(case.algorithm))
def test_it_fits_and_applies_after_a_restart(answers: dict[str, list[dict[str, Any]]], case: Case) -> None:
    fitted, applied = answers[case.algorithm]
    assert (fitted["status"], applied["status"]) == ("success", "success"), [fitted["message"], applied["message"]]
    assert applied["results"] == fitted["results"]
    rows = list(csv.DictReader(io.StringIO(fitted["results"])))
    assert len(rows) == 20
    assert case.column in rows[0]
    assert case.says in fitted["message"]
    assert CONFIG["llm"]["api_key"] not in json.dumps([fitted, applied])


def test_of_the_edited_one_the_fitted_code_answered(answers: dict[str, list[dict[str, Any]]]) -> None:
    fitted, applied = answers[EDITED]
    assert applied["results"] == fitted["results"]
    assert "raise NotImplementedError" not in json.dumps(applied)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.algorithm)
def test_it_is_refused_with_cell_and_reason(answers: dict[str, list[dict[str, Any]]], case: Case) -> None:
    (refused,) = answers[case.algorithm]
    assert refused["status"] == "error"
    assert case.says in refused["message"]
    assert f"{case.algorithm}.ipynb, cell 1 (mltkc_import), line " in refused["message"]


def test_a_report_runs_in_batch(tmp_path: Path) -> None:
    shutil.copytree(NOTEBOOKS / "reports", tmp_path / "reports")
    given = ["--home", str(tmp_path / "home"), "-p", "day=2026-01-31", "--notebook", str(tmp_path / "out.ipynb")]
    result = CliRunner().invoke(dltk, ["batch", str(tmp_path / "reports" / "daily report.ipynb"), *given])
    assert result.exit_code == Exit.OK, result.output
    assert "rows of 2026-01-31" in json.dumps(
        [cell.get("outputs") for cell in nbformat.read(tmp_path / "out.ipynb", 4).cells]
    )
