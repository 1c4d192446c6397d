"""Where notebooks lie: sub-folders, names of every kind, and what is left out and why."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from dltk_runtime.files.state import unchanged
from dltk_runtime.notebook import places
from dltk_runtime.notebook.algorithm import Algorithm, algorithms, find, source_of
from dltk_runtime.notebook.coordinates import coordinates, coordinates_in
from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.notebook.review import review
from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.notebook.helpers import module

Place = Callable[[str], Path]
NAMES = ["my-algo", "two words", "1st", "größe", "时间"]


@pytest.fixture
def place(paths: Paths, make_notebook: MakeNotebook) -> Place:
    """Puts the healthy notebook at a path below the notebooks' folder, with its path as a constant."""

    def placed(path: str) -> Path:
        target = paths.notebooks / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(make_notebook("made", extra=f"WHERE = {path!r}"), target)
        return target

    return placed


class TestSubFolders:
    def test_a_notebook_in_a_sub_folder_is_an_algorithm(self, paths: Paths, place: Place, finder: CodeFinder) -> None:
        path = place("team/of/two/x.ipynb")
        assert find("x", paths) == path
        assert algorithms(paths) == ["x"]
        assert source_of("x", paths).path == "team/of/two/x.ipynb"
        assert str(Algorithm("x", finder).places["fit"]).startswith("team/of/two/x.ipynb, cell 3 (mltkc_fit), line 1")

    def test_a_stale_file_of_an_old_volume_never_answers_for_it(
        self, paths: Paths, place: Place, finder: CodeFinder
    ) -> None:
        stale = paths.modules / "x.py"
        stale.write_text("WHERE = 'stale'\ndef init(d, p): ...\ndef fit(m, d, p): ...\ndef apply(m, d, p): ...\n")
        assert find("x", paths) == stale
        assert module("x").WHERE == "stale"
        before = finder.states
        path = place("team/x.ipynb")
        assert not unchanged(before)
        assert find("x", paths) == path
        finder.forget()
        assert module("x").WHERE == "team/x.ipynb"

    def test_the_nearest_one_is_used_then_the_first_by_path(self, paths: Paths, place: Place) -> None:
        for path in ("b/x.ipynb", "a/deep/x.ipynb", "a-z/x.ipynb"):
            place(path)
        assert source_of("x", paths).path == "a-z/x.ipynb"
        place("x.ipynb")
        assert source_of("x", paths).path == "x.ipynb"

    @pytest.mark.parametrize("path", ["x.ipynb", "a/x.ipynb", "team/a/x.ipynb"])
    def test_a_file_that_would_be_used_in_its_place_changes_the_state(
        self, place: Place, finder: CodeFinder, path: str
    ) -> None:
        place("team/b/x.ipynb")
        assert module("x").WHERE == "team/b/x.ipynb"
        assert unchanged(finder.states)
        place(path)
        assert not unchanged(finder.states)

    @pytest.mark.parametrize("path", ["y.ipynb", "team/y.ipynb", "team/b/y.ipynb", "z/y.txt"])
    def test_another_file_beside_it_does_not(self, paths: Paths, place: Place, finder: CodeFinder, path: str) -> None:
        place("team/b/x.ipynb")
        (paths.notebooks / "z").mkdir()
        module("x")
        place(path)
        assert unchanged(finder.states)

    def test_hidden_folders_and_those_of_packages_are_not_searched(self, paths: Paths, place: Place) -> None:
        for folder in (".ipynb_checkpoints", "a/.git", "a/__pycache__", "env/site-packages"):
            place(f"{folder}/x.ipynb")
        (paths.notebooks / "circle").symlink_to(paths.notebooks)
        assert algorithms(paths) == []
        assert places.left_out(paths) == []

    def test_the_walk_ends(self, paths: Paths, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(places, "MAX_FOLDERS", 3)
        place("a/b/c/d/x.ipynb")
        assert len(list(places.walk(paths))) == 3
        assert algorithms(paths) == []
        assert "only 3 folders" in places.left_out(paths)[-1].why


class TestNames:
    @pytest.mark.parametrize("name", NAMES)
    def test_a_notebook_of_that_name_can_be_imported_and_named(
        self, paths: Paths, place: Place, finder: CodeFinder, name: str
    ) -> None:
        path = place(f"sub/{name}.ipynb")
        assert find(name, paths) == path
        assert algorithms(paths) == [name]
        Algorithm(name, finder)
        assert f"sub/{name}.ipynb" == module(name).WHERE
        assert review(path, paths).text == f"sub/{name}.ipynb: no problem"

    def test_a_file_system_may_decompose_letters(self, paths: Paths, place: Place) -> None:
        path = place(f"{unicodedata.normalize('NFD', 'größe')}.ipynb")
        assert algorithms(paths) == ["größe"]
        assert find("größe", paths) == path
        assert find(unicodedata.normalize("NFD", "größe"), paths) == path
        assert source_of("größe", paths).name == "größe"

    def test_errors_and_deaths_have_coordinates(self, paths: Paths, place: Place, finder: CodeFinder) -> None:
        place("größe/my algo.ipynb")
        algorithm = Algorithm("my algo", finder)
        with pytest.raises(TypeError) as caught:
            algorithm.fit(None, [], {})
        assert str(coordinates(caught.value)).startswith("größe/my algo.ipynb, cell 3 (mltkc_fit), line 2: `model[")
        dump = (
            "Current thread 0x1 (most recent call first):\n"
            '  File "gr\\xf6\\xdfe/my algo.ipynb, cell 3 (mltkc_fit)", line 2 in fit\n'
        )
        assert str(coordinates_in(dump, finder.sources)) == str(coordinates(caught.value))


class TestClashes:
    def test_both_files_are_named(self, paths: Paths, place: Place) -> None:
        used, other = place("x.ipynb"), place("team/x.ipynb")
        assert places.clash("x", paths) == "x.ipynb is used, and team/x.ipynb of the same name is not: rename one"
        assert review(used, paths).hints == (places.clash("x", paths),)
        assert review(other, paths).hints == (
            "team/x.ipynb is not used: x.ipynb has the same name and is used: rename one",
        )

    def test_what_is_left_out_has_a_reason(self, paths: Paths, place: Place) -> None:
        for path in ("x", "a.b", "__x", "x.new", "data/y", "logs/run/z", "q/x"):
            place(f"{path}.ipynb")
        why = dict(places.left_out(paths))
        assert sorted(why) == ["__x.ipynb", "a.b.ipynb", "data/y.ipynb", "logs/run/z.ipynb", "q/x.ipynb", "x.new.ipynb"]
        assert why["a.b.ipynb"].startswith("Invalid algorithm name 'a.b'")
        assert why["__x.ipynb"].endswith("this one starts with two underscores, as Python's own do.")
        assert why["x.new.ipynb"].startswith("the new version of a file that was edited")
        assert why["data/y.ipynb"] == "notebooks below data/ are not searched: move it"
        assert algorithms(paths) == ["x"]
