"""What a rehearsal counts again at its end: windows, keys, alerts on findings, and labels that were learned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dltk_runtime.flows.rehearsal.knowledge import Knowledge
from dltk_runtime.flows.rehearsal.play import RehearsalResult, Tally
from dltk_runtime.flows.rehearsal.quality import MIN_LABELS, disagreements, unlearned
from dltk_runtime.flows.rehearsal.rows import late, never_fired, repeated
from dltk_runtime.flows.rehearsal.world import World
from tests.emulator.container import Standin, standin
from tests.flows.helpers import NOBODY, flow_of, predicting, world_of
from tests.flows.test_flow_judge import END, SEARCHES, rehearsed

EMPTY = "offset,query\n"


@pytest.fixture(scope="module")
def container() -> Iterator[Standin]:
    with standin() as state:
        state.answer = predicting
        yield state


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory, container: Standin) -> World:
    return rehearsed(tmp_path_factory.mktemp("rows") / "flow", container, "direct")


def result(fired: int) -> RehearsalResult:
    return RehearsalResult(tallies={"dltk_x_found": Tally(runs=24, fired=fired)})


def test_a_flow_that_is_right_is_right_when_counted_again(right: World) -> None:
    assert list(late(right, END)) == []
    assert list(repeated(right)) == []
    assert list(never_fired(right, result(fired=3), Knowledge({}))) == []


def test_windows_that_end_too_early_and_keys_that_are_shared_are_said(tmp_path: Path, container: Standin) -> None:
    old, new = 'sha256("x|".entity."|".tostring(floor(_time))."|".event)', 'sha256("x|")'
    world = rehearsed(tmp_path / "flow", container, "direct", SEARCHES, old, new)
    assert "have the event_key of another one" in next(repeated(world))
    early = "dispatch.earliest_time = -122m@m\ndispatch.latest_time = -62m@m"
    late_window = "dispatch.earliest_time = -55m@m\ndispatch.latest_time = +5m@m"
    world = rehearsed(tmp_path / "late", container, "direct", SEARCHES, early, late_window)
    assert "its window ends before all events have arrived" in next(late(world, END))


def test_an_alert_on_findings_that_never_fires_is_said_where_there_were_some(right: World) -> None:
    assert "dltk_x_found: never fired, though the model called" in next(
        never_fired(right, result(fired=0), Knowledge({}))
    )
    assert list(never_fired(right, result(fired=0), Knowledge({}, predicted="predicted_other"))) == []


@pytest.mark.parametrize(
    ("labels", "versions", "said"),
    [
        ({}, 1, 0),
        ({1: MIN_LABELS}, 1, 0),  # no training has followed yet
        ({1: MIN_LABELS, 2: 5}, 1, 1),
        ({1: MIN_LABELS, 2: 5}, 2, 0),
        ({1: MIN_LABELS - 1, 2: 500}, 1, 0),
    ],
)
def test_labels_that_no_training_took_are_said(labels: dict[int, int], versions: int, said: int) -> None:
    assert len(list(unlearned(RehearsalResult(labels=Counter(labels)), versions))) == said


def test_the_reported_quality_of_the_sample_is_counted_again_from_the_labels(tmp_path: Path) -> None:
    world = world_of(flow_of("feedback"), tmp_path, NOBODY, EMPTY)
    knowledge = Knowledge({"bad.com": "dga", "good.com": "legit"}, "predicted_is_dga", "dga", score="dga_score")
    row = {"status": "labelled", "model_version": 1, "dga_score": 0.9}
    labels = [
        row | {"_key": "k0001", "entity": "bad.com", "label": "dga", "sampled": 1},
        row | {"_key": "k0002", "entity": "good.com", "label": "legit", "sampled": 1},
        row | {"_key": "kf000", "entity": "bad.com", "label": "dga", "sampled": 0},  # not drawn by the hash
    ]
    world.storage.kvstore["dltk_x_labels"].batch_save(labels)
    assert list(disagreements(world, knowledge, END)) == []
    world.storage.kvstore["dltk_x_labels"].batch_save([labels[0] | {"sampled": 0}])
    (said,) = disagreements(world, knowledge, END)
    assert said == (
        "dltk_x_sample_quality: says tp, fp, fn (0, 1, 0) of version 1; by the sample and the labels they are (1, 1, 0)"
    )
