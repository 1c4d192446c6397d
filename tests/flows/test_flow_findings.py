"""What an administrator found by reading the generated apps, and no other test shows: each stays as it was mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dltk_runtime.cli import dltk
from dltk_runtime.emulator.standin import IndexedEvent
from dltk_runtime.flows.app import App, find_apps
from dltk_runtime.flows.burden import burden
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.generate import create
from dltk_runtime.flows.kinds import Source
from dltk_runtime.flows.rehearsal.world import BEGIN, World
from dltk_runtime.flows.rules import check
from tests.flows.helpers import NOBODY, flow_of, invoke, search_of, world_of

KINDS = ("direct", "summary", "feedback")


def app_of(folder: Path, kind: str, **values: Any) -> App:
    create(flow_of(kind, **values), folder)
    return find_apps(folder)[0]


def text_of(app: App, file: str) -> str:
    return (app.folder / file).read_text()


def test_the_type_of_an_index_follows_from_the_flow_and_not_from_its_name(tmp_path: Path) -> None:
    with pytest.raises(FlowInvalid, match="must not end in _metrics"):
        flow_of("direct", "a_metrics")
    create(flow_of("summary", source=Source.METRICS), tmp_path)
    stanzas = {each.name: each.get("datatype") for each in find_apps(tmp_path)[1].conf("indexes.conf")}
    assert stanzas == {"dltk_x": "", "dltk_x_metrics": "metric"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_search_can_be_run_by_hand_while_its_schedule_is_off(tmp_path: Path, kind: str) -> None:
    for search in app_of(tmp_path, kind).searches:
        if not search.view:
            assert "disabled" not in search.stanza.settings
            assert not search.stanza.flag("enableSched")


def test_people_choose_by_why_a_row_was_queued_and_see_some_of_each_kind(tmp_path: Path) -> None:
    review = text_of(app_of(tmp_path, "feedback"), "default/data/ui/views/review.xml")
    for why in ("alert", "sample", "uncertain"):
        assert f'<choice value="{why}">' in review
    assert "dedup 20 why" in review
    assert '<fields>["entity"' in review, "the hash that is the key is not shown"


def test_a_share_of_what_was_judged_is_shown_to_a_second_person_without_the_first_verdict(tmp_path: Path) -> None:
    world = world_of(flow_of("feedback"), tmp_path, NOBODY, "offset,query\n")
    second = search_of(world, "second_queue_search", view="review")
    queue, labels = (world.storage.kvstore[f"dltk_x_{name}"] for name in ("queue", "labels"))
    for number in range(40):
        key = f"k0000{number * 1600:04x}"
        queue.batch_save([{"_key": key, "entity": f"e{number}", "dga_score": 0.5, "why": "alert"}])
        labels.batch_save(
            [{"_key": key, "entity": f"e{number}", "label": "dga", "status": "labelled", "reviewer": "a"}]
        )
    tokens = {"tick": "0", "why": "any", "env:user": "b"}
    shown = world.run(second, BEGIN, tokens=tokens).frame
    assert 0 < len(shown) < 40
    assert "label" not in shown.columns
    assert world.run(second, BEGIN, tokens=tokens | {"env:user": "a"}).frame.empty


@pytest.mark.parametrize("kind", KINDS)
def test_every_alert_is_suppressed_and_the_readme_says_that_somebody_must_hear_it(tmp_path: Path, kind: str) -> None:
    app = app_of(tmp_path, kind)
    alerts = [each for each in app.searches if each.stanza.get("counttype")]
    assert {each.name for each in alerts} >= {"dltk_x_health", "dltk_x_gaps", "dltk_x_found"}
    for alert in alerts:
        assert alert.stanza.flag("alert.suppress"), alert.name
        assert alert.stanza.get("alert.suppress.period"), alert.name
    assert "Give the alerts an action" in text_of(app, "README.md")


def gaps(world: World, now: float) -> int:
    return len(world.run(search_of(world, "gaps"), now).frame)


@pytest.mark.parametrize(("kind", "source"), [("direct", "events"), ("summary", "metrics"), ("summary", "datamodel")])
def test_a_flow_that_never_ran_and_one_that_is_out_for_weeks_fire_the_alert_on_gaps(
    tmp_path: Path, kind: str, source: str
) -> None:
    world = world_of(flow_of(kind, source=source), tmp_path, NOBODY, "offset,query,verdict\n")
    now = BEGIN + 86_400
    assert gaps(world, now) == 1
    record = {"kind": "run", "flow": "x", "feature_set": "v1", "rows": "1", "win_start": str(int(BEGIN) - 300)}
    world.storage.indexes["dltk_x"].add(IndexedEvent(BEGIN - 300, BEGIN, record | {"win_end": str(int(BEGIN))}))
    assert gaps(world, now) == 1
    assert gaps(world, now + 20 * 86_400) == 1


def test_the_readme_says_where_indexes_must_be_known_and_that_search_heads_forward(tmp_path: Path) -> None:
    readme = " ".join(text_of(app_of(tmp_path, "summary", source=Source.METRICS), "README.md").split())
    assert "and on the search heads too" in readme
    assert "`mcollect` needs it" in readme
    assert "Search heads forward their data to the indexers (`outputs.conf`" in readme


def test_the_models_name_stands_in_macros_alone(tmp_path: Path) -> None:
    for kind in KINDS:
        texts = text_of(app_of(tmp_path / kind, kind), "default/savedsearches.conf")
        assert "app:x_v1" not in texts
        assert '"x_v1"' not in texts


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"base": "| tstats count"}, "must begin without a pipe"),
        ({"base": "tstats count where index=x"}, "begins with the command 'tstats'"),
        ({"features": ("http.status",)}, "rename others in prepare: rename http.status AS http_status"),
        ({"features": ("f_len", "f_len")}, "name a field twice"),
        ({"features": ("y", "f_len")}, "name a field twice"),
        ({"metric": "auc"}, "cannot decide on promotion"),
        ({"parameters": "epochs=3 bad"}, "must be name=value"),
        ({"positive": 'a"b'}, "must differ, and be words"),
        ({"lag": 100_000}, "at most 10080"),
    ],
)
def test_values_that_make_a_wrong_app_are_refused_with_what_to_write(values: dict[str, Any], said: str) -> None:
    with pytest.raises(FlowInvalid, match=said.replace("|", r"\|")):
        flow_of("direct", **values)


def test_features_that_nothing_computes_are_found(tmp_path: Path) -> None:
    create(flow_of("feedback", features=("f_len", "f_digits")), tmp_path)
    assert {801} <= {each.rule.number for each in check(find_apps(tmp_path))}


def test_two_events_of_one_entity_in_one_second_are_two_predictions(tmp_path: Path) -> None:
    sample = "offset,query,verdict,answer\n10,a1.com,bad,x\n10,a1.com,bad,y\n"
    world = world_of(flow_of("direct"), tmp_path, NOBODY, sample)
    text = search_of(world, "score").text.partition("| eventstats")[0]
    keys = world.ask(text, BEGIN + 86_400)["event_key"]
    assert keys.nunique() == len(keys) == 2


def test_scoring_of_late_rows_reaches_as_far_back_as_a_training(tmp_path: Path) -> None:
    score = next(each for each in app_of(tmp_path, "summary", train_days=90).searches if each.name == "dltk_x_score")
    assert score.stanza.get("dispatch.earliest_time") == "-90d@h"


def test_flows_of_different_names_start_in_different_minutes(tmp_path: Path) -> None:
    crons = set()
    for name in ("web", "dns", "mail", "disk"):
        invoke("flow", "new", "direct", name, "--defaults", "--to", str(tmp_path / name))
        made = find_apps(tmp_path / name)[0]
        assert burden(made.searches).at_once == 1
        crons.add(next(each.stanza.get("cron_schedule") for each in made.searches if each.name.endswith("_health")))
    assert len(crons) == 4


def test_the_help_of_search_lists_every_command_that_runs() -> None:
    said = " ".join(CliRunner().invoke(dltk, ["search", "--help"]).output.split())
    for command in ("stats", "eventstats", "streamstats", "timechart", "lookup", "rex", "score", "sample"):
        assert f" {command}," in said


@pytest.mark.parametrize("kind", KINDS)
def test_what_writes_goes_first_and_what_only_looks_ends_after_a_while(tmp_path: Path, kind: str) -> None:
    scheduled = [each for each in app_of(tmp_path, kind).searches if each.scheduled]
    writes = {each.name for each in scheduled if each.stanza.get("schedule_priority") == "higher"}
    bounded = {each.name for each in scheduled if each.stanza.get("dispatch.max_time") == "600"}
    assert "dltk_x_score" in writes
    assert {"dltk_x_health", "dltk_x_gaps", "dltk_x_late", "dltk_x_found", "dltk_x_report"} <= bounded
    assert not writes & bounded


@pytest.mark.parametrize("kind", KINDS)
def test_small_things_of_the_texts(tmp_path: Path, kind: str) -> None:
    app = app_of(tmp_path, kind)
    everything = "".join(path.read_text() for path in app.files() if path.suffix in {".conf", ".xml", ".md"})
    assert "-0m@m" not in everything
    assert 'theme="light"' not in everything
    if kind == "feedback":
        assert "``| `dltk_x_label(key,verdict,note)` ``" in everything
        reviewer = next(each for each in app.conf("authorize.conf") if each.name == "role_dltk_x_reviewer")
        assert not reviewer.flag("run_custom_command")
        assert 'comment=replace("$note$","\\"","\'")' in everything
