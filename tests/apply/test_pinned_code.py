"""Which code an apply runs after an edit: that of its version, or the notebook's."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dltk_runtime.cli import dltk
from dltk_runtime.commands import Exit
from dltk_runtime.lab.extension import with_code_note
from dltk_runtime.notebook.review import review
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from tests.conftest import write_notebook
from tests.support.service import Service

DATA = "a\n1\n"
EDITED = "def apply(model, df, param): return pd.DataFrame({'edited': [1] * len(df)})"


@pytest.mark.parametrize(
    ("code", "mode", "pinned"),
    [("auto", "PROD", True), ("auto", "DEV", False), ("live", "PROD", False), ("pinned", "DEV", True)],
)
def test_a_setting_decides_for_all_models(code: str, mode: str, pinned: bool) -> None:
    assert Settings.from_env({"DLTK_VERSION_CODE": code, "MODE_DEV_PROD": mode}).pins_code is pinned


@pytest.mark.process
def test_in_prod_a_model_keeps_its_code_until_its_next_fit_or_until_it_is_made_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, notebooks = tmp_path / "home", tmp_path / "notebooks"
    write_notebook(notebooks, "algo")

    def pin(*options: str) -> str:
        result = CliRunner().invoke(dltk, ["models", "pin", "--home", str(home), "algo", *options])
        assert result.exit_code == Exit.OK, result.output
        return result.output

    def applied() -> str:
        answer = service.apply("algo", DATA)
        assert answer["status"] == "success", answer
        return str(answer["results"])

    def said() -> tuple[str, ...]:
        path = notebooks / "algo.ipynb"
        return with_code_note(review(path), path, Paths(home, notebooks)).notes

    monkeypatch.setenv("DLTK_VERSION_CODE", "auto")
    with Service(home, notebooks, DLTK_VERSION_CODE="auto", MODE_DEV_PROD="PROD") as service:
        assert service.fit("algo", DATA)["status"] == "success"
        assert applied() == "rows\n1\n"
        write_notebook(notebooks, "algo", apply=EDITED)
        assert applied() == "rows\n1\n"
        assert said() == ("applies of m go on with the code of their version until the next fit",)
        assert pin("m", "--live") == "algo/m: applies run the notebook's code.\n"
        assert applied() == "edited\n1\n"
        assert said() == ("the next apply of m runs this code",)
        pin("m")
        assert applied() == "rows\n1\n"
        service.restart()
        assert applied() == "rows\n1\n"
        pin("m", "--auto")
        assert service.fit("algo", DATA)["status"] == "success"
        assert applied() == "edited\n1\n"
    unknown = CliRunner().invoke(dltk, ["models", "pin", "--home", str(home), "algo", "other"])
    assert unknown.exit_code == Exit.FAILED
    assert "algo/other has no version" in str(unknown.exception)
