"""Errors and hints about what a notebook needs and does not have: cells, libraries, variables, GPUs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from dltk_runtime.notebook.advice import advice
from dltk_runtime.notebook.algorithm import Algorithm, check
from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.notebook.review import review
from dltk_runtime.notebook.source import Source, read_source
from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.notebook.helpers import module, write_helper
from tests.support.service import ROOT

PLAIN = """
    # %%
    !pip install something
    %matplotlib inline
    import json
    import pandas as pd
    # %%
    import numpy as np
    values = !ls
    # %%
    def init(df, param):
        return {"rows": np.arange(3)}
    # %%
    def fit(model, df, param):
        return pd.DataFrame(df)
    def apply(model, df, param): ...
"""


def raised(action: object) -> Exception:
    try:
        exec(str(action), {"os": os})
    except Exception as error:  # noqa: BLE001 - of any kind
        return error
    raise AssertionError


class TestCells:
    def test_magics_of_an_unnamed_notebook_become_comments_and_are_said(
        self, make_notebook: MakeNotebook, finder: CodeFinder
    ) -> None:
        path = make_notebook("plain", PLAIN)
        source = read_source(path)
        assert [cell.number for cell in source.cells] == [1, 3, 4]
        assert source.cells[0].source.splitlines()[:3] == [
            "# !pip install something",
            "# %matplotlib inline",
            "import json",
        ]
        Algorithm("plain", finder)
        assert module("plain").pd.__name__ == "pandas"
        hints = review(path).hints
        assert hints[0] == "plain.ipynb, cell 1, line 1: `!pip install something`: magics are left out of the algorithm"
        assert any("'np' is defined only in cell 2, which is not exported" in hint for hint in hints)

    def test_the_error_names_the_cell_that_is_lost(self, make_notebook: MakeNotebook) -> None:
        source = read_source(make_notebook("plain", PLAIN))
        said = advice(raised("np.arange(3)"), source)
        assert said.startswith("'np' is defined only in cell 2, which is not exported: keep only imports")
        assert advice(raised("nowhere"), source) == ""

    def test_a_named_cell_with_a_magic_is_a_problem(self, make_notebook: MakeNotebook, paths: Paths) -> None:
        make_notebook("named", extra="%matplotlib inline")
        assert "magics are not exported" in check("named", paths).problems[0]

    @pytest.mark.parametrize("text", ["%time x = 1", "!ls", "df?", "?df", "  !ls", "np.sum??"])
    def test_every_form_of_a_magic_is_left_out(self, make_notebook: MakeNotebook, text: str) -> None:
        path = make_notebook("plain", f"# %%\nimport os\n{text}\ndef fit(a, b, c): ...\n")
        assert read_source(path).cells[0].source.splitlines()[1] == f"# {text}"

    def test_the_review_has_the_exported_cells(self, make_notebook: MakeNotebook) -> None:
        assert review(make_notebook("plain", PLAIN)).exported == (1, 3, 4)


class TestSurroundings:
    def test_a_missing_library_has_a_next_step(self, make_notebook: MakeNotebook) -> None:
        said = advice(raised("import no_such_library.part"), None)
        assert said.startswith("The library 'no_such_library' is not installed in this environment: install it there")
        text = "# %%\nimport no_such_library as n\nimport json, app.model.x, dsdlsupport\n"
        text += "try:\n    import other_one\nexcept ImportError:\n    pass\ndef fit(m, d, p): ...\n"
        hints = review(make_notebook("lib", text)).hints
        assert next(hint for hint in hints if "not installed" in hint).startswith(
            "lib.ipynb, cell 1, line 1: `import no_such_library as n`: the library 'no_such_library' is not installed"
        )
        assert "other_one" not in " ".join(hints)

    def test_a_module_on_a_path_that_the_notebook_adds_is_no_library(
        self, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        write_helper(paths, "../../tools/my_tools.py", "A = 1\n")
        text = "# %%\nimport sys\nsys.path += ['/srv/notebooks/tools']\nimport my_tools\ndef fit(m, d, p): ...\n"
        assert not [hint for hint in review(make_notebook("lib", text)).hints if "not installed" in hint]

    @pytest.mark.parametrize(
        "text",
        [
            "Torch not compiled with CUDA enabled",
            "Found no NVIDIA driver on your system",
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False",
        ],
    )
    def test_cuda_where_there_is_none_has_a_next_step(self, text: str) -> None:
        assert "torch.cuda.is_available()" in advice(RuntimeError(text), None)
        assert "map_location" in advice(AssertionError(text), None)
        variants = re.findall(r"(?:VARIANT|IMAGE)=(\w+)", advice(RuntimeError(text), None))
        assert [(ROOT / "locks" / f"{each}.txt").is_file() for each in variants] == [True, True]

    def test_an_error_whose_text_cannot_be_made_has_none(self) -> None:
        class Odd(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no text")

        assert advice(Odd(), None) == ""

    @pytest.mark.parametrize(
        "read", ["os.environ['HF_TOKEN']", "os.environ.get('HF_TOKEN')", "os.getenv('HF_TOKEN', '')"]
    )
    def test_a_variable_that_is_held_back_is_named(
        self, make_notebook: MakeNotebook, monkeypatch: pytest.MonkeyPatch, read: str
    ) -> None:
        monkeypatch.delenv("HF_TOKEN", raising=False)
        path = make_notebook("asks", init=f"import os\ndef init(df, param): return {read}")
        expected = "the variable HF_TOKEN is held back from notebooks, as its name announces a secret: list it in"
        assert any(expected in hint for hint in review(path).hints)
        assert expected in advice(ValueError("401"), read_source(path)).replace("The variable", "the variable")
        assert expected in advice(ValueError("401"), _other(), [read_source(path)])
        monkeypatch.setenv("DLTK_NOTEBOOK_SECRETS", "HF_TOKEN")
        assert not any("held back" in hint for hint in review(path).hints)
        monkeypatch.setenv("HF_TOKEN", "x")
        assert advice(ValueError("401"), read_source(path)) == ""

    @pytest.mark.parametrize(
        "line", ["from app.model.client import ask", "from app.model import client", "import app.model.client as c"]
    )
    def test_a_variable_that_a_helper_reads_is_named_too(
        self, make_notebook: MakeNotebook, paths: Paths, monkeypatch: pytest.MonkeyPatch, line: str
    ) -> None:
        monkeypatch.delenv("DLTK_NOTEBOOK_SECRETS", raising=False)
        write_helper(paths, "client.py", "import os\ndef ask(): return os.environ['llm_config']\n")
        path = make_notebook("asks", init=f"{line}\ndef init(df, param): return {{}}")
        (hint,) = (each for each in review(path, paths).hints if "held back" in each)
        assert hint.startswith(
            "app/model/client.py, line 2: `def ask(): return os.environ['llm_config']`: the variable"
        )
        monkeypatch.setenv("DLTK_NOTEBOOK_SECRETS", "llm_config")
        assert not any("held back" in each for each in review(path, paths).hints)

    def test_the_key_error_of_the_environment_is_told_from_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HF_TOKEN", raising=False)
        assert advice(raised("os.environ['HF_TOKEN']"), None).startswith("The variable HF_TOKEN is held back")
        assert advice(raised("{}['HF_TOKEN']"), None) == ""
        missing = advice(raised("os.environ['DATABASES']"), None)
        assert missing.startswith(
            "The variable DATABASES is not in the environment of notebooks: set it for the server"
        )

    def test_the_check_names_a_variable_that_is_held_back_for_its_value(
        self, make_notebook: MakeNotebook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("DLTK_NOTEBOOK_SECRETS", raising=False)
        monkeypatch.setenv("DATABASE", "postgres://user:word@db/x")
        path = make_notebook("asks", init="import os\ndef init(df, param): return os.environ['DATABASE']")
        (hint,) = (each for each in review(path).hints if "held back" in each)
        assert "the variable DATABASE is held back from notebooks, as its value looks like a secret: list it" in hint
        monkeypatch.setenv("DATABASE", "db/x")
        assert not any("held back" in each for each in review(path).hints)


def _other() -> Source:
    return Source("a", "a.ipynb", str(Path("/nowhere/a.ipynb")), (), "")
