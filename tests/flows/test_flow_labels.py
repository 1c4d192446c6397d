"""``dltk label`` against a stand-in for splunkd: the app's own macro writes, files carry labels out and back."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dltk_runtime.emulator.spl.pipeline import run
from dltk_runtime.emulator.spl.rows import rows_of
from dltk_runtime.emulator.spl.values import text
from dltk_runtime.emulator.standin import Window
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.labels import Labels, _write, unshielded
from dltk_runtime.flows.rehearsal.world import World
from tests.flows.helpers import NOBODY, count, flow_of, world_of
from tests.splunkd import Splunkd


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = world_of(flow_of("feedback"), tmp_path / "flow", NOBODY)
    queue = world.storage.kvstore["dltk_x_queue"]
    for number in range(5):
        queue.insert({"_key": f"k{number}", "entity": f"{number}.com", "uncertainty": number / 10, "dga_score": 0.5})
    return world


@pytest.fixture
def labels(world: World) -> Iterator[Labels]:
    def run_search(search: str, window: Window, now: float) -> Iterable[dict[str, str | None]]:
        frame = run(search, world.at(now, window)).frame
        return [{name: text(value) for name, value in row.items()} for row in rows_of(frame)]

    with Splunkd(run_search, storage=world.storage, app="dltk_flow_x") as splunkd:
        yield Labels(splunkd.connection(), "x")


def test_the_queue_shows_what_has_no_label_the_most_uncertain_first(labels: Labels) -> None:
    labels.write("k3", "dga")
    assert [row["_key"] for row in labels.queue()] == ["k4", "k2", "k1", "k0"]


def test_a_label_reaches_the_collection_and_the_audit_index(labels: Labels, world: World) -> None:
    labels.write("k1", "legit", note='our "own", CDN')
    (label,) = world.storage.kvstore["dltk_x_labels"].query()
    assert (label["label"], label["comment"]) == ("legit", "our 'own'; CDN")
    assert count(world, "dltk_x", kind="label", label="legit") == 1


@pytest.mark.parametrize(("key", "verdict"), [("k9", "dga"), ("k1 | delete", "dga"), ("k1", '"x'), ("`m`", "dga")])
def test_a_key_that_is_not_there_or_no_word_writes_nothing(
    labels: Labels, world: World, key: str, verdict: str
) -> None:
    with pytest.raises(FlowInvalid):
        labels.write(key, verdict)
    assert len(world.storage.kvstore["dltk_x_labels"]) == 0


def test_labels_go_to_a_file_and_come_back_the_same(labels: Labels, world: World, tmp_path: Path) -> None:
    for number in range(5):
        labels.write(f"k{number}", "dga")
    collection = world.storage.kvstore["dltk_x_labels"]
    before = list(collection.query())
    assert {"dga_score", "labelled_at", "_key"} <= set(before[0])
    assert labels.export(tmp_path / "labels.csv") == 5
    collection.delete()
    assert labels.load(tmp_path / "labels.csv") == 5
    assert list(collection.query()) == before
    assert count(world, "dltk_x", kind="import", label="dga") == 5


def test_rows_that_were_not_seen_for_long_leave_the_queue(labels: Labels, world: World) -> None:
    queue = world.storage.kvstore["dltk_x_queue"]
    for day in (1, 99):
        queue.insert({"_key": f"d{day}", "entity": "a.com", "predicted_at": day * 86_400})
    assert labels.prune_queue(40, now=100 * 86_400) == 1
    assert "d99" in {row["_key"] for row in queue.query()}
    assert "d1" not in {row["_key"] for row in queue.query()}


def test_a_file_without_keys_is_refused(labels: Labels, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("entity,label\na.com,dga\n")
    with pytest.raises(FlowInvalid, match="without _key"):
        labels.load(tmp_path / "labels.csv")


def test_only_old_labels_go_and_they_are_in_the_archive(labels: Labels, world: World, tmp_path: Path) -> None:
    collection = world.storage.kvstore["dltk_x_labels"]
    for day in (1, 50, 99):
        collection.insert({"_key": f"k{day}", "label": "dga", "labelled_at": day * 86_400})
    assert labels.prune(40, tmp_path / "old.csv", now=100 * 86_400) == 2
    assert [each["_key"] for each in collection.query()] == ["k99"]
    assert (tmp_path / "old.csv").read_text().count("dga") == 2
    with pytest.raises(FlowInvalid, match="exists already"):
        labels.prune(40, tmp_path / "old.csv")


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_of_an_export_is_a_formula(tmp_path: Path, first: str) -> None:
    given = [{"_key": "k", "comment": f'{first}HYPERLINK("http://x")', "entity": f"'{first}1", "label": "-", "n": -1.5}]
    _write(tmp_path / "out.csv", iter(given))
    with (tmp_path / "out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert {name: value for name, value in row.items() if value.startswith(("=", "+", "@", "\t", "\r", "\n"))} == {}
    assert (row["comment"][0], row["label"], row["n"]) == ("'", "-", "-1.5")
    assert {name: unshielded(value) for name, value in row.items() if value} == given[0] | {"n": "-1.5"}
