"""The contract: what `check` finds, which files are algorithms, and what a worker binds."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dltk_runtime.notebook.algorithm import Algorithm, algorithms, check, contract_of, find
from dltk_runtime.notebook.cells import Cell
from dltk_runtime.notebook.coordinates import coordinates
from dltk_runtime.notebook.errors import AlgorithmInvalid, AlgorithmUnknown, NotebookUnreadable
from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.notebook.source import Source, pack, read_source
from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook


def write_module(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path


ALGORITHM = "def init(df, param): ...\ndef fit(model, df, param): ...\ndef apply(model, df, param): ...\n"


class TestCheck:
    def test_a_whole_notebook_has_no_problem_and_its_functions_have_places(
        self, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        make_notebook("umap", stage="import json\n\ndef stage(name):\n    return json, name\n")
        contract = check("umap", paths)
        assert contract.problems == ()
        assert list(contract.functions) == ["init", "fit", "apply", "save", "load", "summary", "stage"]
        assert str(contract.functions["stage"]) == "umap.ipynb, cell 8 (mltkc_stage), line 3: `def stage(name):`"

    def test_all_problems_are_found_at_once_each_with_its_place(
        self, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        make_notebook(
            "bad",
            init=None,
            fit="# Trains.\ndef fit(model, df): ...",
            apply="def apply(model, df, param):\n    return = 1",
            save="def save(*, a): ...",
            load="%time\ndef load(name): ...",
        )
        called = "it cannot be called as"
        magics = "magics are not exported; move them to a cell that is not part of the algorithm"
        assert check("bad", paths).problems == (
            "bad.ipynb, cell 3 (mltkc_apply), line 2: `return = 1`: invalid syntax",
            f"bad.ipynb, cell 5 (mltkc_load), line 1: `%time`: {magics}",
            f"bad.ipynb, cell 2 (mltkc_fit), line 2: `def fit(model, df): ...`: {called} fit(model, df, param)",
            f"bad.ipynb, cell 4 (mltkc_save), line 1: `def save(*, a): ...`: {called} save(model, name)",
            "bad.ipynb has no function init(df, param)",
        )

    @pytest.mark.parametrize(
        "define",
        [
            "def fit(a, b, c): ...",
            "def fit(*args): ...",
            "def fit(model, *rest, **more): ...",
            "def fit(model, df, param=None, verbose=True, *, log=print): ...",
            "def fit(model, df, param, /): ...",
            "fit = lambda m, d, p: m",
            "from app.model.helper import train as fit",
            "import helper.train as fit",
            "fit, other = make()",
            "fit: object = make()",
            "@decorated\ndef fit(anything): ...",
            "class fit: ...",
            "from helper import *",
            "if True:\n    def fit(m, d, p): ...\nelse:\n    pass",
            "try:\n    from a import fit\nexcept ImportError:\n    fit = None",
            "def fit(wrong): ...\ndef fit(m, d, p): ...",
        ],
    )
    def test_a_function_that_may_be_callable_is_no_problem(
        self, paths: Paths, make_notebook: MakeNotebook, define: str
    ) -> None:
        make_notebook("fine", fit=define)
        assert check("fine", paths).problems == ()

    @pytest.mark.parametrize(
        ("define", "says"),
        [
            ("def fit(model): ...", "it cannot be called as fit(model, df, param)"),
            ("def fit(model, df, param, more): ...", "it cannot be called as"),
            ("def fit(model, df, param, *, more): ...", "it cannot be called as"),
            ("fit = lambda m: m", "it cannot be called as"),
            ("def fit(m, d, p): ...\ndef fit(wrong): ...", "line 2: `def fit(wrong): ...`: it cannot be called as"),
            ("async def fit(m, d, p): ...", "write a plain def"),
            ("import fit.inner as other", "has no function fit(model, df, param)"),
            ("fit: object", "has no function"),
            ("class Net:\n    def fit(m, d, p): ...", "has no function"),
        ],
    )
    def test_a_function_that_cannot_be_called_is_a_problem(
        self, paths: Paths, make_notebook: MakeNotebook, define: str, says: str
    ) -> None:
        make_notebook("wrong", fit=define)
        (problem,) = check("wrong", paths).problems
        assert says in problem

    @pytest.mark.parametrize("line", ["%matplotlib inline", "%%time", "!pip list", "files = !ls", "x = %who", "df?"])
    def test_a_magic_says_that_magics_are_not_exported(
        self, paths: Paths, make_notebook: MakeNotebook, line: str
    ) -> None:
        make_notebook("magic", extra=line)
        (problem,) = check("magic", paths).problems
        assert problem.startswith(f"magic.ipynb, cell 8 (mltkc_extra), line 1: `{line}`: magics are not exported")

    @pytest.mark.parametrize(
        ("rest", "advice"),
        [
            ("# %% mltkc_init\ndef init(df, param): ...\n", "give it a name in its metadata"),
            ("# %% tags=dltk\ndef init(df, param): ...\n", "tag it dltk"),
            ("# %%\ndef init(df, param): ...\n", "keep only imports, constants and definitions in it"),
        ],
    )
    def test_a_function_in_a_cell_that_is_not_exported_is_pointed_at(
        self, paths: Paths, make_notebook: MakeNotebook, rest: str, advice: str
    ) -> None:
        make_notebook("left", rest + "# %%\ndef fit(model, df, param): ...\ndef apply(model, df, param): ...\nfit()\n")
        problem = check("left", paths).problems[0]
        assert problem == (
            f"left.ipynb has no function fit(model, df, param) (cell 2 defines it, but is not exported: {advice})"
        )

    def test_a_broken_cell_is_not_a_missing_function(self, paths: Paths, make_notebook: MakeNotebook) -> None:
        make_notebook(
            "typo", "# %%\ndef init(df, param): ...\n# %%\ndef fit(m, d, p):\n x = = 1\ndef apply(m, d, p): ...\n"
        )
        assert check("typo", paths).problems == ("typo.ipynb, cell 2, line 2: `x = = 1`: invalid syntax",)

    def test_a_python_file_is_checked_like_a_notebook(self, paths: Paths) -> None:
        write_module(paths.modules / "old.py", "def fit(model): ...\ndef apply(m, d, p): ...\n")
        assert check("old", paths).problems == (
            "app/model/old.py, line 1: `def fit(model): ...`: it cannot be called as fit(model, df, param)",
            "app/model/old.py has no function init(df, param)",
        )

    def test_a_half_written_notebook_is_unreadable(self, paths: Paths) -> None:
        (paths.notebooks / "half.ipynb").write_text('{"cells": [')
        with pytest.raises(NotebookUnreadable, match="not JSON"):
            check("half", paths)

    def test_a_file_name_that_is_no_name_is_a_problem(self, make_notebook: MakeNotebook) -> None:
        (problem,) = contract_of(read_source(make_notebook("my.notebook"))).problems
        assert problem.startswith("Invalid algorithm name 'my.notebook'")
        (problem,) = contract_of(read_source(make_notebook("__mine"))).problems
        assert problem.endswith("this one starts with two underscores, as Python's own do.")

    def test_nothing_runs(self, paths: Paths, make_notebook: MakeNotebook) -> None:
        make_notebook("boom", extra="raise SystemExit(3)")
        assert check("boom", paths).problems == ()

    def test_warnings_of_the_compiler_are_not_ours(self, paths: Paths, make_notebook: MakeNotebook) -> None:
        make_notebook("warns", extra="a = '\\d' is 'x'")
        assert check("warns", paths).problems == ()

    @given(st.lists(st.text(st.characters(exclude_categories=())), max_size=3))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_no_text_of_a_cell_breaks_the_check(self, paths: Paths, texts: list[str]) -> None:
        cells = [{"cell_type": "code", "metadata": {"name": "x"}, "source": text} for text in texts]
        path = paths.notebooks / "any.ipynb"
        path.write_text(json.dumps({"cells": cells}))
        assert check("any", paths).algorithm == "any"

    @pytest.mark.parametrize("text", ["(" * 1000, "-" * 100_000 + "1", "a\0b", "'\ud800'", "\x0c\\", "\\"])
    def test_text_that_no_compiler_takes_is_a_problem(self, text: str) -> None:
        source = Source("odd", "odd.ipynb", "/odd.ipynb", (Cell(1, "x", text),), "")
        assert contract_of(source).problems[0].startswith("odd.ipynb, cell 1 (x), line 1")


class TestWhereAlgorithmsLie:
    def test_all_are_listed_and_what_is_none_is_not(self, paths: Paths, make_notebook: MakeNotebook) -> None:
        for name in ("umap", "umap.new", "__init__", "two words"):
            make_notebook(name)
        make_notebook("imports", "# %%\nimport os\nfrom app.model.helper import fit\n")
        make_notebook("playground", "# %%\nmodel.fit(df)\n")
        (paths.notebooks / "broken.ipynb").write_text('{"cells": ["def fit(')
        (paths.notebooks / ".ipynb_checkpoints").mkdir()
        (paths.notebooks / ".ipynb_checkpoints" / "umap-checkpoint.ipynb").write_text("{}")
        write_module(paths.helpers / "helper.py", "def fit(): ...\n")
        write_module(paths.modules / "old.py", ALGORITHM)
        write_module(paths.modules / "broken_old.py", ALGORITHM + "x = = 1\n")
        write_module(paths.modules / "__init__.py", ALGORITHM)
        write_module(paths.helpers / "pkg" / "__init__.py", ALGORITHM)
        assert algorithms(paths) == ["broken", "broken_old", "imports", "old", "pkg", "two words", "umap"]

    def test_no_folders_hold_no_algorithms(self, tmp_path: Path) -> None:
        assert algorithms(Paths(tmp_path / "a", tmp_path / "b")) == []

    def test_the_order_is_that_of_imports(self, paths: Paths, make_notebook: MakeNotebook) -> None:
        old = write_module(paths.modules / "one.py", ALGORITHM)
        assert find("one", paths) == old
        helper = write_module(paths.helpers / "one.py", "A = 1")
        with pytest.raises(AlgorithmUnknown):  # the import would give the helper
            find("one", paths)
        helper.unlink()
        assert find("one", paths) == old
        assert make_notebook("one", "# %%\nx = 1\n") == find("one", paths)

    def test_an_unknown_one_is_answered_with_the_folders_and_the_nearest_name(
        self, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        make_notebook("umap")
        with pytest.raises(AlgorithmUnknown) as caught:
            find("umap2", paths)
        assert "Did you mean 'umap'?" in str(caught.value)
        assert str(paths.notebooks) in str(caught.value)

    @pytest.mark.parametrize(
        "name", ["../../x", "os", "data", "__init__", "x" * 10_000, "a\0b", "", ".", "umap.new", "umap/../umap", "ümap"]
    )
    def test_a_hostile_name_is_unknown(self, paths: Paths, make_notebook: MakeNotebook, name: str) -> None:
        make_notebook("umap")
        make_notebook("umap.new")
        with pytest.raises(AlgorithmUnknown):
            find(name, paths)


class TestBinding:
    def test_the_functions_are_bound_once(self, finder: CodeFinder, make_notebook: MakeNotebook) -> None:
        make_notebook("umap", save=None)
        algorithm = Algorithm("umap", finder)
        assert algorithm.init(None, {}) == {}
        assert algorithm.save is None
        assert algorithm.load is not None
        assert str(algorithm.places["fit"]) == "umap.ipynb, cell 3 (mltkc_fit), line 1: `def fit(model, df, param):`"

    def test_problems_are_raised_together_and_no_cell_runs(
        self, finder: CodeFinder, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        make_notebook("bad", init=None, fit="def fit(): ...", extra=f"open({str(paths.home / 'ran')!r}, 'w')")
        with pytest.raises(AlgorithmInvalid) as caught:
            Algorithm("bad", finder)
        assert len(caught.value.problems) == 2
        assert not (paths.home / "ran").exists()

    @pytest.mark.parametrize(
        ("fit", "problem"),
        [
            (
                "fit = 5",
                "bad.ipynb, cell 3 (mltkc_fit), line 1: `fit = 5`: it cannot be called as fit(model, df, param)",
            ),
            ("import functools\nfit = functools.partial(print, end='')", ""),
            ("fit = dict().get", "line 1: `fit = dict().get`: it cannot be called as fit(model, df, param)"),
            ("from os import *", "bad.ipynb has no function fit(model, df, param)"),
            ("fit = None", "bad.ipynb has no function fit(model, df, param)"),
            ("class fit:\n    def __init__(self, model, df, param): ...", ""),
            ("fit = max", ""),
        ],
    )
    def test_what_only_the_import_can_tell_is_told_then(
        self, finder: CodeFinder, make_notebook: MakeNotebook, fit: str, problem: str
    ) -> None:
        make_notebook("bad", fit=fit)
        if not problem:
            assert Algorithm("bad", finder).fit
            return
        with pytest.raises(AlgorithmInvalid) as caught:
            Algorithm("bad", finder)
        assert problem in str(caught.value)

    def test_what_a_cell_raises_comes_through_with_its_place(
        self, finder: CodeFinder, make_notebook: MakeNotebook
    ) -> None:
        make_notebook("boom", extra="import sys\nsys.exit(3)")
        with pytest.raises(SystemExit) as caught:
            Algorithm("boom", finder)
        assert str(coordinates(caught.value)) == "boom.ipynb, cell 8 (mltkc_extra), line 2: `sys.exit(3)`"

    def test_kept_code_is_bound_instead_of_the_notebook(
        self, finder: CodeFinder, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        make_notebook("umap", init="def init(df, param): return 'kept'")
        Algorithm("umap", finder)
        code = paths.home / "code.json"
        code.write_bytes(pack(finder.sources))
        make_notebook("umap", init="def init(df, param): return 'live'")
        assert Algorithm("umap", CodeFinder(paths, code)).init(None, {}) == "kept"
        assert Algorithm("umap", CodeFinder(paths)).init(None, {}) == "live"
        with pytest.raises(AlgorithmUnknown, match=r"code\.json"):
            Algorithm("other", CodeFinder(paths, code))
