"""Sources: exported cells, unreadable files, and the code stored in a version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime.notebook.cells import Cell
from dltk_runtime.notebook.errors import NotebookUnreadable
from dltk_runtime.notebook.source import Source, pack, read_source, slow_imports, unpack
from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.notebook.helpers import write_helper


def sources_of(path: Path) -> list[str]:
    return [cell.source for cell in read_source(path).cells]


class TestReading:
    def test_named_cells_are_exported_in_order_with_the_numbers_a_reader_counts(
        self, make_notebook: MakeNotebook
    ) -> None:
        path = make_notebook(
            "umap",
            """
            # %% [markdown]
            Words
            # %% mltkc_import
            import os
            # %%
            print("an experiment")
            # %% mltkc_init tags=dltk
            A = 1
            # %% mltkc_init
            A = 2
            """,
        )
        source = read_source(path)
        assert source.cells == (
            Cell(2, "mltkc_import", "import os"),
            Cell(4, "mltkc_init", "A = 1"),
            Cell(5, "mltkc_init", "A = 2"),
        )
        assert (source.name, source.path, source.origin) == ("umap", "umap.ipynb", str(path))

    def test_without_names_the_tagged_cells_are_exported(self, make_notebook: MakeNotebook) -> None:
        path = make_notebook("tagged", "# %% tags=dltk,other\na = f()\n# %%\nimport os\n# %% tags=parameters\nb = 1\n")
        assert sources_of(path) == ["a = f()"]

    def test_without_names_and_tags_the_cells_that_only_define_are_exported(self, make_notebook: MakeNotebook) -> None:
        path = make_notebook(
            "shapes",
            """
            # %%
            '''Words.'''
            import os
            from sys import path as where
            # %%
            MODEL_DIRECTORY = os.path.join("/srv", "data")
            rate, (width) = 0.5, 3
            limit: int = 3
            # %%
            df = read_csv("x.csv")
            # %%
            def fit(model, df, param): return run()
            class Net: pass
            # %%
            import os
            os.getcwd()
            # %%
            model["x"] = 1
            # %%
            %matplotlib inline
            import os
            # %%
            sys.path.append("/srv/notebooks/lib")
            warnings.filterwarnings("ignore")
            try:
                import fast
            except ImportError:
                fast = None
            # %%
            try:
                import fast
            except ImportError:
                print("none")
            # %%
            %time df = f()
            g()
            # %%

            """,
        )
        assert [cell.number for cell in read_source(path).cells] == [1, 2, 4, 7, 8]

    def test_a_broken_cell_that_would_define_a_function_of_the_contract_counts(
        self, make_notebook: MakeNotebook
    ) -> None:
        path = make_notebook("broken", "# %%\nimport os\n# %%\ndef fit(model, df, param:\n    pass\n# %%\nx = = 1\n")
        assert [cell.number for cell in read_source(path).cells] == [1, 2]

    @pytest.mark.parametrize("name", [None, "", 5, True, ["a"], {"a": 1}, "a\n b"])
    def test_any_value_of_a_name_exports_its_cell(self, paths: Paths, name: object) -> None:
        cell = {"cell_type": "code", "metadata": {"name": name}, "source": ["a = 1\n", "b = 2"]}
        path = paths.notebooks / "any.ipynb"
        path.write_text(json.dumps({"nbformat": 4, "cells": [cell, {"cell_type": "code", "source": "c = 3"}]}))
        assert sources_of(path) == ["a = 1\nb = 2"]
        assert "\n" not in read_source(path).cells[0].filename("any.ipynb")

    def test_outputs_are_never_looked_at(self, paths: Paths) -> None:
        cell = {
            "cell_type": "code",
            "metadata": {"name": "x"},
            "source": "a = 1",
            "outputs": [{"data": float("nan")}, 7],
        }
        path = paths.notebooks / "odd.ipynb"
        path.write_text(json.dumps({"cells": [cell], "metadata": None}), encoding="utf-8-sig")
        assert sources_of(path) == ["a = 1"]

    def test_outputs_do_not_change_the_hash_but_code_does(self, make_notebook: MakeNotebook) -> None:
        path = make_notebook("umap", init="A = 1")
        before = read_source(path).sha256
        document = json.loads(path.read_text())
        document["cells"][0]["outputs"] = [{"output_type": "stream", "text": "hello"}]
        path.write_text(json.dumps(document))
        assert read_source(path).sha256 == before
        assert read_source(make_notebook("umap", init="A = 2")).sha256 != before

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b'{"cells": [{"cell_ty', "not JSON (line 1, column 13"),
            (b"", "not JSON (line 1, column 1"),
            (b'{"cells": []\n\xff}', "not UTF-8 (line 2, byte 13)"),
            (b'{"nbformat": 3, "worksheets": []}', "format 3; format 4 is required"),
            (b'{"nbformat": 4}', "no list of cells"),
            (b"[]", "not a notebook"),
            (b'{"cells": [{"cell_type": "code", "source": 5}]}', "cells[0].source"),
            (b"[" * 100_000, "cannot be read"),
        ],
    )
    def test_a_broken_notebook_is_one_clear_error(self, paths: Paths, content: bytes, says: str) -> None:
        path = paths.notebooks / "broken.ipynb"
        path.write_bytes(content)
        with pytest.raises(NotebookUnreadable) as caught:
            read_source(path)
        assert says in str(caught.value)
        assert str(path) in str(caught.value)
        assert "save it again" in str(caught.value)

    def test_a_missing_file_and_a_wrong_encoding_are_clear_errors_too(self, paths: Paths) -> None:
        with pytest.raises(NotebookUnreadable, match="No such file"):
            read_source(paths.notebooks / "none.ipynb")
        path = write_helper(paths, "odd.py", "# -*- coding: klingon -*-\n")
        with pytest.raises(NotebookUnreadable, match="klingon"):
            read_source(path)

    def test_a_python_file_is_one_cell_named_by_its_path(self, paths: Paths) -> None:
        source = read_source(write_helper(paths, "helper.py", "A = 1\n"))
        assert source.cells == (Cell(0, "", "A = 1\n"),)
        assert source.cells[0].filename(source.path) == source.path == "app/model/helper.py"

    def test_slow_imports_are_found_wherever_they_stand(self) -> None:
        assert slow_imports("import keras.layers as k", "def f():\n    from torch import nn\n", "%magic", "a\0") == (
            "torch",
            "keras",
        )
        assert slow_imports("from . import torch", "import json") == ()


CELLS = st.builds(Cell, st.integers(0, 10**6), st.text(), st.text(st.characters()))
SOURCES = st.builds(Source, st.text(), st.text(), st.text(), st.lists(CELLS).map(tuple), st.text())


class TestPacking:
    @given(st.lists(SOURCES).map(tuple))
    def test_what_was_packed_is_unpacked(self, sources: tuple[Source, ...]) -> None:
        assert unpack(pack(sources)) == sources

    def test_even_a_lone_surrogate_comes_back(self) -> None:
        source = Source("a", "a.ipynb", "/a.ipynb", (Cell(1, "", "'\ud800'"),), "")
        assert unpack(pack([source])) == (source,)
