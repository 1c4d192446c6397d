"""`dltk migrate stubs` against recorded entries and the toolkit's codec; `dltk migrate since`."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dltk_runtime import cli
from dltk_runtime.commands import Exit
from dltk_runtime.emulator.mltk.grammar import parse_fit
from dltk_runtime.paths import Paths
from dltk_runtime.store.search_words import word
from dltk_runtime.store.store import Facts, ModelName, ModelStore
from dltk_runtime.tables.feature import Feature
from dltk_runtime.texts import unquote
from tests.aitk import codec
from tests.store.helpers import NAME, commit, promoted

STORED = Path(__file__).parent.parent / "data" / "stubs"


def migrate(*arguments: object) -> Result:
    return CliRunner().invoke(cli.dltk, ["migrate", *map(str, arguments)])


@pytest.fixture
def lookups(tmp_path: Path) -> Path:
    """A copy of a search head's lookups, with DSDL's recorded entries."""
    folder = tmp_path / "lookups"
    folder.mkdir()
    for path in STORED.glob("__mlspl_*.mlmodel"):
        shutil.copy(path, folder)
    (folder / "geo.csv").write_text("a\n1\n")
    return folder


def test_the_toolkits_decoder_takes_what_was_converted(lookups: Path, tmp_path: Path) -> None:
    result = migrate("stubs", lookups, "--to", tmp_path / "new")
    assert result.exit_code == Exit.OK, result.output
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "__mlspl_text_scores.mlmodel",
        "__mlspl_text_scores_no_target.mlmodel",
    ]
    for name, target in (("text_scores", "label"), ("text_scores_no_target", None)):
        old, new = (
            (folder / f"__mlspl_{name}.mlmodel").read_text(encoding="utf-8") for folder in (lookups, tmp_path / "new")
        )
        with pytest.raises(codec.ToolkitError, match="may not be compatible"):
            codec.decode(old, lambda _: "http://container:5000")
        container = codec.decode(new, lambda _: "http://container:5000")
        options = json.loads(list(csv.reader(io.StringIO(old)))[1][2])
        assert container.options == {**options, "algo_name": "AITKContainer"}
        assert (container.feature_variables, container.target_variable) == (["text"], target)
        assert codec.encode(container.options, ["text"], target) == new
    assert "predicted_None" in result.output


def test_other_entries_are_named_and_left(lookups: Path, tmp_path: Path) -> None:
    for path in lookups.iterdir():
        path.unlink()
    shutil.copy(STORED / "constructed_toolkit_text_scores.mlmodel", lookups / "__mlspl_new.mlmodel")
    spl = codec.file_of("PCA", {"__mlspl_type": ["algos.PCA", "PCA"], "dict": {}}, {})
    (lookups / "__mlspl_pca.mlmodel").write_text(spl)
    (lookups / "__mlspl_torn.mlmodel").write_text("algo,model,options\nMLTKContainer,{")
    result = migrate("stubs", lookups, "--to", tmp_path / "new")
    assert result.exit_code == Exit.FAILED
    words = [line.split()[:2] for line in result.output.splitlines()[1:]]
    assert words == [["new", "has"], ["pca", "runs"], ["torn", "unreadable"]]
    assert not (tmp_path / "new").exists()


def test_what_no_entry_can_be_is_named_and_waits_for_nobody(lookups: Path, tmp_path: Path) -> None:
    good = (lookups / "__mlspl_text_scores.mlmodel").read_bytes()
    for path in lookups.iterdir():
        path.unlink()
    for name in ("=cmd", "", "a\x1b[31mb"):
        (lookups / f"__mlspl_{name}.mlmodel").write_bytes(good)
    os.mkfifo(lookups / "__mlspl_pipe.mlmodel")
    (lookups / "__mlspl_folder.mlmodel").mkdir()
    (lookups / "__mlspl_deep.mlmodel").write_text(f'algo,model,options\nMLTKContainer,"{"[" * 100_000}",{{}}\n')
    result = migrate("stubs", lookups, "--to", tmp_path / "new")
    assert (result.exit_code, result.output.count("unreadable")) == (Exit.FAILED, 6), result.output
    assert not (tmp_path / "new").exists()


def test_entries_are_not_replaced_where_they_lie(lookups: Path) -> None:
    before = {path.name: path.read_bytes() for path in lookups.iterdir()}
    result = migrate("stubs", lookups, "--to", lookups / ".", "--force")
    assert "is the folder of the entries themselves" in str(result.exception)
    assert {path.name: path.read_bytes() for path in lookups.iterdir()} == before


def test_a_session_key_is_not_copied(lookups: Path, tmp_path: Path) -> None:
    options = {"params": {"algo": "x"}, "feature_variables": ["a"], "model_name": "m", "session_key": "s3cretkey"}
    fields = {"endpoint_url": "", "out_params": options, "feature_variables": ["a"]}
    model = {"__mlspl_type": ["mltkc.MLTKContainer", "MLTKContainer"], "dict": fields}
    (lookups / "__mlspl_m.mlmodel").write_text(codec.file_of("MLTKContainer", model, options))
    result = migrate("stubs", lookups, "--to", tmp_path / "new")
    assert result.exit_code == Exit.OK
    assert "s3cretkey" not in result.output + (tmp_path / "new" / "__mlspl_m.mlmodel").read_text()


def test_nothing_is_overwritten_and_a_folder_without_entries_is_refused(lookups: Path, tmp_path: Path) -> None:
    assert migrate("stubs", lookups, "--to", tmp_path / "new").exit_code == Exit.OK
    again = migrate("stubs", lookups, "--to", tmp_path / "new")
    assert "has __mlspl_text_scores.mlmodel already" in str(again.exception)
    assert migrate("stubs", lookups, "--to", tmp_path / "new", "--force").exit_code == Exit.OK
    (tmp_path / "empty").mkdir()
    assert "holds no entries of models" in str(migrate("stubs", tmp_path / "empty", "--to", tmp_path / "n").exception)


# ------------------------------------------------------------ since


def test_since_lists_later_versions_with_the_fit_that_makes_them_again(paths: Paths) -> None:
    store = ModelStore.open(paths, keep=5)
    promoted(store)
    facts = Facts(
        rows=20,
        parameters={"algo": "umap", "plot": '"a, b"', "epochs": "3"},  # as Splunk sends them
        targets=["the label"],
        features=[Feature("x_1", "number"), Feature("the label", "text")],
    )
    commit(store, facts=facts)
    commit(store, ModelName("pca", "iris"), facts=Facts(features=[Feature("a", "number")]))
    where = ("--home", paths.home, "--notebooks", paths.notebooks)
    result = migrate("since", "2020-01-01", "--csv", *where)
    assert result.exit_code == Exit.OK, result.output
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["model"], row["version"], row["current"]) for row in rows] == [
        ("iris", "1", ""),
        (NAME.model, "1", "yes"),
        (NAME.model, "2", ""),
    ]
    assert rows[0]["search"] == "fit MLTKContainer algo=pca a into app:iris"
    search = rows[2]["search"]
    assert search == 'fit MLTKContainer algo=umap plot="a, b" epochs=3 "the label" from x_1 into app:default'
    document = json.loads(migrate("since", "2020-01-01", "--json", *where).stdout)["fitted"]
    assert [(each["version"], each["current"], each["search"]) for each in document] == [
        (int(row["version"]), row["current"] == "yes", row["search"]) for row in rows
    ]
    command = parse_fit(search.removeprefix("fit "))
    assert command.options["params"] == {"algo": "umap", "plot": '"a, b"', "epochs": "3"}
    spl = CliRunner().invoke(cli.dltk, ["models", "stub", "umap", "default", "2", "--spl", *map(str, where)])
    evaluated, fit = spl.stdout.splitlines()[1:]
    assert evaluated == '| eval "the label"=1, x_1=1'
    assert parse_fit(fit.removeprefix("| fit ")).options["params"]["mode"] == "register"
    later = migrate("since", "2999-01-01", *where)
    assert later.output == "Nothing was fitted here since then.\n"
    for time in (["-1d@d"], ["-2h"], ["--", "-2h"]):
        since = migrate("since", "--csv", *where, *time)
        assert since.output.count("\n") == 4, "a time may begin with a minus"
    assert migrate("since", "-2h", "--csv", *where).output == since.output


@pytest.mark.parametrize("time", ["yesterday", "1e30", "nan", "inf", "1700000000000", "2026-13-01", "-1fortnight"])
def test_a_time_that_is_none_is_refused(time: str, tmp_path: Path) -> None:
    refused = migrate("since", time, "--home", tmp_path)
    assert (refused.exit_code, f"Invalid time '{time}'" in refused.output) == (Exit.USAGE, True)


def test_a_folder_that_is_not_there_is_not_taken_for_one_without_fits(tmp_path: Path) -> None:
    refused = migrate("since", "2026-01-31", "--home", tmp_path / "wrong")
    assert refused.exit_code == Exit.USAGE
    assert "wrong. Name that of the models with --home" in refused.output
    assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_1*", "a_1*"),
        ("two words", '"two words"'),
        ("it's", '"it\'s"'),
        ("from", '"from"'),
        ("", '""'),
        ("a\\b", '"a\\b"'),
    ],
)
def test_a_word_of_a_search_has_quotes_where_it_needs_them(text: str, expected: str) -> None:
    """It used to double backslashes, and a fit of the clause then read two; a field named from had no quotes."""
    assert word(text) == expected
    read = parse_fit(f"MLTKContainer algo=net value={word(text)} x into app:m").options["params"]["value"]
    assert unquote(read) == text


def test_what_no_quotes_can_hold_is_shown_as_one_word() -> None:
    assert word('say "x"') == '"say \\"x\\""'
