"""What fits report becomes lines in the queue, also where nobody reported it to this server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from dltk_runtime.jobs.job import Job
from dltk_runtime.jobs.record import JobRecord, State
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.names import ModelName
from dltk_runtime.notebook.algorithm import source_of
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import Facts, ModelStore, Version
from dltk_runtime.tracking import tracking as module
from dltk_runtime.tracking.address import Address
from dltk_runtime.tracking.child import LATE, TrackingHelper
from dltk_runtime.tracking.facts import TrackingLine, clause, run_facts, typed
from dltk_runtime.tracking.interface import FitBegins
from dltk_runtime.tracking.place import WaitingFolder
from dltk_runtime.tracking.tracking import Tracking
from dltk_runtime.tracking.wire import Answer, SendOutcome
from tests.conftest import MakeNotebook
from tests.support.service import until

NAME = ModelName("learner", "m")


class NoServer:
    """Stands in for the helper process: every server is down."""

    def start(self) -> None: ...

    def ask(self, *_: Any, **__: Any) -> Answer:
        return Answer(0, SendOutcome.LATER, error="down")

    def close(self) -> None: ...


@pytest.fixture
def store(paths: Paths) -> ModelStore:
    return ModelStore.open(paths, 5)


@pytest.fixture
def jobs(paths: Paths) -> JobStore:
    return JobStore(paths, 10, 1000)


@pytest.fixture
def tracking(paths: Paths, store: ModelStore, jobs: JobStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracking]:
    monkeypatch.setattr(module, "TrackingHelper", lambda *_: NoServer())
    monkeypatch.setattr(module, "LEFT_SECONDS", 0.0)
    made = Tracking(Address({"MLFLOW_TRACKING_URI": "http://mlflow.example"}, True), place(paths), paths, 10**6)
    made.start(store, jobs)
    yield made
    made.close(0.0)


def place(paths: Paths) -> WaitingFolder:
    return WaitingFolder(paths.home / "tracking")


def lines(paths: Paths) -> list[tuple[str, str]]:
    """What is queued: each line with its job, or its model's number."""
    texts = [file.read_text() for file in place(paths).queue.rglob("*.jsonl")]
    found = [json.loads(line) for text in texts for line in text[: text.rfind("\n") + 1].splitlines()]
    return [(each["what"], each.get("job") or str(each.get("number", 0))) for each in found]


async def begun(tracking: Tracking, jobs: JobStore) -> tuple[Job, dict[str, str]]:
    job = jobs.create(NAME, {"algo": "learner"})
    job.start()
    return job, await tracking.begin(FitBegins(job.record, 1, ["y"], ["a"]))


def committed(store: ModelStore, *, promote: bool = True) -> Version:
    with store.reserve(NAME) as reservation:
        version = reservation.commit(Facts(), b'{"format": 1, "sources": []}', b"{}")
    if promote:
        store.promote(version)
    return version


def run(work: Any) -> Any:
    import asyncio

    return asyncio.run(work)


def test_without_a_server_a_fits_process_gets_a_folder_that_stands_for_it(
    tracking: Tracking, jobs: JobStore, paths: Paths
) -> None:
    job, variables = run(begun(tracking, jobs))
    root = place(paths).run(job.id).logged
    assert variables["MLFLOW_TRACKING_URI"] == root.as_uri()
    assert (root / variables["MLFLOW_EXPERIMENT_ID"] / variables["MLFLOW_RUN_ID"] / "meta.yaml").exists()
    assert run(tracking.begin(FitBegins(job.record, 2, ["y"], ["a"]))) == variables  # started again after a death
    assert lines(paths)[0] == ("begin", job.id)


def test_a_fit_waits_two_seconds_for_its_run_and_the_next_one_not_at_all(
    tracking: Tracking, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a server that takes the connection and answers nothing; what waits is sent by others, later."""
    asked: list[tuple[float, bool]] = []

    def silent(line: TrackingLine, timeout: float, *, now: bool = False) -> Answer:
        asked.append((timeout, now))
        return Answer(0, SendOutcome.LATER, error=LATE)

    monkeypatch.setattr(tracking._helper, "ask", silent)
    monkeypatch.setattr(tracking.sender, "put", lambda *_: True)  # so that nothing else asks
    for _ in range(2):
        run(begun(tracking, jobs))
    assert [each for each in asked if each[1]] == [(2.0, True)]


def test_an_answer_that_does_not_come_is_one_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = TrackingHelper(Address({"MLFLOW_TRACKING_URI": "http://mlflow.example"}, True), tmp_path)
    written = BytesIO()
    monkeypatch.setattr(helper, "_running", lambda: SimpleNamespace(stdin=written))
    answer = helper.ask(TrackingLine("begin", "j"), 0.01, now=True)
    assert (answer.outcome, answer.error) == (SendOutcome.LATER, LATE)
    assert json.loads(written.getvalue())["now"]
    assert helper._waiting == {}, "who waits for nothing is not remembered"


def test_a_fits_end_comes_after_its_version_and_what_is_current(
    tracking: Tracking, jobs: JobStore, store: ModelStore, paths: Paths
) -> None:
    job, _ = run(begun(tracking, jobs))
    version = committed(store)
    tracking.committed(version, job.id, promoted=True, message="Version 1 is now current.")
    job.succeed(rows=1, version=1, promoted=True, message="done")
    tracking.ended(job.record)
    until(lambda: len(lines(paths)) == 4)
    assert lines(paths) == [("begin", job.id), ("version", job.id), ("champion", "1"), ("end", job.id)]
    facts = json.loads(place(paths).run(job.id).version.read_text())
    assert (facts["number"], facts["text"]) == (1, "Version 1 is now current.")
    card = (place(paths).run(job.id).artifacts / "version" / "card.md").read_text()
    assert card.startswith(f"# Model card: {NAME.algorithm} / {NAME.model}, version 1\n")
    assert "| state | current |" in card


def test_a_rollback_by_the_command_line_is_found(tracking: Tracking, store: ModelStore, paths: Paths) -> None:
    first, second = committed(store), committed(store)
    tracking.committed(second, "unknown", promoted=True, message="")
    until(lambda: lines(paths) == [("champion", "2")])
    store.promote(first)
    tracking._do(tracking._look)
    until(lambda: lines(paths) == [("champion", "2"), ("champion", "1")])
    tracking.current_changed(NAME)  # which is known already
    tracking._do(tracking._look)
    tracking._disk.submit(int).result()
    assert len(lines(paths)) == 2


def test_the_run_of_a_job_whose_server_is_gone_is_ended_once(tracking: Tracking, jobs: JobStore, paths: Paths) -> None:
    job, _ = run(begun(tracking, jobs))
    gone = msgspec.structs.replace(job.record, state=State.LOST, ended=datetime.now(UTC))
    folder = paths.jobs / job.id / "job.json"
    folder.write_bytes(msgspec.json.encode(gone))
    for _ in range(4):
        tracking._do(tracking._look)
    until(lambda: lines(paths)[1:] == [("end", job.id)])
    tracking._disk.submit(int).result()
    assert len(lines(paths)) == 2


def test_parameters_have_the_declared_types_and_no_secrets(make_notebook: MakeNotebook, paths: Paths) -> None:
    make_notebook(
        "typed",
        """
        # %% tags=parameters
        epochs: int = 3
        rate: float = 0.5
        shuffle: bool = False
        api_token: str = "x"
        # %% mltkc_init
        def init(df, param): ...
        """,
    )
    given = {"algo": "typed", "epochs": '"5"', "shuffle": "t", "mode": "async"}
    assert typed(source_of("typed", paths), given) == {"epochs": "5", "rate": "0.5", "shuffle": "True"}
    make_notebook("free")
    assert typed(source_of("free", paths), {"algo": "free", "k": "'2'", "mode": "async", "db_password": "x"}) == {
        "k": "2"
    }
    assert typed(None, {"algo": "gone", "k": "2"}) == {"k": "2"}


def test_a_notebook_that_sets_an_experiment_of_its_own_gets_no_run_of_another_one(
    make_notebook: MakeNotebook, tracking: Tracking, jobs: JobStore
) -> None:
    make_notebook("learner", fit="def fit(model, df, param):\n    mlflow.set_experiment('mine')")
    _, variables = run(begun(tracking, jobs))
    assert "MLFLOW_TRACKING_URI" in variables
    assert "MLFLOW_RUN_ID" not in variables


def test_a_run_says_who_asked_for_it_where_the_record_does(jobs: JobStore, paths: Paths) -> None:
    record = jobs.create(NAME, {"algo": "learner"}).record
    owned = msgspec.structs.replace(record, owner="nightly", sid="17.3")
    tags = run_facts(FitBegins(owned, 1), paths).tags
    assert (tags["dltk.token"], tags["dltk.sid"], tags["mlflow.user"]) == ("nightly", "17.3", "nightly")
    plain = run_facts(FitBegins(record, 1), paths).tags
    assert ("dltk.token" in plain, plain["mlflow.user"]) == (False, "dltk")


def test_the_clause_is_the_searchs_command() -> None:
    assert (
        clause("umap", "m", {"algo": "umap", "k": "2"}, [], ["a", "b"])
        == "fit MLTKContainer algo=umap k=2 a b into app:m"
    )
    assert (
        clause("words of it", "m", {"k": '"2 3"'}, ["my target"], ["a", "the b"])
        == 'fit MLTKContainer algo="words of it" k="2 3" "my target" from a "the b" into app:m'
    )


@pytest.mark.parametrize(("limit", "kept"), [(100_000, ["begin", "version", "end"]), (5_000, ["begin"])])
def test_beyond_the_bound_a_runs_files_are_dropped_before_the_run(
    paths: Paths, store: ModelStore, jobs: JobStore, monkeypatch: pytest.MonkeyPatch, limit: int, kept: list[str]
) -> None:
    monkeypatch.setattr(module, "TrackingHelper", lambda *_: NoServer())
    tracking = Tracking(Address({"MLFLOW_TRACKING_URI": "http://mlflow.example"}, True), place(paths), paths, limit)
    tracking.start(store, jobs)
    job, _ = run(begun(tracking, jobs))
    folder = place(paths).run(job.id)
    (folder.logged / "large").write_bytes(b"x" * 200_000)
    if not limit > 50_000:
        folder.steps.write_bytes(b"x" * 10_000)
    tracking.committed(committed(store, promote=False), job.id, promoted=False, message="")
    job.succeed(rows=1, version=1, promoted=False, message="done")
    tracking.ended(job.record)
    tracking._disk.submit(int).result()
    assert [what for what, _ in lines(paths) if what != "champion"] == kept
    assert tracking.sender.counts.dropped >= 1
    assert folder.path.exists() == (len(kept) > 1)
    assert not folder.logged.exists()
    tracking.close(0.0)


def test_the_record_of_a_job_that_runs_ends_nothing(tracking: Tracking, jobs: JobStore, paths: Paths) -> None:
    job, _ = run(begun(tracking, jobs))
    record: JobRecord = job.record
    tracking.ended(record)
    tracking._disk.submit(int).result()
    assert lines(paths) == [("begin", job.id)]
    assert not Path(place(paths).run(job.id).ended).exists()
