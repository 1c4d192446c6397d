"""Notebooks as modules: imports, changed files, stored code, and imports in other processes."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files.state import unchanged
from dltk_runtime.notebook.coordinates import coordinates
from dltk_runtime.notebook.errors import NotebookUnreadable
from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.notebook.source import pack, read_source
from dltk_runtime.paths import SITE, Paths
from tests.conftest import MakeNotebook
from tests.notebook.helpers import module, write_helper


class TestImporting:
    def test_a_notebook_is_a_module_of_app_model(self, finder: CodeFinder, make_notebook: MakeNotebook) -> None:
        make_notebook("umap")
        assert module("umap").init(None, {}) == {}
        assert [source.name for source in finder.sources] == ["umap"]

    def test_notebooks_come_before_helpers_before_modules_of_the_home(
        self, finder: CodeFinder, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        (paths.modules / "one.py").write_text("WHERE = 'home'")
        assert module("one").WHERE == "home"
        write_helper(paths, "one.py", "WHERE = 'helpers'")
        finder.forget()
        assert module("one").WHERE == "helpers"
        make_notebook("one", "# %% x\nWHERE = 'notebooks'")
        finder.forget()
        assert module("one").WHERE == "notebooks"

    def test_helpers_and_packages_import_each_other(
        self, finder: CodeFinder, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        write_helper(paths, "low.py", "DEPTH = 1")
        write_helper(paths, "high.py", "from . import low\nfrom .low import DEPTH\nimport app.model.low as same\n")
        write_helper(paths, "pkg/__init__.py", "from .inner import VALUE\nfrom ..low import DEPTH\n")
        write_helper(paths, "pkg/inner.py", "VALUE = __name__\n")
        make_notebook("user", "# %% x\nfrom app.model import high, pkg\nfrom app.model.pkg.inner import VALUE\n")
        user = module("user")
        assert (user.high.same.DEPTH, user.pkg.DEPTH, user.VALUE) == (1, 1, "app.model.pkg.inner")
        assert {source.path for source in finder.sources} == {
            "user.ipynb",
            "app/model/high.py",
            "app/model/low.py",
            "app/model/pkg/__init__.py",
            "app/model/pkg/inner.py",
        }

    @pytest.mark.parametrize("name", ["umap.new", "__init__", "__main__", "missing", "data"])
    def test_what_is_no_module_is_not_found(self, finder: CodeFinder, paths: Paths, name: str) -> None:
        for folder in (paths.notebooks, paths.helpers):
            (folder / "umap.new.ipynb").write_text("{}")
            (folder / "__main__.py").write_text("")
        with pytest.raises(ModuleNotFoundError):
            module(name)
        assert finder.sources == []

    @pytest.mark.usefixtures("finder")
    def test_constant_paths_lie_where_the_folders_are(self, paths: Paths, make_notebook: MakeNotebook) -> None:
        make_notebook(
            "srv", "# %% x\nMODEL_DIRECTORY = '/srv/app/model/data/'\ndef log(n): return f'/srv/notebooks/logs/{n}'\n"
        )
        assert str(paths.models) + "/" == module("srv").MODEL_DIRECTORY
        assert module("srv").log(3) == f"{paths.notebooks}/logs/3"

    @pytest.mark.usefixtures("finder")
    def test_future_imports_of_a_cell_hold_for_the_cells_after_it(self, make_notebook: MakeNotebook) -> None:
        make_notebook("future", "# %% a\nfrom __future__ import annotations\n# %% b\ndef f(x: Unknown): ...\n")
        assert module("future").f.__annotations__ == {"x": "Unknown"}

    @pytest.mark.usefixtures("finder")
    def test_inspect_shows_functions_classes_and_modules(self, paths: Paths, make_notebook: MakeNotebook) -> None:
        write_helper(paths, "helper.py", "def double(x):\n    return 2 * x\n")
        text = "# %% a\nimport os\n# %% b\n\nclass Net:\n    def go(self):\n        return 1\n\ndef f(): return 2\n"
        make_notebook("shown", text)
        shown = module("shown")
        assert inspect.getsource(shown.f) == "def f(): return 2\n"
        assert inspect.getsource(shown.Net.go) == "    def go(self):\n        return 1\n"
        assert inspect.getsource(shown.Net).startswith("class Net:\n    def go")
        assert inspect.getsource(shown).startswith("# shown.ipynb, cell 1 (a)\nimport os\n")
        assert inspect.getsource(module("helper").double) == "def double(x):\n    return 2 * x\n"

    def test_a_broken_helper_ends_the_import_and_its_repair_counts_as_a_change(
        self, finder: CodeFinder, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        path = paths.notebooks / "half.ipynb"
        path.write_text('{"cells": [')
        with pytest.raises(NotebookUnreadable, match=r"half\.ipynb cannot be read"):
            module("half")
        states = list(finder.states)
        assert unchanged(states)
        make_notebook("half")
        assert not unchanged(states)

    @pytest.mark.process
    def test_a_process_without_a_finder_gets_one_from_its_environment(
        self, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        make_notebook("umap", "# %% x\nA = 41\n")
        environment = {"DLTK_HOME": str(paths.home), "DLTK_NOTEBOOKS": str(paths.notebooks)}
        assert run("from app.model import umap; print(umap.A + 1)", paths, **environment) == "42\n"

    @pytest.mark.process
    def test_importing_app_model_takes_no_numeric_library(self, paths: Paths) -> None:
        heavy = "{'numpy', 'pandas', 'torch', 'sklearn'}"
        assert run(f"import sys, app.model; print({heavy} & set(sys.modules))", paths) == "set()\n"


class TestChanges:
    def test_a_helper_that_appears_and_shadows_another_is_a_change(
        self, finder: CodeFinder, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        (paths.modules / "helper.py").write_text("A = 1")
        make_notebook("user", "# %% x\nfrom app.model import helper\n")
        module("user")
        states = list(finder.states)
        assert unchanged(states)
        write_helper(paths, "helper.py", "A = 2")
        assert not unchanged(states)

    def test_after_forgetting_the_next_import_runs_the_new_code(
        self, finder: CodeFinder, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        write_helper(paths, "helper.py", "A = 1")
        make_notebook("user", "# %% x\nfrom app.model import helper\nfrom app.model.helper import A\n")
        assert module("user").A == 1
        write_helper(paths, "helper.py", "A = 2")
        finder.forget()
        assert (module("user").A, module("user").helper.A) == (2, 2)


class TestKeptCode:
    @pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"sources": [1]}', b"\xff", b"[" * 100_000])
    def test_damaged_code_is_said_to_be_damaged(self, tmp_path: Path, paths: Paths, data: bytes) -> None:
        (tmp_path / "code.json").write_bytes(data)
        with pytest.raises(StoreDamaged, match="cannot be read"):
            CodeFinder(paths, tmp_path / "code.json")

    def test_a_version_without_code_is_damaged(self, tmp_path: Path, paths: Paths) -> None:
        with pytest.raises(StoreDamaged, match="No such file"):
            CodeFinder(paths, tmp_path / "code.json")

    def test_kept_code_alone_is_served_and_keeps_its_coordinates(
        self, finder: CodeFinder, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        write_helper(paths, "helper.py", "def fail():\n    raise ValueError\n")
        write_helper(paths, "pkg/__init__.py", "from . import inner\n")
        write_helper(paths, "pkg/inner.py", "A = 1\n")
        path = make_notebook(
            "user", "# %%\n\n# %% x\nfrom app.model import helper, pkg\nfrom app.model.pkg.inner import A\n"
        )
        module("user")
        kept = paths.home / "code.json"
        kept.write_bytes(pack(finder.sources))
        path.unlink()
        write_helper(paths, "helper.py", "")
        write_helper(paths, "other.py", "")
        second = CodeFinder(paths, kept)
        second.install()
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - it has no text
            module("user").helper.fail()
        assert str(coordinates(caught.value)) == "app/model/helper.py, line 2: `raise ValueError`"
        assert module("user").A == 1
        with pytest.raises(ModuleNotFoundError):
            module("other")
        assert second.states == []


def run(code: str, paths: Paths, **environment: str) -> str:
    """Run code in a separate Python process with `app` on its path; return its output."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SITE), **environment}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environ,
        cwd=paths.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.process
class TestProcesses:
    """Other processes find classes in pickles, and functions sent to child processes."""

    NET = """
        # %% mltkc_import
        class Net:
            def __init__(self, width):
                self.width = width
        # %% mltkc_fit
        def twice(x):
            return Net(2 * x)
        def failing(x):
            raise ValueError(f"no {x}")
    """

    @pytest.fixture
    def environment(self, paths: Paths, make_notebook: MakeNotebook) -> dict[str, str]:
        make_notebook("nets", self.NET)
        return {"DLTK_HOME": str(paths.home), "DLTK_NOTEBOOKS": str(paths.notebooks)}

    def test_a_class_of_a_notebook_is_pickled_in_one_process_and_read_in_another(
        self, paths: Paths, environment: dict[str, str]
    ) -> None:
        dump = "import pickle; from app.model.nets import Net; pickle.dump(Net(7), open('net.pickle', 'wb'))"
        run(dump, paths, **environment)
        load = "import pickle; print(pickle.load(open('net.pickle', 'rb')).width)"
        assert run("import app.model; " + load, paths, **environment) == "7\n"
        assert run(load, paths, **environment) == "7\n"

    def test_a_spawn_pool_runs_functions_of_a_notebook(self, paths: Paths, environment: dict[str, str]) -> None:
        (paths.home / "main.py").write_text(
            dedent("""
                import multiprocessing
                from app.model.nets import twice
                if __name__ == "__main__":
                    with multiprocessing.get_context("spawn").Pool(2) as pool:
                        print([net.width for net in pool.map(twice, [1, 2])])
            """)
        )
        assert run("import runpy; runpy.run_path('main.py', run_name='__main__')", paths, **environment) == "[2, 4]\n"

    def test_joblib_runs_functions_of_a_notebook(self, paths: Paths, environment: dict[str, str]) -> None:
        code = dedent("""
            from joblib import Parallel, delayed
            from app.model.nets import twice
            print([net.width for net in Parallel(n_jobs=2)(delayed(twice)(x) for x in (1, 2))])
        """)
        assert run(code, paths, **environment) == "[2, 4]\n"

    @pytest.mark.parametrize(
        "call",
        [
            "joblib.Parallel(n_jobs=2)(joblib.delayed(failing)(x) for x in (1, 2))",
            "multiprocessing.get_context('fork').Pool(2).map(failing, [1, 2])",
            "concurrent.futures.ProcessPoolExecutor(2).submit(failing, 1).result()",
        ],
    )
    def test_an_error_in_a_child_is_where_the_child_raised_it(
        self, paths: Paths, environment: dict[str, str], call: str
    ) -> None:
        code = dedent(f"""
            import concurrent.futures, multiprocessing, joblib
            from app.model.nets import failing
            from dltk_runtime.notebook.coordinates import coordinates
            try:
                {call}
            except ValueError as error:
                print(coordinates(error))
        """)
        place = 'nets.ipynb, cell 2 (mltkc_fit), line 4: `raise ValueError(f"no {x}")`\n'
        assert run(code, paths, **environment) == place

    def test_children_of_a_process_with_kept_code_run_the_kept_code(
        self, paths: Paths, environment: dict[str, str], make_notebook: MakeNotebook
    ) -> None:
        kept = paths.home / "code.json"
        kept.write_bytes(pack([read_source(paths.notebooks / "nets.ipynb")]))
        make_notebook("nets", "# %% x\ndef twice(x): raise RuntimeError")
        code = dedent(f"""
            from pathlib import Path
            from joblib import Parallel, delayed
            from dltk_runtime.notebook.loader import CodeFinder
            from dltk_runtime.settings import code_location
            CodeFinder(code_location()[0], Path({str(kept)!r})).install()
            from app.model.nets import twice
            print([net.width for net in Parallel(n_jobs=2)(delayed(twice)(x) for x in (1, 2))])
        """)
        assert run(code, paths, **environment) == "[2, 4]\n"
