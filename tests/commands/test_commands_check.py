"""`dltk check` and `dltk algos`."""

from __future__ import annotations

from click.testing import CliRunner, Result

from dltk_runtime.cli import dltk
from dltk_runtime.commands import Exit
from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook


def run(command: str, paths: Paths, *arguments: str) -> Result:
    folders = ["--home", str(paths.home), "--notebooks", str(paths.notebooks)]
    return CliRunner().invoke(dltk, [command, *folders, *arguments], env={"COLUMNS": "200"})


def test_check_without_names_checks_all_and_prints_every_problem(paths: Paths, make_notebook: MakeNotebook) -> None:
    make_notebook("good")
    make_notebook("bad", fit="def fit(model): ...", apply=None)
    (paths.notebooks / "half.ipynb").write_text('{"cells": ["def fit(')
    result = run("check", paths)
    assert result.exit_code == Exit.FAILED
    bad_signature, bad_missing, good, half = result.output.splitlines()
    assert bad_signature.startswith("bad.ipynb, cell 3 (mltkc_fit), line 1: `def fit(model): ...`: it cannot be called")
    assert bad_missing == "bad.ipynb has no function apply(model, df, param)"
    assert good == "good: no problem"
    assert half.startswith(f"{paths.notebooks / 'half.ipynb'} cannot be read")


def test_check_takes_names_and_files(paths: Paths, make_notebook: MakeNotebook) -> None:
    path = make_notebook("good")
    make_notebook("bad", fit=None)
    result = run("check", paths, "good", str(path))
    assert result.exit_code == Exit.OK
    assert result.output == f"good: no problem\n{path}: no problem\n"


def test_check_of_an_unknown_notebook_fails_with_the_nearest_name(paths: Paths, make_notebook: MakeNotebook) -> None:
    make_notebook("umap")
    result = run("check", paths, "umpa", "umap")
    assert result.exit_code == Exit.FAILED
    assert "Did you mean 'umap'?" in result.output
    assert "umap: no problem" in result.output


def test_algos_lists_names_files_functions_and_the_number_of_problems(
    paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("good", save=None)
    make_notebook("bad", fit="def fit(model): ...", apply=None)
    (paths.modules / "old.py").write_text("def fit(m, d, p): ...\ndef apply(m, d, p): ...\n")
    result = run("algos", paths)
    assert result.exit_code == Exit.OK
    rows = {cells[1]: cells[2:-1] for line in result.output.splitlines() if len(cells := line.split("│")) > 2}
    shown = {name.strip(): [cell.strip() for cell in cells] for name, cells in rows.items()}
    assert shown == {
        "bad": ["bad.ipynb", "init fit save load summary", "2"],
        "good": ["good.ipynb", "init fit apply load summary", "0"],
        "old": ["app/model/old.py", "fit apply", "1"],
    }


def test_no_file_is_left_out_without_a_word(paths: Paths, make_notebook: MakeNotebook) -> None:
    for name in ("my-algo", "a.b", "my-algo.new"):
        make_notebook(name)
    make_notebook("playground", "# %%\nprint(1)\n")
    (paths.notebooks / "team").mkdir()
    (paths.notebooks / "team" / "my-algo.ipynb").write_bytes((paths.notebooks / "my-algo.ipynb").read_bytes())
    checked, listed = run("check", paths), run("algos", paths)
    assert checked.exit_code == Exit.OK
    for file, why in (
        ("a.b.ipynb", "Invalid algorithm name 'a.b'"),
        ("my-algo.new.ipynb", "the new version of a file that was edited"),
        ("team/my-algo.ipynb", "my-algo.ipynb has the same name and is used: rename one"),
    ):
        assert f"{file} is not used: {why}" in checked.output
        assert f"not used: {file}: {why}" in listed.output
    assert "without init, fit or apply: playground.ipynb" in listed.output


def test_a_notebook_that_cannot_be_read_is_a_problem_though_it_names_no_function(paths: Paths) -> None:
    (paths.notebooks / "torn.ipynb").write_text('{"cells": [', encoding="utf-8")
    checked, listed = run("check", paths), run("algos", paths)
    assert checked.exit_code == Exit.FAILED
    assert "torn.ipynb cannot be read: it is not JSON" in checked.output
    assert f"not used: torn.ipynb: {paths.notebooks / 'torn.ipynb'} cannot be read" in listed.output
    assert "without init" not in listed.output


def test_check_finds_a_notebook_with_a_dash_and_names_one_with_a_dot(paths: Paths, make_notebook: MakeNotebook) -> None:
    make_notebook("my-algo")
    make_notebook("a.b")
    assert run("check", paths, "my-algo").output == "my-algo: no problem\n"
    result = run("check", paths, "a.b")
    assert result.exit_code == Exit.FAILED
    assert result.output.startswith("Invalid algorithm name 'a.b'")


def test_without_algorithms_both_say_where_they_looked(paths: Paths) -> None:
    for command in ("check", "algos"):
        result = run(command, paths)
        assert result.exit_code == Exit.OK
        assert f"No algorithm in {paths.notebooks}" in result.output


def test_show_says_what_an_algorithm_takes_and_lists_the_searches_to_type(
    paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("umap", UMAP)
    make_notebook("silent")
    result = run("algos", paths, "show", "umap")
    assert result.exit_code == Exit.OK
    assert result.output.startswith(
        "Map (umap.ipynb)\n\nFinds a map of [many] fields.\n\n| fit MLTKContainer algo=umap"
    )
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.output.splitlines() if "│" in line]
    assert rows == [
        ["n_components", "an integer", "2", "columns [of] the map"],
        ["metric", "one of cosine, euclidean", "'cosine'", ""],
    ]
    assert "problem: umap.ipynb has no function init(df, param)" in result.output
    assert "It declares no parameters" in run("algos", paths, "show", "silent").output


def test_show_of_an_unknown_algorithm_names_the_nearest(paths: Paths, make_notebook: MakeNotebook) -> None:
    make_notebook("umap", UMAP)
    result = run("algos", paths, "show", "umpa")
    assert "Did you mean 'umap'?" in str(result.exception)


def test_the_algorithms_are_a_table_in_markdown(paths: Paths, make_notebook: MakeNotebook) -> None:
    make_notebook("umap", UMAP)
    result = run("algos", paths, "--markdown")
    assert result.output.splitlines()[-1] == "| `umap` | Map | `n_components`, `metric` |"


UMAP = """
    # %% [markdown]
    # Map

    Finds a map
    of [many] fields.

    ```
    | fit MLTKContainer algo=umap a b
    ```
    # %% tags=parameters
    n_components: int = 2  # columns [of] the map
    metric: Literal["cosine", "euclidean"] = "cosine"
    # %% mltkc_fit
    def fit(model, df, param): ...
    # %% mltkc_apply
    def apply(model, df, param): ...
"""
