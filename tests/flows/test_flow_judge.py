"""The verdict on a rehearsed flow: quiet about one that is right, and a sentence for each fault of an app."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.generate import files
from dltk_runtime.flows.rehearsal.judge import counts, judge
from dltk_runtime.flows.rehearsal.play import schedule
from dltk_runtime.flows.rehearsal.world import BEGIN, World, make_world
from dltk_runtime.flows.spl import has_command
from dltk_runtime.settings import ClientSettings
from dltk_runtime.units import DAY_SECONDS
from tests.emulator.container import TOKEN, Standin, standin
from tests.flows.helpers import flow_of, predicting, world_of

SAMPLE = "offset,query,verdict\n" + "".join(
    f"{hour * 3600 + minute * 60 + 7},{name}{hour % 5}.com,{'bad' if hour % 2 else 'good'}\n"
    for hour in range(26)
    for minute, name in ((5, "blue"), (35, "x4kq9"))
)
END = BEGIN + DAY_SECONDS
SEARCHES, MACROS = "default/savedsearches.conf", "default/macros.conf"
OVERVIEW = "default/data/ui/views/overview.xml"


@pytest.fixture(scope="module")
def container() -> Iterator[Standin]:
    with standin() as state:
        state.answer = predicting
        yield state


def rehearsed(folder: Path, container: Standin, kind: str, file: str = "", old: str = "", new: str = "") -> World:
    """A flow after a day of hourly runs, with one text of its app changed."""
    source = kind if kind in ("metrics", "datamodel") else "events"
    flow = flow_of("summary" if source != "events" else kind, source=source, interval=60, lag=7, offset=2)
    client = ClientSettings(url=container.url, token=TOKEN)
    world = world_of(flow, folder, client, SAMPLE)
    if file:
        path = world.app.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        stubs = world.context.mltk.stubs
        world = make_world(find_apps(folder), folder / "sample.csv", client, folder / "lookups")
        assert world.context.mltk.stubs == stubs
    playable = [each for each in world.app.searches if not has_command(world.app.readable(each), "fit")]
    playable = [each for each in playable if not each.stanza.get("counttype") and "dltk_status" not in each.text]
    for run in schedule(playable, BEGIN + 3600, END):
        world.run(run.search, run.at)
    return world


@pytest.mark.parametrize("kind", ["direct", "summary", "metrics", "datamodel"])
def test_a_flow_that_is_right_has_no_fault(tmp_path: Path, container: Standin, kind: str) -> None:
    world = rehearsed(tmp_path / "flow", container, kind)
    came, scored = counts(world)
    assert came == scored > 20
    verdict = judge(world, END)
    assert verdict.faults == ()
    assert ("a source that is late: " in " ".join(verdict.not_run)) == (kind == "datamodel")


@pytest.mark.parametrize(
    ("kind", "file", "old", "new", "said"),
    [
        (
            "direct",
            SEARCHES,
            'kind="run" | where scored<rows',
            'kind="runs" | where scored<rows',
            "no alert of the app",
        ),
        ("direct", SEARCHES, "where scored<rows", "where scored<0", "a dead container left rows"),
        ("direct", SEARCHES, "win_start=floor((now()-", "win_start=0*floor((now()-", "scheduler stood still"),
        ("direct", SEARCHES, "counttype = number of events\n", "", "a dead container left rows"),
        ("direct", OVERVIEW, r"kind=\"run\"", r"kind=\"scored\"", "says 'no run'"),
        ("summary", OVERVIEW, r"kind=\"scored\"", r"kind=\"run\"", "says 'no run'"),
        ("direct", OVERVIEW, r"kind=\"prediction\"", r"kind=\"predictions\"", "is empty"),
        ("direct", SEARCHES, "dispatch.earliest_time = -122m@m", "dispatch.earliest_time = -82m@m", "_gaps: fires"),
        ("metrics", OVERVIEW, r"flow=\"x\"", r"flow=\"y\"", "says 'no run'"),
        ("direct", SEARCHES, "arrived>win_end+", "arrived>win_end+9000000+", "the source was late, and no alert"),
        ("summary", SEARCHES, "arrived>win_end+", "arrived<win_end-", "the source was late, and no alert"),
        ("metrics", SEARCHES, "arrived>win_end+", "arrived>win_end-", "_late: fires at the end"),
    ],
)
def test_a_fault_of_the_app_is_said(
    tmp_path: Path, container: Standin, kind: str, file: str, old: str, new: str, said: str
) -> None:
    world = rehearsed(tmp_path / "flow", container, kind, file, old, new)
    faults = judge(world, END).faults
    assert any(said in fault for fault in faults), faults


def test_two_scorings_may_have_one_alert(tmp_path: Path, container: Standin) -> None:
    searches = files(flow_of("direct", interval=60, lag=7, offset=2))["dltk_flow_x/" + SEARCHES]
    scoring = re.search(r"\[dltk_x_score\].*?\n\n", searches, re.DOTALL)
    assert scoring
    again = scoring[0].replace("[dltk_x_score]", "[dltk_x_score_again]")
    world = rehearsed(tmp_path / "flow", container, "direct", SEARCHES, scoring[0], scoring[0] + again)
    assert "dltk_x_score_again" in {each.name for each in world.app.searches}
    assert judge(world, END).faults == ()
