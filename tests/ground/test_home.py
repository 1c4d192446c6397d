"""The folders at start: shipped notebooks are installed and updated, edited ones are kept."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dltk_runtime import home
from dltk_runtime.errors import FolderMissing, VolumeFull, VolumeUnwritable
from dltk_runtime.notebook.algorithm import algorithms
from dltk_runtime.paths import Paths

OLD, NEW, EDITED = "shipped first", "shipped later", "edited by somebody"


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    folder = tmp_path / "shipped"
    (folder / "data" / "samples").mkdir(parents=True)
    (folder / "umap.ipynb").write_text(OLD)
    (folder / "data" / "samples" / "iris.csv").write_text("x\n1\n")
    return folder


def text(paths: Paths, name: str) -> str:
    return (paths.notebooks / name).read_text()


def test_missing_files_come(paths: Paths, shipped: Path) -> None:
    assert home.lay_out(paths, shipped).added == ("data/samples/iris.csv", "umap.ipynb")
    assert text(paths, "umap.ipynb") == OLD
    assert text(paths, "data/samples/iris.csv") == "x\n1\n"


def test_a_second_start_changes_nothing(paths: Paths, shipped: Path) -> None:
    home.lay_out(paths, shipped)
    before = (paths.notebooks / "umap.ipynb").stat()
    assert str(home.lay_out(paths, shipped)) == "no changes"
    assert (paths.notebooks / "umap.ipynb").stat() == before


def test_an_untouched_file_is_renewed(paths: Paths, shipped: Path) -> None:
    home.lay_out(paths, shipped)
    (shipped / "umap.ipynb").write_text(NEW)
    assert home.lay_out(paths, shipped).updated == ("umap.ipynb",)
    assert text(paths, "umap.ipynb") == NEW


def test_an_edited_file_stays_and_the_new_one_lies_beside_it(paths: Paths, shipped: Path) -> None:
    home.lay_out(paths, shipped)
    (paths.notebooks / "umap.ipynb").write_text(EDITED)
    (shipped / "umap.ipynb").write_text(NEW)
    assert home.lay_out(paths, shipped).beside == ("umap.new.ipynb",)
    assert text(paths, "umap.ipynb") == EDITED
    assert text(paths, "umap.new.ipynb") == NEW


def test_an_edited_file_is_left_in_peace_while_nothing_new_is_shipped(paths: Paths, shipped: Path) -> None:
    home.lay_out(paths, shipped)
    (paths.notebooks / "umap.ipynb").write_text(EDITED)
    assert str(home.lay_out(paths, shipped)) == "no changes"
    assert not (paths.notebooks / "umap.new.ipynb").exists()


def test_what_was_offered_beside_and_removed_does_not_come_back(paths: Paths, shipped: Path) -> None:
    (paths.notebooks / "umap.ipynb").write_text(EDITED)
    assert home.lay_out(paths, shipped).beside == ("umap.new.ipynb",)
    (paths.notebooks / "umap.new.ipynb").unlink()
    assert home.lay_out(paths, shipped).beside == ()


def test_on_a_volume_of_dsdl_every_file_counts_as_edited(paths: Paths, shipped: Path) -> None:
    (paths.notebooks / "umap.ipynb").write_text("as DSDL ships it")
    home.lay_out(paths, shipped)
    (shipped / "umap.ipynb").write_text(NEW)
    assert home.lay_out(paths, shipped).beside == ("umap.new.ipynb",)
    assert text(paths, "umap.ipynb") == "as DSDL ships it"
    assert text(paths, "umap.new.ipynb") == NEW


def test_a_damaged_memory_makes_every_file_count_as_edited(paths: Paths, shipped: Path) -> None:
    home.lay_out(paths, shipped)
    (paths.home / home.SHIPPED_HASHES_FILE).write_text("{half")
    (shipped / "umap.ipynb").write_text(NEW)
    assert home.lay_out(paths, shipped).beside == ("umap.new.ipynb",)
    assert text(paths, "umap.ipynb") == OLD


def test_a_link_is_not_followed(paths: Paths, shipped: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.ipynb"
    elsewhere.write_text(OLD)
    (paths.notebooks / "umap.ipynb").symlink_to(elsewhere)
    home.lay_out(paths, shipped)
    (shipped / "umap.ipynb").write_text(NEW)
    home.lay_out(paths, shipped)
    assert elsewhere.read_text() == OLD
    assert (paths.notebooks / "umap.ipynb").is_symlink()


def test_what_lies_beside_is_no_algorithm(paths: Paths, shipped: Path) -> None:
    (paths.notebooks / "umap.ipynb").write_text("def fit(): edited")
    (shipped / "umap.ipynb").write_text("def fit(): shipped")
    home.lay_out(paths, shipped)
    assert algorithms(paths) == ["umap"]


def test_checkpoints_and_caches_are_not_shipped(paths: Paths, shipped: Path) -> None:
    for folder in (".ipynb_checkpoints", "__pycache__"):
        (shipped / folder).mkdir()
        (shipped / folder / "umap-checkpoint.ipynb").write_text(OLD)
    assert home.lay_out(paths, shipped).added == ("data/samples/iris.csv", "umap.ipynb")


def test_the_folders_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "home", tmp_path / "notebooks")
    home.prepare(paths)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert paths.models.is_dir()
    assert paths.staged.is_dir()


def test_a_folder_that_cannot_be_written_is_named(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_writes(monkeypatch, errno.EACCES)
    with pytest.raises(
        VolumeUnwritable, match=f"{paths.home} cannot be written by user .*: Permission denied"
    ) as raised:
        home.prepare(paths)
    assert raised.value.exit_code == 73


@pytest.mark.parametrize("make", [lambda path: path.write_text("x"), lambda path: path.symlink_to(path)])
def test_what_has_the_place_of_a_folder_is_named_as_that(make: Callable[[Path], object], tmp_path: Path) -> None:
    paths = Paths(tmp_path / "home", tmp_path / "notebooks")
    paths.home.mkdir()
    make(paths.jobs)
    with pytest.raises(FolderMissing, match=f"{paths.jobs} is no folder") as raised:
        home.prepare(paths)
    assert raised.value.exit_code == 73


def test_a_full_volume_is_called_full(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_writes(monkeypatch, errno.ENOSPC)
    with pytest.raises(VolumeFull, match=f"{paths.home} is full") as raised:
        home.prepare(paths)
    assert raised.value.exit_code == 74


def refuse_writes(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Make the probe's writes fail like the kernel; tests may run as root, who ignores modes."""

    def refuse(path: Path, mode: str = "r", **_: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "open", refuse)
