"""Notebooks as modules: reading, importing, coordinates, changes, and the code kept in a version."""

from __future__ import annotations

import ast
import faulthandler
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest
from conftest import MakeNotebook
from hypothesis import given
from hypothesis import strategies as st

from dltk_runtime import file_state
from dltk_runtime.errors import NotebookUnreadable, StoreDamaged
from dltk_runtime.file_state import FileState
from dltk_runtime.notebook import (
    Cell,
    CodeFinder,
    Coordinates,
    Source,
    coordinates,
    coordinates_in,
    format_traceback,
    heavy_imports,
    pack,
    read_source,
    rebase_constants,
    unchanged,
    unpack,
)
from dltk_runtime.paths import Paths
from dltk_runtime.settings import SITE


@pytest.fixture
def finder(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[CodeFinder]:
    """An installed finder for the test's folders; afterwards nothing of it is left."""
    monkeypatch.syspath_prepend(str(SITE))
    for name in ("DLTK_HOME", "DLTK_NOTEBOOKS", "DLTK_CODE"):
        monkeypatch.setenv(name, "")
    finder = CodeFinder(paths)
    finder.install()
    yield finder
    for each in [each for each in sys.meta_path if isinstance(each, CodeFinder)]:
        each.remove()


def module(name: str) -> ModuleType:
    return import_module(f"app.model.{name}")


def sources_of(path: Path) -> list[str]:
    return [cell.source for cell in read_source(path).cells]


def write_helper(paths: Paths, name: str, text: str) -> Path:
    path = paths.helpers / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path


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

            """,
        )
        assert [cell.number for cell in read_source(path).cells] == [1, 2, 4]

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
            (b'{"nbformat": 3, "worksheets": []}', "format 3; 4 is needed"),
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

    def test_heavy_imports_are_found_wherever_they_stand(self) -> None:
        assert heavy_imports("import keras.layers as k", "def f():\n    from torch import nn\n", "%magic", "a\0") == (
            "torch",
            "keras",
        )
        assert heavy_imports("from . import torch", "import json") == ()


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

    def test_a_process_without_a_finder_gets_one_from_its_environment(
        self, paths: Paths, make_notebook: MakeNotebook
    ) -> None:
        make_notebook("umap", "# %% x\nA = 41\n")
        environment = {"DLTK_HOME": str(paths.home), "DLTK_NOTEBOOKS": str(paths.notebooks)}
        assert run("from app.model import umap; print(umap.A + 1)", paths, **environment) == "42\n"

    def test_importing_app_model_takes_no_numeric_library(self, paths: Paths) -> None:
        heavy = "{'numpy', 'pandas', 'torch', 'sklearn'}"
        assert run(f"import sys, app.model; print({heavy} & set(sys.modules))", paths) == "set()\n"


def run(code: str, paths: Paths, **environment: str) -> str:
    """What a Python process of its own prints, with `app` on its path."""
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


class TestProcesses:
    """What other processes must find again: classes in pickles, and functions sent to children."""

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

    def test_joblib_runs_functions_of_a_notebook_and_its_errors_have_places(
        self, paths: Paths, environment: dict[str, str]
    ) -> None:
        code = dedent("""
            from joblib import Parallel, delayed
            from app.model.nets import failing, twice
            parallel = Parallel(n_jobs=2)
            print([net.width for net in parallel(delayed(twice)(x) for x in (1, 2))])
            try:
                parallel(delayed(failing)(x) for x in (1, 2))
            except ValueError as error:
                print('nets.ipynb, cell 2 (mltkc_fit)", line 4, in failing' in str(error.__cause__))
        """)
        assert run(code, paths, **environment) == "[2, 4]\nTrue\n"

    def test_children_of_a_process_with_kept_code_run_the_kept_code(
        self, paths: Paths, environment: dict[str, str], make_notebook: MakeNotebook
    ) -> None:
        kept = paths.home / "code.json"
        kept.write_bytes(pack([read_source(paths.notebooks / "nets.ipynb")]))
        make_notebook("nets", "# %% x\ndef twice(x): raise RuntimeError")
        code = dedent(f"""
            from pathlib import Path
            from joblib import Parallel, delayed
            from dltk_runtime.notebook import CodeFinder
            from dltk_runtime.settings import code_location
            CodeFinder(code_location()[0], Path({str(kept)!r})).install()
            from app.model.nets import twice
            print([net.width for net in Parallel(n_jobs=2)(delayed(twice)(x) for x in (1, 2))])
        """)
        assert run(code, paths, **environment) == "[2, 4]\n"


class TestCoordinates:
    def error_in(self, make_notebook: MakeNotebook, fit: str, *arguments: object) -> BaseException:
        make_notebook("bad", fit=fit)
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever it raises
            module("bad").fit(*(arguments or ({}, [], {})))
        return caught.value

    def test_they_read_as_jupyter_shows_the_cell(self) -> None:
        place = Coordinates("umap.ipynb", 22, "mltkc_fit", 7, "x = float(s)", "fit")
        assert str(place) == "umap.ipynb, cell 22 (mltkc_fit), line 7: `x = float(s)`"
        assert str(Coordinates("umap.ipynb", 22, "", 7)) == "umap.ipynb, cell 22, line 7"
        assert str(Coordinates("app/model/helper.py", 0, "", 7, "x")) == "app/model/helper.py, line 7: `x`"

    @pytest.mark.usefixtures("finder")
    def test_an_error_is_where_the_innermost_notebook_frame_is(self, make_notebook: MakeNotebook) -> None:
        error = self.error_in(make_notebook, "import json\n\ndef fit(model, df, param):\n    return json.loads('{')\n")
        assert coordinates(error) == Coordinates("bad.ipynb", 3, "mltkc_fit", 4, "return json.loads('{')", "fit")

    @pytest.mark.usefixtures("finder")
    def test_an_error_in_a_helper_is_in_the_helper(self, paths: Paths, make_notebook: MakeNotebook) -> None:
        write_helper(paths, "helper.py", "class Net:\n    def go(self):\n        return 1 / 0\n")
        error = self.error_in(make_notebook, "from app.model.helper import Net\ndef fit(m, d, p): Net().go()\n")
        assert coordinates(error) == Coordinates("app/model/helper.py", 0, "", 3, "return 1 / 0", "Net.go")

    @pytest.mark.parametrize(
        ("source", "line"),
        [("a = 1\nb = = 2\n", "b = = 2"), ("a = 1\n\nreturn 5\n", "return 5"), ("x = (1,\n", "x = (1,")],
    )
    @pytest.mark.usefixtures("finder")
    def test_a_cell_that_does_not_compile_is_where_it_breaks(
        self, make_notebook: MakeNotebook, source: str, line: str
    ) -> None:
        make_notebook("bad", init=source)
        with pytest.raises(SyntaxError) as caught:
            module("bad")
        place = coordinates(caught.value)
        assert place
        assert (place.cell, place.cell_name, place.text) == (2, "mltkc_init", line)
        assert line in format_traceback(caught.value)

    @pytest.mark.usefixtures("finder")
    def test_a_syntax_error_in_evaluated_text_is_where_the_notebook_evaluates_it(
        self, make_notebook: MakeNotebook
    ) -> None:
        error = self.error_in(make_notebook, "def fit(model, df, param):\n    eval('1 +')\n")
        assert str(coordinates(error)) == "bad.ipynb, cell 3 (mltkc_fit), line 2: `eval('1 +')`"

    @pytest.mark.usefixtures("finder")
    def test_a_wrapped_error_is_where_its_cause_was_raised(self, make_notebook: MakeNotebook) -> None:
        cause = self.error_in(make_notebook, "def fit(model, df, param):\n    raise ValueError\n")
        for wrapper in (wrapped(cause), ExceptionGroup("several", [KeyError("elsewhere"), ValueError()])):
            if isinstance(wrapper, ExceptionGroup):
                wrapper.exceptions[1].__context__ = cause  # type: ignore[misc]
            place = coordinates(wrapper)
            assert place
            assert place.line == 2

    def test_an_error_without_a_notebook_has_no_place(self) -> None:
        error = ValueError("x")
        error.__cause__ = KeyError("y")
        error.__cause__.__context__ = error  # a circle, as badly written code can make it
        assert coordinates(error) is None

    @pytest.mark.usefixtures("finder")
    def test_a_traceback_shows_user_lines_and_hides_the_runtime(self, make_notebook: MakeNotebook) -> None:
        make_notebook("bad", init="import json\nA = json.loads('{')\n")
        with pytest.raises(ValueError, match="Expecting") as caught:
            module("bad")
        text = format_traceback(caught.value)
        assert 'File "bad.ipynb, cell 2 (mltkc_init)", line 2, in <module>\n    A = json.loads' in text
        assert "json/decoder.py" in text
        assert "dltk_runtime" not in text
        assert "importlib._bootstrap" not in text

    def test_a_dump_names_the_current_thread_first_and_else_the_main_one(self) -> None:
        frame = '  File "umap.ipynb, cell {} (mltkc_fit)", line 2 in fit\n'
        other = "Thread 0x02 (most recent call first):\n" + frame.format(1) + "\n"
        current = 'Current thread 0x01 (most recent call first):\n  File "/usr/x.py", line 9 in f\n' + frame.format(2)
        main = "\nThread 0x03 (most recent call first):\n" + frame.format(3)
        sources = [Source("umap", "umap.ipynb", "", (Cell(3, "mltkc_fit", "a = 1\nb = 2\n"),), "")]
        found = coordinates_in("Fatal Python error: Aborted\n\n" + other + current + main)
        assert found == Coordinates("umap.ipynb", 2, "mltkc_fit", 2, "", "fit")
        found = coordinates_in(other + main, sources)
        assert found == Coordinates("umap.ipynb", 3, "mltkc_fit", 2, "b = 2", "fit")
        assert coordinates_in("nothing") is None

    @pytest.mark.usefixtures("finder")
    def test_a_real_dump_is_understood(self, tmp_path: Path, make_notebook: MakeNotebook) -> None:
        make_notebook(
            "dumps", "# %% a b\nimport faulthandler\ndef dump(file):\n    faulthandler.dump_traceback(file)\n"
        )
        assert faulthandler
        with (tmp_path / "dump").open("w+") as file:
            module("dumps").dump(file)
            file.seek(0)
            found = coordinates_in(file.read())
        assert found == Coordinates("dumps.ipynb", 1, "b", 3, "", "dump")


def wrapped(cause: BaseException) -> BaseException:
    error = RuntimeError("ours")
    error.__cause__ = cause
    return error


class TestChanges:
    def age(self, state: FileState) -> FileState:
        """The state as it is of a file that was read long after its last change."""
        return FileState(state.path, state.stamp)

    def test_nothing_changed_is_unchanged(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"1")
        assert unchanged([file_state.read(tmp_path / "a")[1], FileState(str(tmp_path / "missing"), None)])

    def test_a_write_a_new_file_a_lost_file_and_a_replaced_file_are_changes(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        missing = FileState(str(path), None)
        path.write_bytes(b"1")
        assert not unchanged([missing])
        state = self.age(file_state.read(path)[1])
        (tmp_path / "b").write_bytes(b"2")
        (tmp_path / "b").replace(path)
        assert not unchanged([state])
        state = self.age(file_state.read(path)[1])
        path.write_bytes(b"longer")
        assert not unchanged([state])
        state = file_state.read(path)[1]
        path.unlink()
        assert not unchanged([state])

    def test_a_write_of_the_same_size_within_one_tick_of_the_clock_is_a_change(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        for _ in range(100):
            path.write_bytes(b"1")
            state = file_state.read(path)[1]
            path.write_bytes(b"2")
            assert not unchanged([state])

    def test_a_file_with_its_time_set_back_is_a_change(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"1")
        state = file_state.read(path)[1]
        path.write_bytes(b"2")
        assert state.stamp
        os.utime(path, ns=(state.stamp[0], state.stamp[0]))
        assert not unchanged([state])

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


CELLS = st.builds(Cell, st.integers(0, 10**6), st.text(), st.text(st.characters()))
SOURCES = st.builds(Source, st.text(), st.text(), st.text(), st.lists(CELLS).map(tuple), st.text())


class TestKeptCode:
    @given(st.lists(SOURCES).map(tuple))
    def test_what_was_packed_is_unpacked(self, sources: tuple[Source, ...]) -> None:
        assert unpack(pack(sources)) == sources

    def test_even_a_lone_surrogate_comes_back(self) -> None:
        source = Source("a", "a.ipynb", "/a.ipynb", (Cell(1, "", "'\ud800'"),), "")
        assert unpack(pack([source])) == (source,)

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


class TestRebasing:
    PATHS = Paths(Path("/home/me"), Path("/books"))

    def rebased(self, text: str) -> str:
        return ast.unparse(rebase_constants(ast.parse(text), self.PATHS))

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a = '/srv/app/model/data/'", "a = '/home/me/app/model/data/'"),
            ("a = '/srv/notebooks'", "a = '/books'"),
            ("a = f'/srv/notebooks/logs/{b}'", "a = f'/books/logs/{b}'"),
            ("a = f'file://{b}/srv/x'", "a = f'file://{b}/home/me/x'"),
            ("a = '/srvx', 'at /srv/x', b'/srv/x'", "a = ('/srvx', 'at /srv/x', b'/srv/x')"),
        ],
    )
    def test_constants_that_begin_with_srv_are_rebased(self, text: str, expected: str) -> None:
        assert self.rebased(text) == expected

    def test_docstrings_stay(self) -> None:
        text = "'/srv/x'\ndef f():\n    '/srv/x'\n    return '/srv/x'"
        assert self.rebased(text).count("/srv/x") == 2

    def test_lines_stay(self) -> None:
        tree = rebase_constants(ast.parse("\n\na = ['/srv/x',\n 1]"), self.PATHS)
        assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant)] == [3, 4]
