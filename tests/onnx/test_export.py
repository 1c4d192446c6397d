"""`dltk models export --onnx` of versions that a server fitted, and searches that score the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dltk_runtime import cli
from dltk_runtime.commands import Exit
from dltk_runtime.errors import DltkError
from tests.support.service import Service

FIT = """
def fit(model, df, param):
    from sklearn.linear_model import LinearRegression
    model["features"] = param["feature_variables"]
    model["line"] = LinearRegression().fit(df[model["features"]].to_numpy(float), df["y"].to_numpy())
    return {}
"""
APPLY = """
def apply(model, df, param):
    return pd.DataFrame({"value": model["line"].predict(df[model["features"]].to_numpy(float))%s})
"""
LINE = {"fit": FIT, "apply": APPLY % "", "save": "def save(model, name):\n    return model"}
ROWS = "x,z,y\n" + "".join(f"{n},{n * n % 7},{3 * n + n * n % 7}\n" for n in range(40))

pytestmark = [
    pytest.mark.process,
    pytest.mark.server(
        notebooks={
            "line": LINE,
            "more": LINE | {"apply": APPLY % " + 1"},
            "broken": LINE | {"export": "def to_onnx(model):\n    return model['absent']"},
        },
    ),
]


@pytest.fixture(scope="module")
def fitted(shared_service: Service) -> Service:
    for name in ("line", "more", "broken"):
        answer = shared_service.fit(name, ROWS, target="y", model=name)
        assert answer["status"] == "success", answer["message"]
    return shared_service


def dltk(service: Service, *arguments: str) -> Result:
    folders = ("--home", str(service.home), "--notebooks", str(service.notebooks))
    return CliRunner().invoke(cli.dltk, [*arguments, *folders])


def test_an_exported_file_gives_a_search_what_the_container_gives(
    fitted: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, rows = tmp_path / "straight.onnx", tmp_path / "rows.csv"
    rows.write_text(ROWS)
    export = ("models", "export", "line", "line", "--onnx", str(file))
    done = dltk(fitted, *export)
    assert done.exit_code == Exit.OK, done.output
    for said in ("skl2onnx", "rows made from the statistics", "largest difference", "1,000", f"{file}: "):
        assert said in done.output
    assert "give another file, or --force" in dltk(fitted, *export).output
    done = dltk(fitted, *export, "--force", "--rows", str(rows))
    assert "the rows of rows.csv" in done.output
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLTK_URL", "http://127.0.0.1:1")  # no container is asked
    spl = "| inputlookup rows.csv | eval x=if(x=3, null(), x) | apply onnx:straight | table x predicted_y"
    done = dltk(fitted, "search", "--onnx", str(tmp_path), "--output", "json", spl)
    assert done.exit_code == Exit.OK, done.output
    found = [json.loads(line) for line in done.output.splitlines()] if "\n{" in done.output else json.loads(done.output)
    values = [each.get("predicted_y") for each in found]
    assert values[3] in (None, "")
    assert float(values[10]) == pytest.approx(32, rel=1e-4)
    done = dltk(fitted, "search", "--onnx", str(tmp_path), "| inputlookup rows.csv | apply onnx:strait")
    assert done.exit_code == Exit.USAGE
    assert "Did you mean 'straight'?" in done.output


def test_a_file_that_differs_from_apply_is_not_written(fitted: Service, tmp_path: Path) -> None:
    done = dltk(fitted, "models", "export", "more", "more", "--onnx", str(tmp_path / "more.onnx"))
    assert done.exit_code == Exit.FAILED
    assert "1,000 of 1,000 rows differ" in done.output
    assert "was not written" in done.output
    assert not list(tmp_path.iterdir())


def test_a_failure_of_to_onnx_has_coordinates(fitted: Service, tmp_path: Path) -> None:
    error = dltk(fitted, "models", "export", "broken", "broken", "--onnx", str(tmp_path / "b.onnx")).exception
    assert isinstance(error, DltkError)
    assert "KeyError: 'absent' (at broken.ipynb, cell" in str(error)


def test_options_of_onnx_need_its_file(fitted: Service) -> None:
    done = dltk(fitted, "models", "export", "line", "line", "--opset", "12")
    assert done.exit_code == Exit.USAGE
    assert "belong to --onnx FILE" in done.output


def test_a_file_that_cannot_be_written_is_refused_before_the_work(fitted: Service, tmp_path: Path) -> None:
    file = tmp_path / "absent" / "line.onnx"
    done = dltk(fitted, "models", "export", "line", "line", "--onnx", str(file))
    assert done.exit_code == Exit.USAGE
    assert f"{file.parent} is no folder in which you may write" in " ".join(done.output.split())


def test_a_search_by_arrow_gives_the_rows_of_one_by_csv(
    fitted: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLTK_URL", fitted.url)
    monkeypatch.setenv("DLTK_TOKEN", fitted.token)
    lookups = ("--lookups", str(tmp_path / "lookups"), "--output", "csv")
    stub = dltk(fitted, "models", "stub", "line", "line", "--to", str(tmp_path / "lookups"))
    assert stub.exit_code == Exit.OK, stub.output
    spl = "| inputlookup rows.csv | apply line | table x predicted_y"
    by_csv, by_arrow = (dltk(fitted, "search", *more, *lookups, spl) for more in ((), ("--arrow",)))
    assert by_csv.exit_code == by_arrow.exit_code == Exit.OK, by_arrow.output
    assert by_arrow.stdout == by_csv.stdout
    assert "done successfully by Arrow, version 1" in by_arrow.stderr
    refused = dltk(fitted, "search", "--arrow", *lookups, "| inputlookup rows.csv | fields x | apply line")
    assert (refused.exit_code, "ERROR" in refused.stderr) == (Exit.FAILED, True)
