"""`dltk batch`: notebooks run by papermill, as jobs, with versions that are like any other."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from obstore.store import MemoryStore

from dltk_runtime.batch import kernel
from dltk_runtime.batch.each import orders
from dltk_runtime.batch.errors import BatchFailed, BatchInvalid
from dltk_runtime.batch.order import Order, prepare
from dltk_runtime.batch.run import Outcome, run
from dltk_runtime.cli import dltk
from dltk_runtime.commands import Exit
from dltk_runtime.errors import DltkError
from dltk_runtime.jobs.store import JobRecord, JobStore
from dltk_runtime.notebook.errors import ParametersInvalid
from dltk_runtime.paths import Paths
from dltk_runtime.scrub import Scrubber
from dltk_runtime.settings import Settings
from dltk_runtime.store.objects import keys, opened
from dltk_runtime.store.objects.bucket import Bucket
from dltk_runtime.store.store import ModelName, ModelStore
from tests.conftest import MakeNotebook
from tests.store.helpers import promoted
from tests.support.service import Service, until

pytestmark = pytest.mark.process

# Predicts the mean of the target times a factor. The experiment at its end is what "run" runs beside the algorithm.
MEAN = """
    # %% [markdown]
    # Mean
    # %% tags=parameters
    factor: float = 1.0  # what the mean is multiplied by
    word: str = "none"
    # %% mltkc_import
    import json
    import pandas as pd
    MODEL_DIRECTORY = "/srv/app/model/data/"
    # %% mltkc_stage
    def stage(name):
        raise RuntimeError("not reached: the run brings its own data")
    # %% mltkc_init
    def init(df, param):
        return {"factor": param["parameters"]["factor"], "target": param["target_variables"][0]}
    # %% mltkc_fit
    def fit(model, df, param):
        model["mean"] = float(df[model["target"]].mean())
        return {"metrics": {"mean": model["mean"]}}
    # %% mltkc_apply
    def apply(model, df, param):
        return pd.DataFrame({"mean": [model["mean"] * model["factor"]] * len(df)})
    # %% mltkc_save
    def save(model, name):
        with open(MODEL_DIRECTORY + name + ".json", "w") as file:
            json.dump(model, file)
    # %% mltkc_load
    def load(name):
        with open(MODEL_DIRECTORY + name + ".json") as file:
            return json.load(file)
    # %% mltkc_summary
    def summary(model=None):
        return model or {}
    # %%
    from dltk_runtime.parameters import parameters
    df, param = stage("any name")
    param["parameters"] = parameters(globals())
    print("rows", len(df))
    # %%
    model = init(df, param)
    info = fit(model, df, param)
    # %%
    save(model, "by_hand")
    results = apply(load("by_hand"), df, param)
"""
ROWS = "x,y\n1,2\n2,4\n3,9\n"

RunBatch = Callable[..., Outcome]


@pytest.fixture
def settings(paths: Paths) -> Settings:
    (paths.notebooks / "rows.csv").write_text(ROWS)
    return Settings(home=paths.home, notebooks=paths.notebooks)


@pytest.fixture
def batch(settings: Settings, paths: Paths) -> RunBatch:
    """Runs the notebook `mean` on three rows."""

    def go(store: str = "", **order: Any) -> Outcome:
        given: dict[str, Any] = {"notebook": "mean", "data": str(paths.notebooks / "rows.csv"), "target": "y"}
        return run(Order(**{**given, **order}), replace(settings, store=store))

    return go


def last_job(paths: Paths) -> tuple[JobRecord, str]:
    jobs = JobStore(paths, keep=9, log_bytes=10**6)
    record = jobs.list()[0]
    return record, jobs.log(record.id)


def store(paths: Paths) -> ModelStore:
    return ModelStore.open(paths, keep=5)


# What a run leaves


def test_a_run_of_all_cells_makes_a_version_that_the_service_applies(
    paths: Paths, make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    make_notebook("mean", MEAN)
    out, executed = tmp_path / "results.csv", tmp_path / "out.ipynb"
    outcome = batch(parameters={"factor": "2"}, model="m", out=out, executed=executed)
    assert outcome.version is not None
    assert outcome.version.number == 1
    assert out.read_text() == "mean\n10.0\n10.0\n10.0\n"
    manifest = outcome.version.manifest()
    assert (manifest.rows, manifest.train, manifest.targets) == (3, {"mean": 5.0}, ["y"])
    assert manifest.parameters == {"factor": "2"}
    assert [file.path for file in manifest.files if "mean_m" in file.path] == ["mean_m.json"]
    record, log = last_job(paths)
    assert (record.state, record.version, record.promoted, record.step, record.total) == ("succeeded", 1, True, 13, 13)
    assert "cell 6 (mltkc_fit)" in record.phases
    assert log == "rows 3\n"
    cells = nbformat.read(executed, as_version=4).cells
    assert [cell.metadata.papermill.status for cell in cells] == ["completed"] * len(cells)
    with Service(home=paths.home, notebooks=paths.notebooks) as service:
        meta = {"options": {"params": {}, "model_name": "m"}, "feature_variables": ["x"]}
        assert service.post("/apply", data="x\n1\n", meta=meta)["results"] == "mean\n10.0\n"


def test_fit_runs_the_algorithm_alone_and_apply_the_version_that_is_current(
    paths: Paths, make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    make_notebook("mean", MEAN + "    # %%\n    1 / 0\n")
    assert batch(mode="fit").version is not None
    (tmp_path / "new.csv").write_text("x\n5\n6\n")
    out = tmp_path / "scored.csv"
    outcome = batch(mode="apply", data=str(tmp_path / "new.csv"), target=None, out=out)
    assert (outcome.version, outcome.rows, out.read_text()) == (None, 2, "mean\n5.0\n5.0\n")
    assert len(store(paths).versions(ModelName("mean", "default"))) == 1


def test_an_object_that_is_damaged_is_not_applied_and_the_version_before_it_is(
    paths: Paths, make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, name = Bucket(MemoryStore(), "memory://"), ModelName("mean", "default")
    monkeypatch.setattr(opened, "_bucket", lambda _: bucket)
    make_notebook("mean", MEAN)
    there = ModelStore.open(replace(paths, home=tmp_path / "there", objects="s3://a/x"), keep=5)
    models = [json.dumps({"mean": number, "factor": 1}) for number in (5, 6)]
    _, second = (promoted(there, name, text) for text in models)
    bucket.put(keys.file(second.id, f"{name.legacy}.json"), models[1].replace("6", "7").encode())
    outcome = batch(mode="apply", target="y", out=(out := tmp_path / "scored.csv"), store="s3://a/x")
    assert (outcome.number, out.read_text().split()) == (1, ["mean", "5", "5", "5"])
    assert "WARNING: version 1 was used, and something is damaged: mean/default version 2" in outcome.message


def test_a_model_of_as_many_other_bytes_is_not_applied_and_the_version_before_it_is(
    paths: Paths, make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    """The service compares hashes once a load has failed; a run cannot begin again then."""
    make_notebook("mean", MEAN)
    name = ModelName("mean", "default")
    models = [json.dumps({"mean": number, "factor": 1}) for number in (5, 6)]
    _, second = (promoted(store(paths), name, text) for text in models)
    Path(second.location().folder, f"{name.legacy}.json").write_text(models[1].replace("6", "7"))
    outcome = batch(mode="apply", target="y", out=(out := tmp_path / "scored.csv"))
    assert (outcome.number, out.read_text().split()) == (1, ["mean", "5", "5", "5"])
    assert "WARNING: version 1 was used, and something is damaged: mean/default version 2" in outcome.message


def test_promote_decides_whether_the_new_version_is_current(
    paths: Paths, make_notebook: MakeNotebook, batch: RunBatch
) -> None:
    make_notebook("mean", MEAN)
    batch(mode="fit", parameters={"promote": "manual"})  # the first one has nothing to give way to
    second = batch(mode="fit", parameters={"promote": "manual"})
    assert "Version 2 of model 'default' is stored, but version 1 stays current (promote=manual" in second.message
    assert store(paths).serving(ModelName("mean", "default")).number == 1
    assert last_job(paths)[0].promoted is False


def test_a_save_that_stores_nothing_loses_nothing(
    make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path, paths: Paths
) -> None:
    bare = MEAN.replace('with open(MODEL_DIRECTORY + name + ".json", "w") as file:', "if False:")
    make_notebook("mean", bare)
    outcome = batch(mode="fit")
    assert outcome.version is not None
    assert outcome.version.manifest().kept_by_runtime
    assert "WARNING" not in outcome.message
    assert batch(mode="apply", out=tmp_path / "out.csv").rows == 3


def test_staged_data_comes_with_its_own_param(paths: Paths, make_notebook: MakeNotebook, batch: RunBatch) -> None:
    make_notebook("mean", MEAN)
    (paths.staged / "mine.csv").write_text(ROWS)
    meta = {"options": {"params": {"algo": "other"}}, "feature_variables": ["y"], "target_variables": ["x"]}
    (paths.staged / "mine.json").write_text(json.dumps(meta))
    outcome = batch(mode="fit", data="staged:mine", target=None)
    assert outcome.version is not None
    assert outcome.version.manifest().targets == ["x"]


def test_a_model_of_a_batch_run_has_baselines_and_is_monitored_for_drift(
    paths: Paths, make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    make_notebook("mean", MEAN)
    (tmp_path / "in.csv").write_text("x,host,y\n" + "".join(f"{number},a,1\n" for number in range(500)))
    outcome = batch(mode="fit", data=str(tmp_path / "in.csv"))
    assert outcome.version is not None
    features = {each.name: each for each in outcome.version.manifest().features}
    assert [(each.name, each.kind) for each in features.values()] == [
        ("x", "number"),
        ("host", "text"),
        ("y", "number"),
    ]
    assert features["x"].baseline is not None
    assert features["host"].baseline is not None
    assert (features["x"].baseline.rows, features["host"].baseline.categories) == (500, ["a"])
    far = "x,host\n" + "9000,b\n" * 1200
    with Service(home=paths.home, notebooks=paths.notebooks) as service:
        assert service.apply("mean", far, model="default")["message"] == "/apply done successfully"
        until(lambda: service.send("/metrics", None).decode().count("\ndltk_drift{") == 2)
        message = service.apply("mean", far, model="default")["message"]
    assert "WARNING: over the last 1,200 rows counted, fields have drifted from the fit: " in message


def test_a_run_of_all_cells_keeps_the_baselines_of_its_last_fit(
    make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    again = """
    # %%
    fit(init(df, param), df.assign(x=7), param)
"""
    make_notebook("mean", MEAN + again)
    outcome = batch()
    assert outcome.version is not None
    x, _ = outcome.version.manifest().features
    assert x.baseline is not None
    assert x.baseline.mean == 7.0


def test_the_model_is_stored_as_the_fit_left_it_not_as_the_apply_did(
    make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    counting = MEAN.replace("def apply(model, df, param):", "def apply(model, df, param):\n        model['mean'] += 1")
    make_notebook("mean", counting)
    batch(mode="fit", out=tmp_path / "fitted.csv")
    batch(mode="apply", out=tmp_path / "applied.csv")
    assert (tmp_path / "fitted.csv").read_text() == (tmp_path / "applied.csv").read_text() == "mean\n6.0\n6.0\n6.0\n"


def test_held_out_rows_are_kept_from_the_fit_and_decide_on_promotion(
    make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    seen = MEAN.replace('return {"metrics":', 'return {"warnings": [f"{len(df)} rows were seen."], "metrics":')
    make_notebook("mean", seen)
    (tmp_path / "in.csv").write_text("x,y\n" + "".join(f"{number},{number % 5}\n" for number in range(1000)))
    given = {"mode": "fit", "data": str(tmp_path / "in.csv")}
    asked = {"holdout": "0.2", "promote": "better:mae"}
    first = batch(**given, parameters=asked)
    assert first.version is not None
    manifest = first.version.manifest()
    rows = int(manifest.notices[0].split()[0])
    assert manifest.rows == 1000
    assert 700 < rows < 900
    assert first.message.endswith(f" WARNING: {rows} rows were seen.")
    second = batch(**given, parameters={**asked, "factor": "3"})
    assert "version 1 stays current (mae " in second.message
    compared = re.search(r"on the same (\d+) held-out rows\)", second.message)
    assert compared
    assert 0.9 * (1000 - rows) < int(compared[1]) <= 1000 - rows  # a filter takes 1 in 100 unseen rows for a seen one


def test_functions_that_call_each_other_get_what_they_are_given(
    make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    parts = MEAN.replace(
        "def apply(model, df, param):",
        "def apply(model, df, param):\n"
        "        if len(df) > 1: return pd.concat([apply(model, df[:1], param), apply(model, df[1:], param)])",
    ).replace("return model or {}", "return apply(model, pd.DataFrame({'x': [1]}), {}).to_dict()")
    make_notebook("mean", parts)
    outcome = batch(mode="fit", out=tmp_path / "out.csv")
    assert (outcome.rows, (tmp_path / "out.csv").read_text()) == (3, "mean\n5.0\n5.0\n5.0\n")


def test_parquet_goes_in_and_out(make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path) -> None:
    make_notebook("mean", MEAN)
    pd.DataFrame({"x": [1, 2], "y": [1.5, 2.5]}).to_parquet(tmp_path / "in.parquet")
    batch(mode="fit", data=str(tmp_path / "in.parquet"), out=tmp_path / "out.parquet")
    assert pd.read_parquet(tmp_path / "out.parquet")["mean"].tolist() == [2.0, 2.0]


# What goes wrong


def test_the_failing_cell_is_named_and_marked_and_the_run_goes_on_after_the_fix(
    paths: Paths, make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    slow = MEAN.replace('print("rows", len(df))', 'print("rows", len(df)); computed = list(df["y"])')
    make_notebook("mean", slow.replace('float(df[model["target"]].mean())', 'float(df[model["wrong"]].mean())'))
    executed = tmp_path / "out.ipynb"
    with pytest.raises(BatchFailed, match="KeyError: 'wrong'") as caught:
        batch(executed=executed)
    assert caught.value.coordinates.startswith('mean.ipynb, cell 6 (mltkc_fit), line 2: `model["mean"]')
    assert last_job(paths)[0].state == "failed"
    cells = nbformat.read(executed, as_version=4).cells
    failed = next(number for number, cell in enumerate(cells) if cell.metadata.get("papermill", {}).get("exception"))
    assert "encountered an exception here" in cells[failed - 1].source
    assert store(paths).versions(ModelName("mean", "default")) == []

    make_notebook("mean", slow)
    outcome = batch(executed=executed, resume=True)
    assert outcome.version is not None
    assert last_job(paths)[1] == "The run continues at cell 12.\n"  # cell 11, which prints, was not run again
    texts = [output.text for cell in nbformat.read(executed, as_version=4).cells for output in cell.get("outputs", [])]
    assert texts == ["rows 3\n"]


def test_a_resumed_run_commits_the_fit_of_the_failed_one(
    make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    make_notebook("mean", MEAN + "    # %%\n    1 / 0\n")
    executed = tmp_path / "out.ipynb"
    with pytest.raises(BatchFailed, match="ZeroDivisionError"):
        batch(executed=executed)
    make_notebook("mean", MEAN + "    # %%\n    info['metrics']\n")
    outcome = batch(executed=executed, resume=True)
    assert outcome.version is not None
    manifest = outcome.version.manifest()
    assert (manifest.train, manifest.features[0].baseline is not None) == ({"mean": 5.0}, True)


def test_a_run_whose_computing_cells_have_changed_starts_anew(
    paths: Paths, make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    make_notebook("mean", MEAN.replace("info = fit(", "info = fitt("))
    executed = tmp_path / "out.ipynb"
    with pytest.raises(BatchFailed, match="NameError"):
        batch(executed=executed)
    make_notebook("mean", MEAN.replace('print("rows"', 'print("all"'))
    assert batch(executed=executed, resume=True).version is not None
    changed, printed = last_job(paths)[1].splitlines()
    assert (changed, printed) == ("Cell 11, which computes, has changed: all cells run again.", "all 3")


def test_a_kernel_that_dies_is_told_and_tried_again(
    paths: Paths, make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    mark = tmp_path / "died"
    dying = f"""
    import os, pathlib
    if not pathlib.Path({str(mark)!r}).exists():
        pathlib.Path({str(mark)!r}).touch()
        os.kill(os.getpid(), 9)
"""
    make_notebook("mean", MEAN + "    # %%" + dying)
    with pytest.raises(BatchFailed, match="cell 14: the kernel died of signal 9, most likely because memory ran out"):
        batch(retries=0, executed=tmp_path / "out.ipynb")
    marked = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[-1]
    assert marked.outputs[-1].ename == "KernelDied"
    mark.unlink()
    assert batch(retries=1).version is not None
    assert "Attempt 2 follows" in last_job(paths)[1]


def test_the_deadline_is_that_of_the_whole_run(paths: Paths, make_notebook: MakeNotebook, batch: RunBatch) -> None:
    make_notebook("mean", MEAN + "    # %%\n    while True: pass\n")
    with pytest.raises(BatchFailed, match="cell 14: the run's deadline of 12 s has passed"):
        batch(deadline=12.0)
    assert last_job(paths)[0].state == "failed"


def test_a_long_printed_line_costs_no_more_than_in_proportion(
    make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    line = json.dumps(list(range(60_000)))
    make_notebook("mean", MEAN + "    # %%\n    print(json.dumps(list(range(60_000))))\n")
    batch(executed=tmp_path / "out.ipynb")
    cell = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[-1]
    assert [(each.name, each.text) for each in cell.outputs] == [("stdout", line + "\n")]


def test_the_deadline_is_kept_whatever_is_printed(paths: Paths, make_notebook: MakeNotebook, batch: RunBatch) -> None:
    endless = "print('x' * 1000); print('.', end='', flush=True)"
    make_notebook("mean", MEAN + f"    # %%\n    print(list(range(60_000)))\n    while True: {endless}\n")
    with pytest.raises(BatchFailed, match="cell 14: the run's deadline of 15 s has passed"):
        batch(deadline=15.0)
    assert last_job(paths)[0].state == "failed"


def test_a_run_that_somebody_cancels_ends_and_stores_nothing(
    paths: Paths, make_notebook: MakeNotebook, batch: RunBatch
) -> None:
    asking = """
    # %%
    import pathlib
    for job in pathlib.Path("/srv/jobs").glob("*/job.json"):  # what `dltk jobs cancel` leaves in the job's folder
        job.with_name("cancel").touch()
    while True: pass
"""
    make_notebook("mean", MEAN + asking)
    with pytest.raises(BatchFailed, match="cell 14: the run was cancelled"):
        batch()
    assert last_job(paths)[0].state == "cancelled"
    assert not store(paths).versions(ModelName("mean", "default"))


def test_secrets_reach_the_notebook_and_no_file(
    paths: Paths, make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_PASSWORD", 's3cr"t-välue')
    telling = """
    # %%
    assert len(word) == 12
    print("it is", word[:5], end=""); print(word[5:])
    print(repr(word))
    import base64, html, os, subprocess, sys
    from urllib.parse import quote
    os.write(1, (word + "\\n").encode())
    subprocess.run(["echo", word], check=True)
    print(base64.b64encode(b"user:" + word.encode()).decode(), quote(word), html.escape(word))
    sys.stdout.write(word[:3]); sys.stdout.flush(); sys.stdout.write(word[3:])
    raise ValueError(word)
"""
    make_notebook("mean", MEAN + telling)
    with pytest.raises(BatchFailed) as caught:
        batch(parameters={"word": "secret://MY_PASSWORD"}, executed=tmp_path / "out.ipynb")
    assert caught.value.sentence.endswith("ValueError: [secret]")
    record, log = last_job(paths)
    assert record.parameters == {"word": "secret://MY_PASSWORD"}
    assert "[secret]" in log
    for path in [*paths.home.rglob("*"), tmp_path / "out.ipynb"]:
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            assert "s3cr" not in text, path
            assert "t-v" not in text, path
            assert base64.b64encode(b"user:s3cr")[:8].decode() not in text, path


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
def test_results_on_disk_have_no_secret(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"key-f3a1": [1.5, None], "told": ["key-f3a1", None], 3: [{"a": "xkey-f3a1"}, {"a": "plain"}]})
    frame = frame.assign(kind=pd.Categorical(["key-f3a1", "other key-f3a1"]), when=pd.to_datetime(["2026-01-31", None]))
    frame = frame.rename(columns=str) if suffix == ".arrow" else frame
    path = tmp_path / f"out{suffix}"
    kernel._write(frame, path, suffix, Scrubber(["key-f3a1"]))
    assert b"key-f3a1" not in path.read_bytes()
    assert path.read_bytes().count(b"[secret]") >= 3


def test_a_scrubber_finds_secrets_in_the_forms_they_take() -> None:
    scrubber = Scrubber(["line one long\nline two long", 'a"b\\c'])
    assert scrubber.text('x line two long y a"b\\c') == "x [secret] y [secret]"
    assert scrubber.text(json.dumps('a"b\\c')) == '"[secret]"'
    assert scrubber.value({"k": ['a"b\\c', 1]}) == {"k": ["[secret]", 1]}


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ({"parameters": {"factr": "1"}}, "no parameter 'factr'. Did you mean 'factor'?"),
        ({"parameters": {"factor": "big"}}, "Invalid factor='big': expected a number"),
        ({"parameters": {"word": "secret://NOWHERE"}}, "there is no secret 'NOWHERE'"),
        ({"parameters": {"promote": "better:acuracy"}}, "Did you mean 'accuracy'?"),
        ({"parameters": {"holdout": "0.2", "mode": "async"}}, "takes no holdout, mode"),
        ({"parameters": {"holdout": "0.2", "with_version": "t"}, "mode": "fit"}, "takes no with_version"),
        ({"data": "nowhere.csv"}, "There is no file"),
        ({"data": "staged:nothing"}, "There is no file .*nothing.csv"),
        ({"data": "staged:../../x"}, "Invalid staged data name|no file"),
        ({"data": "rows.json"}, "must be a file that ends in .csv or .parquet"),
        ({"out": Path("x.xlsx")}, "results are written as .csv or .parquet"),
        ({"resume": True}, "--resume needs --notebook"),
        ({"notebook": "maen"}, "Did you mean 'mean'?"),
        ({"model": "../x"}, "Invalid model name"),
        ({"data": "", "mode": "fit"}, "need rows: --data"),
        ({"keep": ("x",)}, "--keep needs --out"),
        ({"notebook": "{folder}/report.ipynb", "out": Path("x.csv")}, "--out needs an algorithm: report.ipynb has no"),
        ({"notebook": "{folder}/report.ipynb", "mode": "apply"}, "The notebook 'report' cannot be used"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(
    order: dict[str, Any], sentence: str, paths: Paths, make_notebook: MakeNotebook, settings: Settings
) -> None:
    make_notebook("mean", MEAN)
    make_notebook("report", "# %%\nx = 1\n")
    given: dict[str, Any] = {"notebook": "mean", "data": str(paths.notebooks / "rows.csv")} | order
    given["notebook"] = given["notebook"].format(folder=paths.notebooks)
    with pytest.raises(DltkError, match=sentence.replace("?", r"\?")):
        prepare(Order(**given), paths)


def test_held_out_rows_need_a_csv_file(paths: Paths, make_notebook: MakeNotebook, tmp_path: Path) -> None:
    make_notebook("mean", MEAN)
    (tmp_path / "rows.parquet").touch()
    given: dict[str, Any] = {"data": str(tmp_path / "rows.parquet"), "mode": "fit", "parameters": {"holdout": "0.2"}}
    with pytest.raises(BatchInvalid, match=r"needs the rows as \.csv"):
        prepare(Order(notebook="mean", **given), paths)


def test_a_model_that_nobody_fitted_cannot_be_applied(make_notebook: MakeNotebook, batch: RunBatch) -> None:
    make_notebook("mean", MEAN)
    with pytest.raises(BatchInvalid, match="No fit of 'mean' into 'default' was committed"):
        batch(mode="apply")


# Many runs, and the command


def invoke(paths: Paths, *arguments: str) -> Result:
    folders = ["--home", str(paths.home), "--notebooks", str(paths.notebooks)]
    return CliRunner().invoke(dltk, ["batch", *arguments, *folders])


def test_each_row_of_a_table_is_a_run_of_its_own(
    paths: Paths, make_notebook: MakeNotebook, settings: Settings, tmp_path: Path
) -> None:
    make_notebook("mean", MEAN)
    (tmp_path / "grid.csv").write_text("factor,model\n1,one\n3,three\n")
    given = ["mean", "--data", str(paths.notebooks / "rows.csv"), "--target", "y", "--fit"]
    result = invoke(paths, *given, "--each", str(tmp_path / "grid.csv"), "--out", str(tmp_path / "{model}-{row}.csv"))
    assert result.exit_code == Exit.OK, result.output
    assert (tmp_path / "one-1.csv").read_text() == "mean\n5.0\n5.0\n5.0\n"
    assert (tmp_path / "three-2.csv").read_text() == "mean\n15.0\n15.0\n15.0\n"
    assert [str(name) for name in store(paths).models()] == ["mean/one", "mean/three"]


def test_tables_that_would_overwrite_or_name_unknown_parameters_run_nothing(
    paths: Paths, make_notebook: MakeNotebook, settings: Settings, tmp_path: Path
) -> None:
    make_notebook("mean", MEAN)
    table = tmp_path / "grid.csv"
    order = Order(notebook="mean", data=str(paths.notebooks / "rows.csv"), out=tmp_path / "out.csv")
    table.write_text("factor\n1\n2\n")
    with pytest.raises(BatchInvalid, match="several runs would write there"):
        orders(order, table)
    table.write_text("factor\n1,2\n")
    with pytest.raises(BatchInvalid, match="line 2"):
        orders(order, table)
    table.write_text("fctor\n1\n2\n")
    result = invoke(paths, "mean", "--data", order.data, "--each", str(table))
    assert isinstance(result.exception, ParametersInvalid)
    assert not paths.jobs.exists()


def test_the_command_says_where_a_run_failed_and_exits_with_1(
    paths: Paths, make_notebook: MakeNotebook, settings: Settings
) -> None:
    make_notebook("mean", MEAN)
    result = invoke(paths, "mean", "--data", str(paths.notebooks / "rows.csv"), "--target", "z", "-p", "factor=2")
    assert result.exit_code == Exit.FAILED
    assert "mean.ipynb, cell 11" in result.stderr
    assert "The data has no column z; it has x, y." in result.stderr
    assert invoke(paths, "mean", "--data", "x.csv", "-p", "factor").exit_code == Exit.USAGE


# ---------------------------------------------------------------- any notebook

REPORT = """
    # %% [markdown]
    A report, and no algorithm
    # %% tags=parameters
    day = "none"
    top = 1
    # %%
    def load(path, times=1):
        return [path] * times
    # %%
    print(day, load("own", top))
    # %% tags=parameters
    later = 5
    # %% tags=raises-exception
    raise ValueError("expected")
    # %%
    import sys
    sys.exit(0)
    # %%
    print("never")
"""


def test_a_notebook_that_is_no_algorithm_runs_as_papermill_runs_it(
    paths: Paths, make_notebook: MakeNotebook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_notebook("my report.v2", REPORT)
    executed, page = tmp_path / "out.ipynb", tmp_path / "pages" / "out.html"
    given = ["--home", str(paths.home), "-p", "day=2026-01-31", "-p", "top=2", "--html", str(page)]
    result = CliRunner().invoke(dltk, ["batch", str(path), *given, "--notebook", str(executed)])
    assert result.exit_code == Exit.OK, result.output
    assert "ran to its end. WARNING: cell 5 is tagged parameters, too" in result.output
    outputs = [cell.get("outputs") for cell in nbformat.read(executed, 4).cells if cell.cell_type == "code"]
    text = json.dumps(outputs)
    assert "2026-01-31 ['own', 'own']" in text
    assert "never" not in text
    assert "2026-01-31 ['own', 'own']" in html.unescape(page.read_text())
    assert [record for record in caplog.records if record.name.startswith("papermill") and record.levelno >= 30] == []
    assert list(paths.versions.glob("*/*")) == []  # a plain notebook reserves no version


def test_the_error_of_a_failing_representation_is_the_runs(paths: Paths, make_notebook: MakeNotebook) -> None:
    path = make_notebook(
        "shows",
        """
        # %%
        class Shown:
            def _repr_html_(self):
                raise KeyError("lost before")
        # %%
        Shown()
        """,
    )
    result = CliRunner().invoke(dltk, ["batch", str(path), "--home", str(paths.home)])
    assert result.exit_code == Exit.FAILED
    assert "shows.ipynb, cell 1, line 3: `raise KeyError(\"lost before\")`: KeyError: 'lost before'" in result.output


def test_columns_of_the_rows_stand_before_the_results(
    make_notebook: MakeNotebook, batch: RunBatch, tmp_path: Path
) -> None:
    make_notebook("mean", MEAN)
    batch(mode="fit", out=tmp_path / "out.csv", keep=("x", "y*"))
    assert (tmp_path / "out.csv").read_text() == "x,y,mean\n1,2,5.0\n2,4,5.0\n3,9,5.0\n"
