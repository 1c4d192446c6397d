"""The quality that people's verdicts show: an unbiased sample, counted with intervals, and never trained on."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from dltk_runtime.emulator.standin import IndexedEvent
from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.generate import create
from dltk_runtime.flows.rehearsal.world import BEGIN, World
from dltk_runtime.flows.spl import stages
from tests.flows.helpers import NOBODY, flow_of, search_of, world_of

LATER = BEGIN + 3600
MUTATION = Path(__file__).with_name("mutation")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return world_of(flow_of("feedback"), tmp_path, NOBODY, "offset,query\n")


def judged(world: World, *rows: dict[str, object]) -> None:
    """Store verdicts of people, by default of the sample, on rows that version 1 called positive."""
    usual = {"status": "labelled", "sampled": 1, "model_version": 1, "dga_score": 0.9, "label": "dga"}
    labels = [usual | {"_key": f"k{number:04x}", "entity": f"e{number}.com"} | row for number, row in enumerate(rows)]
    world.storage.kvstore["dltk_x_labels"].batch_save(labels)


def test_precision_and_recall_are_counted_by_version_with_the_interval_of_wilson(world: World) -> None:
    """8 of 10 are 0.49 to 0.943 (Wilson, 95%), by any table of it."""
    eight_of_ten = [{} for _ in range(8)] + [{"label": "legit"} for _ in range(2)]
    aside: list[dict[str, object]] = [{"sampled": 0}, {"status": "skipped", "label": "skip"}]
    second: dict[str, object] = {"model_version": 2, "dga_score": 0.1}
    judged(world, *eight_of_ten, *aside, second)
    two, one = world.run(search_of(world, "sample_quality"), LATER).frame.to_dict("records")
    assert [str(one[name]) for name in ("model_version", "labelled", "tp", "fp", "fn")] == ["1", "10", "8", "2", "0"]
    shares = [float(one[name]) for name in ("precision", "precision_from", "precision_to", "recall", "recall_to")]
    assert shares == [0.8, 0.49, 0.943, 1, 1]
    assert float(one["recall_from"]) == pytest.approx(8 / (8 + 1.96**2), abs=0.001)
    assert [str(two[name]) for name in ("model_version", "labelled", "tp", "fn")] == ["2", "1", "0", "1"]


def test_coverage_says_how_much_of_the_sample_is_judged_by_version(world: World) -> None:
    queue = [
        {"_key": f"k{number:04x}", "entity": f"e{number}.com", "sampled": int(number < 4), "model_version": version}
        for number, version in enumerate((1, 1, 1, 2, 1))
    ]
    world.storage.kvstore["dltk_x_queue"].batch_save(queue)
    judged(world, {}, {"status": "skipped", "label": "skip"})
    frame = world.run(search_of(world, "sample_coverage"), LATER).frame
    found = frame[["model_version", "sampled", "labelled", "skipped", "coverage"]].astype(float).to_numpy().tolist()
    assert found == [[2, 1, 0, 0, 0], [1, 3, 1, 1, 0.333]]


def test_what_quality_is_measured_on_is_never_trained_on(world: World) -> None:
    """By the hash in the key, so that a label from elsewhere of an entity of the sample does not count either."""
    keys = world.ask(
        '| makeresults count=400 | streamstats count AS n | eval entity="e".n.".com", '
        'key="k".substr(sha256("x|".entity),1,32), sampled=if(tonumber(substr(key,2,4),16)<1311,1,0)',
        LATER,
    )
    drawn = set(keys["entity"][keys["sampled"] == 1])
    judged(world, *({"_key": row.key, "entity": row.entity} for row in keys.itertuples()))
    train = search_of(world, "train").text
    cut = next(stage.begin for stage in stages(train) if stage.name == "eventstats")
    taken = set(world.ask(train[:cut], LATER)["entity"])
    assert 2 < len(drawn) < 30
    assert not taken & drawn
    assert {*keys["entity"]} - drawn <= taken


def test_people_see_how_many_verdicts_the_next_training_waits_for(world: World) -> None:
    judged(world, *({"sampled": 0} for _ in range(12)), {}, {"status": "skipped"})
    shown = world.run(search_of(world, "progress_search", view="review"), LATER, tokens={"tick": "0"}).frame
    assert shown.astype(int).to_dict("records") == [{"labels": 12, "needed": 20, "missing": 8}]


def test_agreement_counts_what_two_people_judged(world: World) -> None:
    verdicts = [("k1", "ann", "dga"), ("k1", "bob", "dga"), ("k2", "ann", "dga"), ("k2", "bob", "legit")]
    for key, reviewer, label in [*verdicts, ("k3", "ann", "dga"), ("k3", "ann", "legit")]:
        record = {"kind": "label", "flow": "x", "status": "labelled", "event_key": key}
        world.storage.indexes["dltk_x"].add(IndexedEvent(BEGIN, BEGIN, record | {"reviewer": reviewer, "label": label}))
    (found,) = world.run(search_of(world, "agreement"), LATER).frame.astype(float).to_dict("records")
    assert found == {"judged_twice": 2, "agreed": 1, "agreement": 0.5}


@pytest.mark.parametrize("kind", ["direct", "summary", "feedback"])
def test_an_alert_on_findings_is_quiet_about_an_entity_for_a_day(tmp_path: Path, kind: str) -> None:
    create(flow_of(kind), tmp_path)
    found = next(each for each in find_apps(tmp_path)[0].searches if each.name == "dltk_x_found")
    assert found.stanza.flag("alert.suppress")
    assert found.stanza.get("alert.suppress.fields") == "entity"
    assert found.stanza.get("alert.suppress.period") == "24h"
    report = next(each for each in find_apps(tmp_path)[0].searches if each.name == "dltk_x_report")
    assert report.scheduled


def test_the_program_that_makes_mistakes_knows_no_rule() -> None:
    """Only what measures afterwards asks ``dltk flow check``, as people do."""
    for path in MUTATION.glob("*.py"):
        tree = ast.parse(path.read_text())
        names = {each.module or "" for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
        names |= {alias.name for each in ast.walk(tree) if isinstance(each, ast.Import) for alias in each.names}
        assert not [name for name in names if name.startswith(("dltk_runtime.flows.rules", "dltk_runtime.flows.dataf"))]
