"""`dltk batch --from-search … --to-…`: what Splunk indexed is scored and sent, once as read, whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from dltk_runtime.batch import incremental
from dltk_runtime.batch.destination import ToCollection, ToIndex
from dltk_runtime.batch.errors import BatchFailed, BatchInvalid
from dltk_runtime.batch.incremental import Delivery, Stream, deliver
from dltk_runtime.batch.order import Order
from dltk_runtime.batch.run import Outcome
from dltk_runtime.batch.watermark import Mark, held
from dltk_runtime.cli import dltk
from dltk_runtime.emulator.spl.macros import Macro
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from dltk_runtime.splunk.errors import (
    EventRefused,
    NotThere,
    SearchFailed,
    SplunkBusy,
    SplunkError,
    SplunkUnreachable,
    TokenRefused,
)
from dltk_runtime.splunk.hec import Hec
from dltk_runtime.splunk.kvstore import Collection
from dltk_runtime.tls import certificate
from dltk_runtime.units import DAY_SECONDS
from tests.batch.flow_helpers import APP, BEGIN, SEARCH, Source, quick, source
from tests.conftest import MakeNotebook
from tests.flows.helpers import NOBODY, flow_of, search_of, world_of
from tests.splunkd import HecToken
from tests.splunkd.spl import pipeline
from tests.support.service import ROOT

DAY = 86_400


@pytest.fixture
def splunkd(tmp_path: Path) -> Iterator[Source]:
    with source(tmp_path) as splunkd:
        yield splunkd


@pytest.fixture
def settings(paths: Paths, make_notebook: MakeNotebook, monkeypatch: pytest.MonkeyPatch) -> Settings:
    make_notebook("double")
    monkeypatch.setattr(incremental, "run", quick)
    return Settings(home=paths.home, notebooks=paths.notebooks)


def to_index(splunkd: Source, patience: float = 0.3, **changes: Any) -> Stream:
    hec = Hec(splunkd.hec_url, splunkd.hec_token, patience=patience)
    given: dict[str, Any] = {"flow": "x", "search": SEARCH, "connection": splunkd.connection(patience)}
    given |= {"destination": ToIndex(hec, "scored"), "keys": ("event_key",), "since": BEGIN, "lag": 120}
    return Stream(**(given | {"late": 30 * DAY} | changes))


def to_collection(splunkd: Source, **changes: Any) -> Stream:
    collection: Collection[dict[str, Any]] = Collection(splunkd.connection(0.3), APP, "scores", dict)
    return to_index(splunkd, destination=ToCollection(collection), **changes)


Run = Callable[[Stream], list[Delivery]]


@pytest.fixture
def run(settings: Settings) -> Run:
    return lambda stream: list(deliver(Order(notebook="double", data="", mode="apply", model="m"), stream, settings))


# What arrives


def test_rows_arrive_with_key_run_prediction_and_version_and_the_run_is_counted(splunkd: Source, run: Run) -> None:
    splunkd.pass_time(1, 2)
    (done,) = run(to_index(splunkd))
    assert (done.begin, done.end, done.rows, done.sent, done.doubled) == (BEGIN, BEGIN + 180, 2, 2, 0)
    row = splunkd.as_read()[0]
    wanted = {"event_key": "k001", "id": "001", "x": "1", "predicted_y": "2", "flow": "x", "model": "m"}
    wanted |= {"run": f"x-{BEGIN}", "model_version": "7", "kind": "prediction", "_time": str(BEGIN + 55)}
    assert {name: row[name] for name in wanted} == wanted
    told = [row for row in splunkd.storage.indexes["scored"].rows() if row["kind"] != "prediction"]
    names = ("kind", "rows", "scored", "win_start", "win_end")
    counts = ("2", "2", str(BEGIN), str(BEGIN + 180))
    assert sorted(tuple(row[name] for name in names) for row in told) == [("run", *counts), ("scored", *counts)]


def test_a_second_run_takes_up_where_the_first_one_stopped_late_events_too(splunkd: Source, run: Run) -> None:
    splunkd.pass_time(1)
    run(to_index(splunkd))
    splunkd.pass_time(2, late=20 * DAY)
    assert [(each.rows, each.sent) for each in run(to_index(splunkd))] == [(1, 1)]
    assert run(to_index(splunkd)) == []
    assert [row["event_key"] for row in splunkd.as_read()] == ["k001", "k002"]
    assert len([row for row in splunkd.storage.indexes["scored"].rows() if row["kind"] == "prediction"]) == 2


def test_a_flow_that_was_away_for_long_comes_back_day_by_day(splunkd: Source, run: Run) -> None:
    splunkd.pass_time(1)
    splunkd.clock += 2 * DAY
    splunkd.pass_time(2)
    done = run(to_index(splunkd))
    assert [each.end - each.begin for each in done[:-1]] == [DAY, DAY]
    assert [each.sent for each in done] == [1, 0, 1]
    assert (done[0].begin, done[-1].end) == (BEGIN, int(splunkd.clock) - 120)


def test_records_of_a_collection_are_numbers_and_text_under_their_keys(splunkd: Source, run: Run) -> None:
    splunkd.pass_time(1)
    run(to_collection(splunkd))
    (record,) = splunkd.records()
    assert {name: record[name] for name in ("_key", "kind", "id", "x", "predicted_y", "model_version")} == {
        "_key": "k001", "kind": "prediction", "id": "001", "x": 1, "predicted_y": 2, "model_version": 7,
    }  # fmt: skip


def test_a_key_may_be_several_fields_and_each_key_is_sent_once(splunkd: Source, run: Run) -> None:
    splunkd.pass_time(1, 1, 2)
    (done,) = run(to_index(splunkd, keys=("id", "_time")))
    assert (done.rows, done.sent, done.doubled) == (3, 2, 1)
    first = [row["event_key"] for row in splunkd.as_read()]
    run(to_collection(splunkd, flow="again", keys=("id", "_time")))
    assert [record["_key"] for record in splunkd.records()] == first


def test_rows_without_a_prediction_are_counted_and_not_sent(
    splunkd: Source, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gaps(order: Order, settings: Settings) -> Outcome:
        outcome = quick(order, settings)
        assert order.out is not None
        results = pd.read_csv(order.out)
        results.loc[0, "y"] = None
        results.to_csv(order.out, index=False)
        return outcome

    monkeypatch.setattr(incremental, "run", gaps)
    splunkd.pass_time(1, 2)
    assert [(each.rows, each.sent) for each in run(to_index(splunkd))] == [(2, 1)]


def test_the_searches_of_a_direct_flow_read_what_papermill_brought(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_of(flow_of("direct"), tmp_path / "flow", NOBODY)
    world.context.macros["dltk_x_base"] = Macro((), "index=dltk_sample")  # as in Splunk, where `search` is before it
    keyed = '`dltk_x_base` | `dltk_x_prepare` | eval event_key="k".sha256(entity."|".tostring(floor(_time)))'
    monkeypatch.setattr(incremental, "run", first_row_unknown)
    with Source(pipeline(world.context, world.storage), world.storage, app=APP) as splunkd:
        splunkd.collector.tokens[splunkd.hec_token] = HecToken(("dltk_x",))
        splunkd.clock = BEGIN + 3600.0
        (done,) = deliver(
            Order(notebook="double", data="", mode="apply"),
            to_index(splunkd, search=keyed, destination=ToIndex(Hec(splunkd.hec_url, splunkd.hec_token), "dltk_x")),
            settings,
        )
    runs = {"report": BEGIN + DAY_SECONDS + 3600, "health": BEGIN + 3600 + 900, "gaps": BEGIN + 3600}
    rows = {name: world.run(search_of(world, name), now).frame for name, now in runs.items()}
    assert len(rows["report"]) == done.sent == done.rows - 1 > 20
    assert {row["orig_index"] for row in world.storage.indexes["dltk_x"].rows() if "entity" in row} == {"dltk_sample"}
    assert rows["report"]["predicted_y"].tolist() == ["1"] * done.sent
    assert len(rows["health"]) == 1
    assert rows["gaps"].empty


def first_row_unknown(order: Order, settings: Settings) -> Outcome:
    rows = len(pd.read_csv(order.data))
    assert order.out is not None
    order.out.write_text("y,score\n,0.5\n" + "1,0.9\n" * (rows - 1))
    return Outcome("job", "", Path(), rows, None, 1, "y")


# What is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search": "index=main | fields id"}, "no field 'event_key'; it returns id"),
        ({"search": 'index=main | eval event_key=if(id="001",null(),id)'}, "1 of 2 rows have no event_key"),
        ({"search": "| inputlookup x.csv"}, "must begin with events"),
    ],
)
def test_rows_that_cannot_be_told_apart_or_read_by_index_time_are_refused(
    splunkd: Source, run: Run, changes: dict[str, Any], message: str
) -> None:
    splunkd.pass_time(1, 2)
    with pytest.raises(BatchInvalid, match=message):
        run(to_index(splunkd, **changes))
    assert splunkd.as_read() == []


def test_results_of_another_number_are_not_sent(splunkd: Source, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fewer(order: Order, settings: Settings) -> Outcome:
        assert order.out is not None
        order.out.write_text("y\n1\n")
        return Outcome("job", "", Path(), 1, None, 7, "y")

    monkeypatch.setattr(incremental, "run", fewer)
    splunkd.pass_time(1, 2)
    with pytest.raises(BatchFailed, match="returned 1 rows for 2"):
        run(to_index(splunkd))


def test_another_search_under_the_same_name_is_refused_and_told_how_to_go_on(splunkd: Source, run: Run) -> None:
    splunkd.pass_time(1)
    run(to_index(splunkd))
    with pytest.raises(BatchInvalid, match=rf"another name with --flow.*remove .*--since {BEGIN + 180} once"):
        run(to_index(splunkd, search=SEARCH + " y"))


def test_a_first_run_that_failed_can_be_put_right(splunkd: Source, run: Run) -> None:
    splunkd.pass_time(1)
    with pytest.raises(BatchInvalid, match="no field"):
        run(to_index(splunkd, search="index=main"))
    assert [each.sent for each in run(to_index(splunkd))] == [1]


def test_two_processes_do_not_run_one_flow(splunkd: Source, run: Run, paths: Paths) -> None:
    with held(paths.flows / "x", Mark("", "", 0)), pytest.raises(BatchInvalid, match="run by another process"):
        run(to_index(splunkd))


def test_a_secret_that_is_not_there_is_told_before_anything_is_read(splunkd: Source, settings: Settings) -> None:
    order = Order(notebook="double", data="", mode="apply", parameters={"p": "secret://NOT_THERE"})
    with pytest.raises(BatchInvalid, match="no secret 'NOT_THERE'"):
        list(deliver(order, to_index(splunkd), settings))
    assert splunkd.requests == []


# What goes wrong between


@pytest.mark.timeout(900)
@pytest.mark.process
def test_no_end_by_kill_loses_a_row_or_doubles_one_as_read(splunkd: Source, settings: Settings) -> None:
    """A process is killed at each call of the flow's own code in turn, each request of HTTP among them."""
    arguments = [str(settings.home), str(settings.notebooks), str(splunkd.port), splunkd.token]
    arguments += [splunkd.hec_url, splunkd.hec_token]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as flows:
        assert flows.stdin is not None
        assert flows.stdout is not None
        step, ended = 0, ""
        while ended != "whole":
            step += 1
            splunkd.pass_time(2 * step, 2 * step + 1)
            print(step, file=flows.stdin, flush=True)
            ended = flows.stdout.readline().strip()
            assert ended in ("killed", "whole"), step
            for read in (splunkd.as_read(), splunkd.records()):
                assert [int(each["id"]) for each in read] == list(range(2, 2 * step + 2)), step
                assert all(int(each["predicted_y"]) == 2 * int(each["id"]) for each in read)
        flows.stdin.close()
    assert step > 30, step


# For each number that is read: a child is killed at its so-manieth call, and then the flow runs whole.
KILLED = """
import gc, os, signal, sys
from pathlib import Path
from dltk_runtime.batch import destination, incremental, watermark
from dltk_runtime.batch.order import Order
from dltk_runtime.files import atomic
from dltk_runtime.http_client import HttpClient, ResponseStream
from dltk_runtime.settings import Settings
from dltk_runtime.splunk import hec, kvstore
from dltk_runtime.splunk.connection import Connection
from tests.batch.flow_helpers import APP, BEGIN, SEARCH, quick

home, notebooks, port, token, hec_url, hec_token = sys.argv[1:]
incremental.run = quick
hec.MAX_BATCH_EVENTS = kvstore.MAX_BATCH_RECORDS = 1  # so that there is a moment between two batches
ours = {module.__file__ for module in (incremental, watermark)}
# Requests, answers, the disk.
others = (HttpClient.open, ResponseStream.read, atomic.write, atomic.sync_folder)
codes = {each.__code__ for each in others}
connection = Connection("127.0.0.1", int(port), token, scheme="http", app=APP)
settings = Settings(home=Path(home), notebooks=Path(notebooks))

class Both:
    address = "both"
    ways = (
        destination.ToIndex(hec.Hec(hec_url, hec_token), "scored"),
        destination.ToCollection(kvstore.Collection(connection, APP, "scores", dict)),
    )
    def send(self, sending):
        for way in self.ways:
            way.send(sending)

stream = incremental.Stream(
    flow="x", search=SEARCH, connection=connection, destination=Both(), keys=("event_key",),
    since=BEGIN, lag=120, late=86400,
)

def flow():
    for _ in incremental.deliver(Order(notebook="double", data="", mode="apply"), stream, settings):
        pass

def killing(step):
    left = [step]
    def look(frame, what, _):
        if what == "call" and (frame.f_code.co_filename in ours or frame.f_code in codes):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    return look

flow()
gc.freeze()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        sys.setprofile(killing(int(line)))
        flow()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    flow()
    print({0: "whole", -signal.SIGKILL: "killed"}.get(status, status), flush=True)
"""


def down(splunkd: Source) -> None:
    splunkd.faults.down = 10**6


def busy(splunkd: Source) -> None:
    splunkd.faults.busy = 10**6


def full(splunkd: Source) -> None:
    splunkd.faults.collector_full = True


def expired(splunkd: Source) -> None:
    splunkd.sessions.clear()


def no_token(splunkd: Source) -> None:
    splunkd.collector.tokens[splunkd.hec_token].disabled = True


def no_index(splunkd: Source) -> None:
    splunkd.collector.tokens[splunkd.hec_token] = replace(
        splunkd.collector.tokens[splunkd.hec_token], indexes=("main",)
    )


def unacknowledged(splunkd: Source) -> None:
    splunkd.collector.tokens[splunkd.hec_token] = replace(splunkd.collector.tokens[splunkd.hec_token], ack=True)
    splunkd.faults.hold_acks = True


def poisoned(splunkd: Source) -> None:
    splunkd.faults.collector_poison = "k002"


def broken(splunkd: Source) -> None:
    splunkd.faults.messages = [("ERROR", "the indexer idx3 is down")]


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (down, SplunkUnreachable, "broke before the end"),
        (busy, SplunkBusy, "too busy"),
        (expired, TokenRefused, "splunk_access_token"),
        (broken, SearchFailed, "idx3"),
        (full, SplunkBusy, r"Server is busy \(code 9\)"),
        (unacknowledged, SplunkBusy, "accepted, but not acknowledged"),
        (no_token, TokenRefused, "splunk_hec_token"),
        (no_index, EventRefused, "Allow this index in the token's settings"),
        (poisoned, EventRefused, "Invalid data format"),
    ],
)
def test_a_splunk_that_fails_is_told_and_the_next_run_brings_everything_once(
    splunkd: Source, run: Run, fault: Callable[[Source], None], error: type[SplunkError], message: str
) -> None:
    splunkd.pass_time(1, 2, 3)
    faults, tokens, sessions = splunkd.faults, dict(splunkd.collector.tokens), set(splunkd.sessions)
    fault(splunkd)
    with pytest.raises(error, match=message):
        run(to_index(splunkd))
    splunkd.pass_time(4)
    splunkd.faults = type(faults)()
    splunkd.sessions = sessions
    splunkd.collector.tokens = {name: replace(token, disabled=False) for name, token in tokens.items()}
    run(to_index(splunkd))
    assert [row["event_key"] for row in splunkd.as_read()] == ["k001", "k002", "k003", "k004"]


def test_an_answer_that_is_lost_is_asked_for_again_and_read_once(splunkd: Source, run: Run) -> None:
    splunkd.pass_time(1, 2)
    splunkd.faults.collector.extend([9, 8])
    splunkd.faults.lost = 3
    run(to_index(splunkd, patience=10))
    assert [row["event_key"] for row in splunkd.as_read()] == ["k001", "k002"]


def test_a_slow_splunk_is_waited_for(splunkd: Source, run: Run) -> None:
    splunkd.pass_time(1)
    splunkd.faults.slow = threading.Event()
    threading.Timer(0.5, splunkd.faults.slow.set).start()
    run(to_index(splunkd))
    assert len(splunkd.as_read()) == 1


def test_a_collection_that_is_not_there_is_told(splunkd: Source, run: Run) -> None:
    splunkd.pass_time(1)
    splunkd.storage.kvstore.remove("scores")
    with pytest.raises(NotThere, match="KV store collection 'scores' in the app 'dltk_flow_x'"):
        run(to_collection(splunkd))


# The command line

DOUBLE = {
    "init": "def init(df, param):\n    return {}",
    "fit": "def fit(model, df, param):\n    model['by'] = float((df['y'] / df['x']).mean())\n    return {}",
    "apply": "def apply(model, df, param):\n    return pd.DataFrame({'y': df['x'] * model['by']})",
}


@pytest.mark.timeout(900)
@pytest.mark.process
def test_a_flow_is_fitted_and_scored_from_the_command_line(
    tmp_path: Path, paths: Paths, make_notebook: MakeNotebook
) -> None:
    make_notebook("double", **DOUBLE)
    pair = certificate(Settings(home=tmp_path / "tls", host="127.0.0.1"))
    with source(tmp_path, certificate=pair) as splunkd:
        splunkd.pass_time(1, 2)

        def batch(*options: str) -> str:
            command = [sys.executable, "-m", "dltk_runtime.cli", "batch", "double", "--model", "m", "--app", APP]
            folders = {"DLTK_HOME": str(paths.home), "DLTK_NOTEBOOKS": str(paths.notebooks)}
            variables = {**os.environ, **folders, **splunkd.variables}
            done = subprocess.run(
                [*command, *options], env=variables, cwd=ROOT, capture_output=True, text=True, check=False
            )
            return done.stdout + done.stderr

        fit = ["--from-search", "index=main | eval y=3*x", "--earliest", "0", "--latest", "+1d"]
        assert "search: 2 rows" in (said := batch(*fit, "--fit", "--target", "y", "--feature", "x")), said
        send = ["--from-search", SEARCH, "--apply", "--to-hec", "index=scored", "--since", str(BEGIN)]
        assert "T00:00:00Z to 2026-01-05T00:03:00Z: 2 rows, 2 sent\n" in (said := batch(*send)), said
        assert "Nothing was indexed since the last run." in batch(*send)
        assert [(row["predicted_y"], row["model_version"]) for row in splunkd.as_read()] == [("3", "1"), ("6", "1")]
        assert (paths.flows / "double_m" / "executed.ipynb").is_file()
        assert not (paths.flows / "double_m" / "rows.csv").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "x.csv", "--from-search", "index=x"], "either --data or --from-search"),
        (["--data", "x.csv", "--to-hec", "index=x"], "need --from-search"),
        (["--from-search", "index=x", "--to-kvstore", "c"], "--to-kvstore needs --app"),
        (["--from-search", "index=x", "--to-kvstore", "c", "--app", "a", "--to-hec", "index=x"], "Give one of"),
        (["--from-search", "index=x", "--to-hec", "index=x", "--fit"], "fit first"),
        (["--from-search", "index=x", "--to-hec", "index=x", "--out", "o.csv"], "--out cannot be combined with"),
        (["--from-search", "index=x", "--to-hec", "x", "--since", "soon"], "Invalid time 'soon'"),
        (["--from-search", "index=x"], "splunk_access_host"),
    ],
)
def test_options_that_do_not_go_together_are_told(
    monkeypatch: pytest.MonkeyPatch, paths: Paths, options: list[str], message: str
) -> None:
    for name in [name for name in os.environ if name.startswith("splunk_")]:
        monkeypatch.delenv(name)
    done = CliRunner().invoke(dltk, ["batch", "double", "--home", str(paths.home), *options])
    assert done.exit_code != 0
    assert message in done.output + str(done.exception)
