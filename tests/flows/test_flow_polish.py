"""What an administrator noted beside faults: sorting, blank lines, unused definitions, records without a reader."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dltk_runtime.flows.app import find_apps
from dltk_runtime.flows.generate import create, files
from dltk_runtime.flows.kinds import Kind, Source
from dltk_runtime.flows.rehearsal.world import BEGIN, window_of
from dltk_runtime.flows.rules import check
from dltk_runtime.flows.spl import stages
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, Standin, standin
from tests.flows.helpers import NOBODY, count, flow_of, search_of, world_of

NOW = BEGIN + 720
DOMAINS = "offset,query,verdict\n" + "".join(f"{n % 280},domain{n}.com,bad\n" for n in range(60))
VARIANTS: list[dict[str, Any]] = [
    {"kind": "direct"},
    {"kind": "direct", "anomalies": True},
    {"kind": "direct", "predicts": "class", "native": "RandomForestClassifier"},
    {"kind": "summary"},
    {"kind": "summary", "interval": 1440, "labels": True},
    {"kind": "summary", "source": "metrics", "anomalies": True},
    {"kind": "summary", "source": "metrics", "predicts": "number", "native": "LinearRegression", "algorithm": ""},
    {"kind": "summary", "source": "datamodel", "recipients": ["soc@example.com"], "risk_object": "system"},
    {"kind": "feedback"},
]


class TestSorting:
    """A training over weeks sorts on the search head what it takes, with the columns that it needs."""

    def test_a_share_of_the_rows_can_be_taken_by_hash_before_they_are_sorted(self, tmp_path: Path) -> None:
        world = world_of(flow_of("summary"), tmp_path, NOBODY, DOMAINS)
        world.run(search_of(world, "features"), NOW)
        train = search_of(world, "train")
        cut = next(stage.begin for stage in stages(train.text) if stage.name == "fit")
        taken = {}
        for share in (65536, 32768):
            text = train.text[:cut].replace("`dltk_x_train_share`", str(share))
            taken[share] = set(world.ask(text, BEGIN + 86_400)["entity"])
        assert len(taken[65536]) == 60
        assert 10 < len(taken[32768]) < 50
        assert taken[32768] < taken[65536]
        names = [stage.name for stage in stages(world.app.readable(train))]
        assert names.index("where") < names.index("sort")

    @pytest.mark.parametrize("kind", ["direct", "summary"])
    def test_the_text_of_the_events_does_not_go_along(self, tmp_path: Path, kind: str) -> None:
        world = world_of(flow_of(kind), tmp_path, NOBODY, DOMAINS)
        if kind == "summary":
            world.run(search_of(world, "features"), NOW)
        train = search_of(world, "train")
        before = "fit" if kind == "direct" else "sort"
        text = world.app.readable(train)
        cut = next(stage.begin for stage in stages(text) if stage.name == before)
        text = text[:cut].replace("index=main sourcetype=dns", "index=dltk_sample")
        frame = world.ask(text, BEGIN + 86_400, window_of(train, BEGIN + 86_400))
        assert len(frame) == 60
        assert "_raw" not in frame
        assert {"f_len", "f_digits", "f_vowels", "y"} <= set(frame)

    def test_rows_that_people_judge_are_sorted_without_the_text_of_the_events_too(self, tmp_path: Path) -> None:
        app = world_of(flow_of("summary", labels=True), tmp_path, NOBODY, DOMAINS).app
        for name in ("train", "train_first", "rescore"):
            search = next(each for each in app.searches if each.name == f"dltk_x_{name}")
            text = app.readable(search)
            ahead = text[: next(stage.begin for stage in stages(text) if stage.name == "sort")]
            assert "fields - _raw" in ahead, name


@pytest.mark.parametrize("values", VARIANTS)
class TestReadme:
    def test_backfill_is_said_to_do_what_it_does(self, values: dict[str, Any]) -> None:
        readme = files(flow_of(**values))["dltk_flow_x/README.md"]
        assert "dispatches the windows that have no complete run record" in readme

    def test_it_names_the_searches_that_read_late_events_again(self, values: dict[str, Any]) -> None:
        """What reads raw events is dispatched again; what scores rows of a summary by index time follows by itself."""
        flow = flow_of(**values)
        readme = files(flow)["dltk_flow_x/README.md"]
        _, late, advice = readme.partition("`dltk_x_late`")
        again = re.findall(r"`dltk_x_(features|score)`", advice.partition("\n\n")[0])
        wanted = ["features"] if flow.kind is Kind.SUMMARY else ["score"]
        wanted += ["score"] if flow.source is Source.METRICS else []
        assert again == (wanted if late else [])

    def test_no_container_is_named_where_there_is_none(self, values: dict[str, Any]) -> None:
        flow = flow_of(**values)
        searches = files(flow)["dltk_flow_x/default/savedsearches.conf"]
        assert ("container" in searches) == bool(flow.algorithm)

    def test_the_role_user_is_asked_for_beside_those_of_the_flow(self, values: dict[str, Any]) -> None:
        assert "People also need the role `user`" in files(flow_of(**values))["dltk_flow_x/README.md"]


@pytest.mark.parametrize("values", VARIANTS, ids=[" ".join(map(str, each.values())) for each in VARIANTS])
class TestFiles:
    def test_stanzas_and_the_comments_above_them_are_parted_by_one_blank_line(self, values: dict[str, Any]) -> None:
        for name, text in files(flow_of(**values)).items():
            lines = text.splitlines() if name.endswith((".conf", ".meta")) else []
            for above, line in itertools.pairwise(lines):
                if line.startswith(("[", "#")):
                    assert not above or above.startswith("#"), f"{name}: {line}"
                assert above or line, f"{name}: two blank lines above or below {above or line!r}"

    def test_each_definition_of_a_lookup_is_used(self, values: dict[str, Any]) -> None:
        made = files(flow_of(**values))
        used = "\n".join(text for name, text in made.items() if not name.endswith("transforms.conf"))
        for name in re.findall(r"^\[(\w+)\]$", made.get("dltk_flow_x/default/transforms.conf", ""), re.MULTILINE):
            assert re.search(rf"(?:lookup|local=true|append=t|_key) {name}\b", used), name


class TestRecordsOfTrainings:
    @pytest.fixture
    def container(self) -> Iterator[Standin]:
        with standin() as state:
            yield state

    def test_jobs_that_have_ended_lately_are_written_and_the_log_has_each_once(
        self, tmp_path: Path, container: Standin
    ) -> None:
        jobs = [
            ("new", "2026-01-04T22:00:00Z", "succeeded"),
            ("failed", "2026-01-03T03:00:00Z", "failed"),
            ("old", "2025-12-20T03:00:00Z", "succeeded"),
            ("runs", "2026-01-04T23:00:00Z", "running"),
        ]

        def answer(path: str, payload: Mapping[str, Any]) -> tuple[int, bytes]:
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(["kind", "model", "job", "time", "state", "version", "rows", "metrics", "message"])
            writer.writerows(["job", "x_v1", job, time, state, "1", "9", "f1=0.9", ""] for job, time, state in jobs)
            return 200, json.dumps({"status": "success", "message": path, "results": text.getvalue()}).encode()

        container.answer = answer
        client = ClientSettings(url=container.url, token=TOKEN)
        world = world_of(flow_of("feedback"), tmp_path, client, "offset,query\n")
        world.run(search_of(world, "status"), NOW)
        for day in range(2):
            world.run(search_of(world, "trainings"), NOW + day * 43_200)
        assert count(world, "dltk_x", kind="training") == 4
        log = world.run(search_of(world, "training_log"), NOW + 86_400).frame
        assert sorted(zip(log["job"], log["state"], strict=True)) == [("failed", "failed"), ("new", "succeeded")]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("counttype = number of events\n", "", "dltk_x_health has scored<rows and is no alert: counttype = (missing)"),
        ("scored<rows", "rows=0", "dltk_x_score no alert has scored<rows"),
    ],
)
def test_an_alert_without_its_condition_is_not_said_to_be_missing(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    create(flow_of("direct"), tmp_path)
    path = tmp_path / "dltk_flow_x" / "default" / "savedsearches.conf"
    path.write_text(path.read_text().replace(old, new))
    found = [each.found for each in check(find_apps(tmp_path)) if each.rule.number == 402]
    assert [f"{each.where.partition(' ')[2]} {each.what}" for each in found] == [said]
