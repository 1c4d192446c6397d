"""`dltk models`: looks at the store, and chooses among its versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dltk_runtime import cli
from dltk_runtime.apply.drift import Judgement, Level
from dltk_runtime.apply.drift_files import DriftFiles
from dltk_runtime.commands import Exit
from dltk_runtime.emulator.mltk.grammar import parse_fit
from dltk_runtime.emulator.mltk.request import fit_meta
from dltk_runtime.emulator.mltk.stub import make_stub
from dltk_runtime.errors import DltkError
from dltk_runtime.names import VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import Facts, HeldOut, ModelName, ModelStore, SourceHash
from dltk_runtime.tables.baseline import Baseline
from dltk_runtime.tables.feature import Feature
from tests.store.helpers import NAME, commit, promoted


@pytest.fixture
def store(paths: Paths) -> ModelStore:
    return ModelStore.open(paths, keep=2)


@pytest.fixture(autouse=True)
def environment(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLTK_HOME", str(paths.home))
    monkeypatch.setenv("DLTK_NOTEBOOKS", str(paths.notebooks))
    monkeypatch.setenv("DLTK_KEEP_VERSIONS", "2")


def models(*arguments: str) -> Result:
    return CliRunner().invoke(cli.dltk, ["models", *arguments])


def said(*arguments: str) -> str:
    """What the command prints when all is well."""
    result = models(*arguments)
    assert result.exit_code == Exit.OK, result.output
    return result.output


def refused(*arguments: str) -> str:
    """The sentence of the error that ends the command; `cli.main` prints it."""
    error = models(*arguments).exception
    assert isinstance(error, DltkError)
    return error.sentence


@pytest.mark.parametrize("arguments", [[], ["list"]])
def test_list_shows_each_model_with_its_current_version(arguments: list[str], store: ModelStore) -> None:
    promoted(store)
    commit(store, facts=Facts(rows=1500))
    promoted(store, ModelName("pca", "iris"))
    header, *rows = said(*arguments).splitlines()
    assert header.split()[:4] == ["algorithm", "model", "current", "versions"]
    assert [row.split()[:4] for row in rows] == [["pca", "iris", "1", "1"], ["umap", "default", "1", "1,"]]


def test_an_empty_store_says_so() -> None:
    assert said("list").startswith("No model yet")


def test_home_and_notebooks_overlay_the_environment(tmp_path: Path) -> None:
    other = Paths(tmp_path / "other", tmp_path / "n")
    other.notebooks.mkdir()
    promoted(ModelStore.open(other, keep=2), ModelName("nmf", "words"))
    assert "nmf" in said("list", "--home", str(other.home), "--notebooks", str(other.notebooks))
    assert "nmf" not in said("list")


def test_show_tells_all_about_the_current_version(store: ModelStore) -> None:
    facts = Facts(
        rows=1500,
        train={"accuracy": 0.95},
        features=[Feature("[red]petal", "float64"), Feature("x\x1b[31m\r\x9b", "int64")],
        targets=["species"],
        sources=[SourceHash("umap", "umap.ipynb", "ab" * 32)],
        parameters={"epochs": "3"},
        notices=["the stored model did not load"],
        kept_by_runtime=True,
    )
    store.promote(commit(store, facts=facts))
    output = said("show", "umap", "default")
    expected = ["1 current", "1,500", "accuracy=0.95", "[red]petal: float64", "�: int64", "species", "epochs=3"]
    expected += ["umap.ipynb (abababababab)", "umap_default.json (2 bytes)", "the stored model did not load"]
    assert [text for text in expected if text not in output] == []
    assert "save stored nothing" in output


def test_show_verifies_every_file(store: ModelStore) -> None:
    version = promoted(store, text="12")
    assert "every file is as it was stored" in said("show", "umap", "default", "1", "--verify")
    (version.folder / "umap_default.json").write_text("13")
    assert "umap_default.json" in refused("show", "umap", "default", "--verify")


def test_show_marks_a_damaged_version_and_goes_on(store: ModelStore) -> None:
    broken, _ = commit(store), promoted(store)
    (broken.folder / "version.json").write_text("{")
    output = said("show", "umap", "default")
    assert "damaged" in output
    assert "2 current" in output


def test_show_of_an_old_volumes_model(paths: Paths) -> None:
    (paths.models / "umap_default.json").write_text("old")
    assert "files of an old volume" in said("show", "umap", "default")
    assert "has no files of an old volume" in refused("show", "umap", "other")


def test_rollback_and_promote_say_which_version_is_current(store: ModelStore) -> None:
    first, second = promoted(store), promoted(store)
    assert said("rollback", "umap", "default") == "umap/default version 1 is current.\n"
    assert store.current(NAME) == first
    assert said("promote", "umap", "default", "2") == "umap/default version 2 is current.\n"
    assert store.current(NAME) == second
    assert "has no version 9" in refused("promote", "umap", "default", "9")


def test_rollback_and_promote_say_who_answers_splunks_searches(store: ModelStore) -> None:
    for names in (["a"], ["a", "b"]):
        features = [Feature(name, "float64") for name in names]
        store.promote(commit(store, facts=Facts(features=features)))
    first, said_more = said("rollback", "umap", "default").splitlines()
    assert first == "umap/default version 1 is current."
    assert said_more.startswith("Searches with the fields 'a' are answered by version 1. Splunk sends the fields of ")
    assert (
        "the last fit, version 2: 'a', 'b'. These are answered by the version promoted last that has them" in said_more
    )
    assert said("promote", "umap", "default", "2") == "umap/default version 2 is current.\n"


def test_delete_removes_a_model_when_it_is_told_to_and_its_history_says_why(store: ModelStore) -> None:
    promoted(store), promoted(store, ModelName("umap", "other"))
    asked = said("delete", "umap", "default")
    assert asked == "umap/default: 1 version. Nothing was removed; repeat it with --yes to remove the model.\n"
    assert said("delete", "umap", "default", "--yes", "--reason", "never used") == "umap/default: 1 version removed.\n"
    assert store.models() == [ModelName("umap", "other")]
    newest = store.history(NAME).entries[0]
    assert (newest.what, newest.reason) == ("deleted", "never used")
    assert "List all models with" in refused("delete", "umap", "default", "--yes")


def test_compare_shows_both_and_says_what_their_figures_tell(store: ModelStore) -> None:
    held = HeldOut(share=0.2, rows=21, metrics={"r2": 0.23123456})
    for number, names in enumerate((["a"], ["a", "b"])):
        features = [Feature(name, "float64") for name in names]
        commit(store, facts=Facts(features=features, train={"r2": 0.94381111}, holdout=held if number else None))
    output = said("compare", "umap", "default", "1", "2")
    assert [text for text in ("a, b", "r2=0.9438", "r2=0.2312 (21 rows)", "--data FILE") if text not in output] == []
    for number in (1, 2):
        store.add_score(store.get(NAME, number), "labels.csv", 40, {"r2": 0.2 * number})
    output = said("compare", "umap", "default", "1", "2")
    assert "later, 40 rows that neither has seen: labels.csv" in output
    assert "The later figures are of the same rows" in output


def test_export_copies_and_never_overwrites_unasked(store: ModelStore, tmp_path: Path) -> None:
    promoted(store, text="one")
    promoted(store, text="two")
    to = tmp_path / "out"
    assert said("export", "umap", "default", "--to", str(to)) == f"{to / 'umap_default.json'}\n"
    assert "already" in refused("export", "umap", "default", "1", "--to", str(to))
    assert (to / "umap_default.json").read_text() == "two"
    said("export", "umap", "default", "1", "--to", str(to), "--force")
    assert (to / "umap_default.json").read_text() == "one"


def test_prune_removes_old_versions_of_one_model_or_of_all(store: ModelStore) -> None:
    other = ModelName("pca", "iris")
    for name in (NAME, other):
        for _ in range(4):
            promoted(store, name)
    assert said("prune", "umap", "default") == "umap/default: removed versions 1, 2.\n"
    assert said("prune", "--keep", "1") == "pca/iris: removed versions 1, 2.\n"  # 3 was current before
    assert said("prune") == "Nothing to remove.\n"
    assert "pca/nothing" in refused("prune", "pca", "nothing")


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "../x", "default"],
        ["show", "umap", "a b"],
        ["promote", "umap", "default", "x"],
        ["prune", "umap"],
        ["prune", "--keep", "0"],
        ["nothing"],
    ],
)
def test_a_wrong_command_line_is_a_usage_error(arguments: list[str]) -> None:
    assert models(*arguments).exit_code == Exit.USAGE


@pytest.mark.parametrize(("flavour", "kind"), [("dsdl", "MLTKContainer"), ("aitk", "AITKContainer")])
def test_stub_writes_the_entry_that_a_fit_would_leave(
    store: ModelStore, tmp_path: Path, flavour: str, kind: str
) -> None:
    features = [Feature("petal", "float64"), Feature("x, y", "int64")]
    facts = Facts(features=features, targets=["species"], parameters={"epochs": "3"})
    store.promote(commit(store, ModelName("pytorch_nn", "iris"), facts=facts))
    text = said("stub", "pytorch_nn", "iris", "--flavour", flavour)
    fit = parse_fit(f'{kind} algo=pytorch_nn epochs=3 species from petal "x, y" into app:iris')
    assert text == make_stub("iris", kind, fit_meta(fit, ["petal", "species", "x, y"])).to_csv()
    path = said("stub", "pytorch_nn", "iris", "--flavour", flavour, "--to", str(tmp_path / "lookups")).strip()
    assert Path(path).read_text() == text
    assert Path(path).name == "__mlspl_iris.mlmodel"


def test_a_stub_without_a_target_has_none(store: ModelStore) -> None:
    facts = Facts(features=[Feature("a", "int64")])
    store.promote(commit(store, ModelName("umap", "map"), facts=facts))
    assert "target_variable" not in said("stub", "umap", "map")
    assert '""target_variable"": null' in said("stub", "umap", "map", "--flavour", "aitk")


def test_a_stub_of_an_old_volume_is_refused(store: ModelStore, paths: Paths) -> None:
    (paths.models / "umap_old.json").write_text("{}")
    result = models("stub", "umap", "old")
    assert result.exit_code == Exit.USAGE
    assert "Fit the model again" in result.output


def test_card_prints_that_of_the_current_version_or_of_another_one(store: ModelStore) -> None:
    commit(store, facts=Facts(rows=7, owner="team-a"))
    promoted(store)
    assert said("card", "umap", "default").startswith("# Model card: umap / default, version 2\n")
    other = json.loads(said("card", "umap", "default", "1", "--json"))
    assert (other["number"], other["rows"], other["owner"], other["current"]) == (1, 7, "team-a", False)
    assert "no version 9" in refused("card", "umap", "default", "9")


def test_card_knows_the_drift_judged_last_and_hides_values(
    store: ModelStore, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline = Baseline(counts=[0, 4, 0, 0], edges=[41.5, 7773.25], mean=50.0)
    store.promote(commit(store, facts=Facts(rows=4, features=[Feature("x", "number", baseline)])))
    judgement = Judgement(1, 1500, [Level("x", 0.375, 0.5)])
    DriftFiles(paths.drift, store).write([(VersionId(NAME, 1), judgement)])
    text = said("card", "umap", "default")
    assert "| x | 0.375 | 50.0% |" in text
    assert "41.5 to 7773" in text
    monkeypatch.setenv("DLTK_KEEP_VALUES", "false")
    assert "41.5" not in said("card", "umap", "default") + said("card", "umap", "default", "--json")
