"""`dltk forget` while a server goes on: no file of the home holds a value of the model's rows any more."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dltk_runtime import cli
from dltk_runtime.commands import Exit
from dltk_runtime.files import atomic
from dltk_runtime.paths import Paths
from dltk_runtime.shadow import ComparedRequest, Records
from dltk_runtime.splunk import spool
from dltk_runtime.splunk.spool import Spool
from dltk_runtime.store.store import ModelName, ModelStore
from dltk_runtime.volume.errors import NothingToForget
from tests.conftest import write_notebook
from tests.store.helpers import NAME, promoted
from tests.support.service import Service, until

VALUE = "a-value-of-a-row"
ROWS = "name,number\n" + "".join(f"{VALUE},{row}\n" for row in range(250))
KEEPS_ALL = {
    "fit": """
        def fit(model, df, param):
            print("seen", df["name"][0])
            model["rows"] = len(df)
            with open("/srv/app/graphics/" + df["name"][0] + ".svg", "w") as file:
                file.write("<svg>" + df["name"][0] + "</svg>")
            if len(df) < 5:
                raise ValueError("cannot fit " + df["name"][0])
            return {"rows": len(df), "first": df["name"][0]}
    """,
    "save": """
        def save(model, name):
            with open(MODEL_DIRECTORY + name + ".json", "w") as file:
                json.dump({**model, "kept": "a-value-of-a-row"}, file)
            return model
    """,
    "summary": """
        def summary(model=None):
            return {"about": "a-value-of-a-row"}
    """,
}


def forget(paths: Paths, *arguments: str) -> Result:
    command = ["forget", *arguments, "--home", str(paths.home), "--notebooks", str(paths.notebooks)]
    return CliRunner().invoke(cli.dltk, command)


def holding(paths: Paths, value: str) -> set[str]:
    """The files of the home, and of the staged rows, that hold a value or have it in their name."""
    found = set()
    for path in [*atomic.regular_files(paths.home), *atomic.regular_files(paths.staged)]:
        with contextlib.suppress(FileNotFoundError):  # a temporary one of the server
            if value in path.name or value.encode() in path.read_bytes():
                found.add(path.name)
    return found


@pytest.mark.process
@pytest.mark.server(
    notebooks={"keeps": KEEPS_ALL, "healthy": {}},
    fits=[("healthy", "a,b\n1,2\n2,3\n", "m")],
    own=True,
    splunk_hec_enabled="1",
    splunk_hec_url="http://127.0.0.1:9",
    splunk_hec_token="t",
)
def test_no_file_holds_a_value_after_a_model_was_forgotten(service: Service) -> None:
    paths = Paths(service.home, service.notebooks)
    for _ in range(2):
        assert service.fit("keeps", ROWS)["status"] == "success"
    assert service.fit("keeps", "name,number\na-value-of-a-row,1\n")["status"] == "error"
    assert service.fit("keeps", ROWS, mode="stage")["status"] == "staged"
    assert service.apply("keeps", ROWS)["status"] == "success"
    assert VALUE in str(service.summary())
    until(lambda: "last_used.json" in holding(paths, VALUE))
    before = {name for name in holding(paths, VALUE) if not name.endswith(atomic.TEMPORARY_SUFFIX)}
    assert {"version.json", "m.csv", f"{VALUE}.svg", "log", "job.json", "000001.jsonl"} <= before

    listed = forget(paths, "keeps/m")
    assert listed.exit_code == Exit.OK, listed.output
    assert "Nothing was removed" in listed.output
    assert before <= holding(paths, VALUE)
    done = forget(paths, "keeps/m", "--yes", "--reason", "a person asked for it")
    assert done.exit_code == Exit.OK, done.output
    until(lambda: not holding(paths, VALUE))

    assert service.apply("keeps", ROWS)["status"] == "error"
    assert VALUE not in str(service.summary())
    assert service.apply("healthy", "a,b\n1,2\n")["results"] == "rows\n2\n"
    assert [each["model"] for each in json.loads(service.send("/v1/jobs", None))["jobs"]] == ["m"]
    history = json.loads(service.send("/v1/models/keeps/m/history", None))["entries"]
    assert [each["what"] for each in history] == ["forgotten", "fitted", "fitted"]
    assert history[0]["reason"] == "a person asked for it"
    message = service.fit("keeps", ROWS)["message"]
    assert int(message.partition(" Version ")[2].split()[0]) > 2, "no number is used twice"


@pytest.mark.process
@pytest.mark.server(notebooks={"healthy": {}}, own=True, DLTK_SPARES="0", DLTK_KEEP_VALUES="false")
def test_the_home_has_no_value_of_a_text_field_where_versions_keep_none(service: Service) -> None:
    """The notebook keeps none of its own, and the version's baseline has hashes; other tests find values there."""
    assert service.fit("healthy", ROWS)["status"] == service.apply("healthy", ROWS)["status"] == "success"
    service.stop()  # what is written now and then, such as calls and drift, is there now
    assert holding(Paths(service.home, service.notebooks), VALUE) == set()


# ------------------------------------------------------------ without a server


def test_only_what_is_the_models_own_goes(paths: Paths) -> None:
    store, other = ModelStore.open(paths, keep=5), ModelName("pca", NAME.model)
    promoted(store), promoted(store, other)
    folder = paths.versions / NAME.folder / NAME.model
    (folder / "1" / "pictures").mkdir()
    (folder / "1" / "pictures" / "a.png").write_bytes(b"own")
    (folder / "1" / "pictures" / "b.png").write_bytes(b"own")
    (folder / "history").write_text("who did what")
    (folder / "7").mkdir()
    (paths.graphics / "a.png").write_bytes(b"own")
    (paths.graphics / "b.png").write_bytes(b"of another model since")
    (paths.models / "umap_default.json").write_text("flat")
    for job, model in (("j1", "default"), ("j2", "other")):
        (paths.home / "tracking" / "runs" / job / "artifacts").mkdir(parents=True)
        facts = json.dumps({"algorithm": "umap", "model": model})
        (paths.home / "tracking" / "runs" / job / "run.json").write_text(facts)
    staged = {"options": {"params": {"algo": '"pca"'}}}
    (paths.staged / "default.json").write_text(json.dumps(staged))
    (paths.staged / "default.csv").write_text("a\n1\n")
    (paths.staged / "default.notes.txt").write_text("mine")
    result = forget(paths, "umap/default", "--yes")
    assert result.exit_code == Exit.OK, result.output
    for text in ("staged for the algorithm pca", "another picture has this name now", "--old-files removes them"):
        assert text in result.output
    assert sorted(path.name for path in folder.iterdir()) == ["history", "reserved-1"]
    assert sorted(path.name for path in paths.graphics.iterdir()) == ["b.png"]
    assert sorted(path.name for path in paths.staged.iterdir()) == ["default.csv", "default.json", "default.notes.txt"]
    assert (paths.models / "umap_default.json").exists()
    assert [path.name for path in (paths.home / "tracking" / "runs").iterdir()] == ["j2"]
    assert store.serving(other).number == 1
    assert forget(paths, "umap/default", "--yes", "--old-files").exit_code == Exit.OK
    assert not (paths.models / "umap_default.json").exists()


def test_comparisons_of_the_model_go_while_a_server_adds_others(paths: Paths) -> None:
    records = Records(paths.shadow, 600)
    for algorithm, model in (("umap", "default"), ("umap", "other"), ("pca", "default"), ("", "default")):
        for _ in range(2):
            records.add(ComparedRequest(datetime.now(UTC), "/apply", algorithm, model, "success", "success"))
    assert (paths.shadow / "before.jsonl").exists()
    result = forget(paths, "umap/default", "--yes")
    assert result.exit_code == Exit.OK, result.output
    assert "comparisons with an old container" in result.output
    records.add(ComparedRequest(datetime.now(UTC), "/fit", "umap", "new", "success", "success"))
    assert {(each.algorithm, each.model) for each in records.all()} <= {
        ("umap", "other"),
        ("pca", "default"),
        ("umap", "new"),
    }
    assert records.all()[-1].model == "new"
    assert forget(paths, "default", "--yes").exit_code == Exit.OK  # of an algorithm that nothing else here has
    assert {each.algorithm for each in records.all()} == {"umap"}
    texts = [path.read_bytes() for path in paths.shadow.iterdir()]
    assert not any(b'"umap","model":"default"' in text for text in texts)


def test_a_model_name_alone_means_that_of_every_algorithm(paths: Paths) -> None:
    store = ModelStore.open(paths, keep=5)
    promoted(store), promoted(store, ModelName("pca", NAME.model)), promoted(store, ModelName("pca", "iris"))
    (paths.staged / "default.json").write_text('{"options": {"params": {"algo": "gone"}}}')
    (paths.staged / "default.csv").write_text("a\n1\n")
    result = forget(paths, "default", "--yes")
    assert result.exit_code == Exit.OK, result.output
    assert store.models() == [ModelName("pca", "iris")]
    assert not list(paths.staged.iterdir())


def test_an_old_file_of_an_algorithm_with_a_longer_name_stays(paths: Paths) -> None:
    """``umap_eu_web.json`` is the model web of umap_eu, and not eu_web of umap, where both algorithms are there."""
    file = paths.models / "umap_eu_web.json"
    file.write_text("flat")
    for each in ("umap", "umap_eu"):
        write_notebook(paths.notebooks, each)
    result = forget(paths, "eu_web", "--yes", "--old-files")
    assert "the model umap_eu/web has the same file name: forget that" in result.output
    assert file.exists()
    assert forget(paths, "umap_eu/web", "--yes", "--old-files").exit_code == Exit.OK
    assert not file.exists()


def test_a_model_that_waits_or_is_unknown_is_refused(paths: Paths) -> None:
    job = "20260131T120000.000000Z-0a1b2c3d"
    (paths.jobs / job).mkdir(parents=True)
    record = {"id": job, "algorithm": "umap", "model": "default", "state": "queued", "asynchronous": True}
    (paths.jobs / job / "job.json").write_text(json.dumps({**record, "created": "2026-01-31T12:00:00Z"}))
    assert f"job {job} of this model has not ended" in str(forget(paths, "umap/default", "--yes").exception)
    assert "There is nothing of umap/other" in str(forget(paths, "umap/other").exception)
    pca, umap = ModelName("pca", "other"), ModelName("umap", "other")
    assert "nothing of a model 'other' of any algorithm in" in str(NothingToForget([pca, umap], paths.home))
    assert forget(paths, "umap/../x").exit_code == Exit.USAGE
    assert forget(paths, "no name").exit_code == Exit.USAGE


def test_a_queue_in_use_goes_on_after_lines_were_replaced(tmp_path: Path) -> None:
    queue = Spool.create(tmp_path)
    for text in (b"keep 1\n", b"gone 2\n", b"keep 3\n"):
        queue.put(text)
    queue.take(queue.peek(1))
    assert spool.replace_lines(tmp_path, lambda line: line.startswith(b"gone"), lambda size: b"x" * (size - 1) + b"\n")
    queue.put(b"keep 4\n")
    assert queue.peek(10) == [b"xxxxxx\n", b"keep 3\n", b"keep 4\n"]
    queue.take(queue.peek(10))
    queue.close()
