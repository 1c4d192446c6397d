"""`dltk convert`: a plain notebook becomes an algorithm in a file of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dltk_runtime.cli import dltk
from dltk_runtime.commands import Exit
from dltk_runtime.notebook.algorithm import check
from dltk_runtime.notebook.errors import NotebookUnreadable
from dltk_runtime.notebook.source import read_source
from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook

PLAIN = """
    # %% [markdown]
    Words
    # %%
    !pip install x
    import json
    import pandas as pd
    # %%
    df = pd.read_csv("x.csv")
    # %%
    LIMIT = 3
    # %%
    def init(df, param): return {}
    def fit(model, df, param): return {}
    # %%
    # mltkc_apply
    apply = make_it()
    # %%
    def save(model, name): json.dump(model, open("/srv/app/model/data/" + name, "w"))
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(dltk, ["convert", *map(str, arguments)])


def test_cells_get_names_and_magics_cells_of_their_own(paths: Paths, make_notebook: MakeNotebook) -> None:
    before = make_notebook("plain", PLAIN)
    text = before.read_text()
    result = run(before)
    target = paths.notebooks / "plain_algorithm.ipynb"
    assert result.exit_code == Exit.OK, result.output
    assert result.output.splitlines() == [
        "cell 2: mltkc_import (imports)",
        "cell 3: - (computes: an experiment)",
        "cell 4: mltkc_define (defines)",
        "cell 5: mltkc_init (defines init, fit)",
        "cell 6: mltkc_apply (is marked by a comment)",
        "cell 7: mltkc_save (defines save)",
        f"Written: {target}, algo=plain_algorithm",
    ]
    assert before.read_text() == text
    assert check("plain_algorithm", paths).problems == ()
    assert [cell.number for cell in read_source(target).cells] == [3, 5, 6, 7, 8]
    cells = json.loads(target.read_text())["cells"]
    assert (cells[1]["source"], cells[1]["metadata"]) == ("!pip install x", {})
    assert cells[2]["source"] == "import json\nimport pandas as pd"


def test_what_is_missing_is_said_and_nothing_is_overwritten(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    path = make_notebook("plain", "# %%\nimport os\n# %%\nprint(1)\n")
    result = run(path, "--to", tmp_path / "my algo.ipynb")
    assert result.exit_code == Exit.FAILED
    assert 'algo="my algo"' in result.output
    assert "init(df, param) is missing: define it in a cell named mltkc_init." in result.output
    assert run(path, "--to", tmp_path / "my algo.ipynb").exit_code == Exit.USAGE
    assert run(path, "--to", "x", "--in-place").exit_code == Exit.USAGE
    before = path.read_text()
    assert run(path, "--dry-run").exit_code == Exit.FAILED
    assert path.read_text() == before
    run(path, "--in-place")
    assert [cell.name for cell in read_source(path).cells] == ["mltkc_import"]


CODE: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "source": "x = 1"}
NO_NOTEBOOKS: dict[str, Any] = {
    "a list": [],
    "no cells": {"nbformat": 3, "worksheets": []},
    "a text for a cell": {"cells": ["x"]},
    "no metadata": {"cells": [CODE | {"metadata": None}]},
    "numbers for lines": {"cells": [CODE | {"source": [1]}]},
}


@pytest.mark.parametrize("content", NO_NOTEBOOKS.values(), ids=NO_NOTEBOOKS)
def test_a_file_that_is_no_notebook_is_said(tmp_path: Path, content: Any) -> None:
    (tmp_path / "x.ipynb").write_text(json.dumps(content))
    result = run(tmp_path / "x.ipynb")
    assert result.exit_code == Exit.FAILED
    assert isinstance(result.exception, NotebookUnreadable)
    assert not (tmp_path / "x_algorithm.ipynb").exists()


def test_a_file_that_is_cut_off_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "x.ipynb").write_text('{"cells": [')
    assert "x.ipynb cannot be read: it is not JSON (line 1, column " in str(run(tmp_path / "x.ipynb").exception)
