"""Coordinates of errors and of dumps."""

from __future__ import annotations

from pathlib import Path

import pytest

from dltk_runtime.notebook.cells import Cell
from dltk_runtime.notebook.coordinates import Coordinates, coordinates, coordinates_in, format_traceback
from dltk_runtime.notebook.source import Source
from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.notebook.helpers import module, write_helper


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
        assert str(Coordinates("a.ipynb", 1, "", 1, "x" * 1000)) == f"a.ipynb, cell 1, line 1: `{'x' * 160}…`"

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
        with (tmp_path / "dump").open("w+") as file:
            module("dumps").dump(file)
            file.seek(0)
            found = coordinates_in(file.read())
        assert found == Coordinates("dumps.ipynb", 1, "b", 3, "", "dump")


def wrapped(cause: BaseException) -> BaseException:
    error = RuntimeError("ours")
    error.__cause__ = cause
    return error
