"""The direct flow: run records, a dead container, identifiers that look like numbers; and ``dltk flow`` itself."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from dltk_runtime.cli import dltk
from dltk_runtime.flows.errors import FlowInvalid
from dltk_runtime.flows.rehearsal.world import BEGIN, World, window_of
from dltk_runtime.settings import ClientSettings
from tests.emulator.container import TOKEN, Standin, standin
from tests.flows.helpers import NOBODY, count, flow_of, invoke, predicting, search_of, world_of
from tests.support.service import ROOT

SAMPLE = "offset,query,verdict\n10,007,good\n20,1e5,bad\n30,NA,good\n40,blue.com,good\n"
NOW = BEGIN + 720
INDEX = "dltk_x"


@pytest.fixture
def container() -> Iterator[Standin]:
    with standin() as state:
        state.answer = predicting
        yield state


@pytest.fixture
def world(tmp_path: Path, container: Standin) -> World:
    return world_of(flow_of("direct"), tmp_path / "flow", ClientSettings(url=container.url, token=TOKEN), SAMPLE)


class TestScoring:
    def test_a_run_leaves_each_prediction_and_its_record(self, world: World) -> None:
        world.run(search_of(world, "score"), NOW)
        assert count(world, INDEX, kind="prediction") == 4
        assert count(world, INDEX, kind="run", rows="4", scored="4", win_start=str(int(BEGIN))) == 1

    def test_identifiers_that_look_like_numbers_stay_as_they_are(self, world: World) -> None:
        world.run(search_of(world, "score"), NOW)
        rows = [row for row in world.storage.indexes[INDEX].rows() if row.get("kind") == "prediction"]
        assert {row["entity"] for row in rows} == {"007", "1e5", "na", "blue.com"}
        assert len({row["event_key"] for row in rows}) == 4

    def test_a_dead_container_leaves_a_run_record_that_the_alert_finds(self, world: World) -> None:
        world.calling(NOBODY).run(search_of(world, "score"), NOW)
        assert count(world, INDEX, kind="prediction") == 0
        assert world.run(search_of(world, "health"), NOW + 900).frame["scored"].tolist() == ["0"]

    @pytest.mark.parametrize("blanked", ["f_len=null()", 'f_len=if(entity="007",null(),f_len)'])
    def test_a_null_feature_or_an_empty_column_is_filled_and_its_row_is_scored(
        self, world: World, blanked: str
    ) -> None:
        score = search_of(world, "score")
        text = score.text.replace("| fillnull", f"| eval {blanked} | fillnull")
        assert text != score.text
        world.ask(text, NOW, window_of(score, NOW))
        assert count(world, INDEX, kind="prediction") == 4

    def test_what_the_container_refuses_is_not_written(self, world: World, container: Standin) -> None:
        container.says("error", "/apply: ERROR: unable to apply model")
        world.run(search_of(world, "score"), NOW)
        assert count(world, INDEX, kind="prediction") == 0
        assert count(world, INDEX, kind="run", rows="4", scored="0") == 1

    def test_a_second_run_makes_the_same_keys(self, world: World) -> None:
        for _ in range(2):
            world.run(search_of(world, "score"), NOW)
        assert count(world, INDEX, kind="prediction") == 8
        assert len(world.run(search_of(world, "report"), NOW + 86_400).frame) == 2


class TestNew:
    def test_it_asks_for_what_no_option_says(self, tmp_path: Path) -> None:
        asked = CliRunner().invoke(
            dltk,
            ["flow", "new", "direct", "web", "--base", "index=web", "--to", str(tmp_path)],
            input="\n\nf_a, f_b\ny\n10\n\n4\n",
        )
        assert asked.exit_code == 0, asked.output
        made = yaml.safe_load((tmp_path / "flow.yaml").read_text())
        assert (made["base"], made["features"], made["interval"], made["train_hour"]) == (
            "index=web",
            ["f_a", "f_b"],
            10,
            4,
        )

    @pytest.mark.parametrize(
        ("kind", "name", "said"),
        [
            ("direct", "web", "7 scheduled searches, 16 starts an hour, at most 1 in the same minute"),
            ("summary", "web", "10 scheduled searches, 30 starts an hour, at most 2 in the same minute"),
        ],
    )
    def test_it_says_what_it_adds_to_a_search_head(self, tmp_path: Path, kind: str, name: str, said: str) -> None:
        assert f"{said}." in invoke("flow", "new", kind, name, "--defaults", "--to", str(tmp_path))

    def test_it_notes_an_algorithm_that_is_not_on_this_machine(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DLTK_NOTEBOOKS", str(ROOT / "notebooks"))
        told = invoke("flow", "new", "direct", "web", "--defaults", "--to", str(tmp_path), "--algorithm", "pytorch_mn")
        assert "note: No notebook 'pytorch_mn' in " in told
        assert "pytorch_nn" in told
        again = ("--to", str(tmp_path), "--force", "--algorithm", "pytorch_nn")
        assert "note:" not in invoke("flow", "new", "direct", "web", "--defaults", *again)

    def test_an_edited_file_is_read_and_options_go_over_it(self, tmp_path: Path) -> None:
        invoke("flow", "new", "feedback", "dga", "--defaults", "--to", str(tmp_path))
        path = tmp_path / "flow.yaml"
        path.write_text(path.read_text().replace("interval: 5", "interval: 15"))
        invoke("flow", "new", "--from", str(path), "--version", "2", "--force")
        searches = (tmp_path / "dltk_flow_dga/default/savedsearches.conf").read_text()
        assert re.search(r"cron_schedule = \d+-59/15 ", searches)
        assert "dga_v2" in (tmp_path / "dltk_flow_dga/default/macros.conf").read_text()

    def test_files_that_are_there_are_not_written_over(self, tmp_path: Path) -> None:
        invoke("flow", "new", "direct", "web", "--defaults", "--to", str(tmp_path))
        with pytest.raises(FlowInvalid, match="exists already"):
            invoke("flow", "new", "direct", "web", "--defaults", "--to", str(tmp_path))

    @pytest.mark.parametrize("base", ["index=a {{base}}", "index=a {{x}}", "index={{name}}", "index={% if"])
    def test_braces_in_a_value_are_text(self, tmp_path: Path, base: str) -> None:
        invoke("flow", "new", "direct", "web", "--defaults", "--to", str(tmp_path), "--base", base)
        macros = (tmp_path / "dltk_flow_web/default/macros.conf").read_text()
        assert f"[dltk_web_base]\ndefinition = {base}\n" in macros

    @pytest.mark.parametrize(
        ("option", "value", "said"),
        [
            ("--interval", "7", "interval=7 must be 5 to 60"),
            ("--features", "f_*", "without wildcards"),
            ("--base", "| tstats count", "base must begin without a pipe"),
            ("--lag", "0", "lag=0 must be at least 1"),
        ],
    )
    def test_values_that_cannot_be_used_are_named(self, tmp_path: Path, option: str, value: str, said: str) -> None:
        with pytest.raises(FlowInvalid, match=said.replace("*", r"\*")):
            invoke("flow", "new", "direct", "web", "--defaults", "--to", str(tmp_path), option, value)

    def test_a_file_with_an_unknown_key_names_the_nearest(self, tmp_path: Path) -> None:
        (tmp_path / "flow.yaml").write_text("kind: direct\nname: a\nalgoritm: x\n")
        with pytest.raises(FlowInvalid, match=r"unknown key 'algoritm'\. Did you mean 'algorithm'"):
            invoke("flow", "new", "--from", str(tmp_path / "flow.yaml"))


class TestPackage:
    def test_packages_hold_the_app_without_what_is_local_hidden_or_executable(self, tmp_path: Path) -> None:
        invoke("flow", "new", "direct", "web", "--defaults", "--to", str(tmp_path))
        app = tmp_path / "dltk_flow_web"
        for name in ("local/macros.conf", "default/.hidden", "metadata/local.meta"):
            (app / name).parent.mkdir(exist_ok=True)
            (app / name).write_text("[a]\n")
        (app / "default" / "app.conf").chmod(0o755)
        printed = invoke("flow", "package", str(tmp_path)).split()
        with tarfile.open(printed[0]) as tar:
            members = {member.name: member.mode for member in tar.getmembers()}
        assert members["dltk_flow_web/default/app.conf"] == 0o644
        assert not [name for name in members if "local" in name or ".hidden" in name]

    def test_the_same_files_make_the_same_package(self, tmp_path: Path) -> None:
        invoke("flow", "new", "direct", "web", "--defaults", "--to", str(tmp_path))
        first, second = (Path(invoke("flow", "package", str(tmp_path)).split()[0]).read_bytes() for _ in range(2))
        assert first == second
