"""mode=stage puts rows and parameters beside the notebooks, and overwrites nothing that it did not write."""

from __future__ import annotations

import concurrent.futures
import json
import os
from pathlib import Path

import pytest

from dltk_runtime.errors import NotStaged
from dltk_runtime.paths import Paths
from dltk_runtime.service.stage import StagedFiles
from tests.support.service import Service, meta_for

DATA = "a,b\n1,x\n007,\n"
META = {"options": {"params": {"mode": "stage", "algo": "umap"}}}


pytestmark = pytest.mark.server(DLTK_SPARES="0", DLTK_MAX_WAITING="2")


def stage(paths: Paths, model: str = "iris", csv: str = DATA, meta: object = None) -> list[str]:
    """Publish a stage as the service does once a worker has written the rows."""
    place = StagedFiles(paths, model)
    place.incoming_csv.write_text(csv)
    try:
        return place.publish(META if meta is None else meta)  # type: ignore[arg-type]
    finally:
        place.discard()


def contents(paths: Paths) -> dict[str, str]:
    return {path.name: path.read_text() for path in paths.staged.iterdir()}


# ---------------------------------------------------------------- over the wire


def test_a_stage_writes_the_rows_as_sent_and_the_parameters(service: Service) -> None:
    answer = service.fit("no_such_notebook_yet", DATA, model="first", mode="stage")
    csv = service.notebooks / "data" / "first.csv"
    message = f"Model data staged successfully in {csv} - no model was built yet."
    assert answer == {"status": "staged", "message": message}
    assert csv.read_text() == DATA
    sent = meta_for(DATA, "first", {"algo": "no_such_notebook_yet", "mode": "stage"})
    assert json.loads(csv.with_suffix(".json").read_text()) == sent


def test_quotes_around_stage_and_a_missing_algo_do_not_matter(service: Service) -> None:
    answer = service.post("/fit", DATA, {"options": {"params": {"mode": '"stage"'}, "model_name": "quoted"}})
    assert answer["status"] == "staged"


def test_a_stage_without_into_is_called_default(service: Service) -> None:
    assert "/default.csv " in service.post("/fit", DATA, {"options": {"params": {"mode": "stage"}}})["message"]


def test_a_users_own_file_of_that_name_is_moved_aside_and_the_message_says_so(service: Service) -> None:
    folder = service.notebooks / "data"
    (folder / "iris.csv").write_text("years,of,work\n")
    answer = service.fit("umap", DATA, model="iris", mode="stage")
    (aside,) = folder.glob("iris.before-*.csv")
    assert aside.name in answer["message"]
    assert aside.read_text() == "years,of,work\n"
    assert (folder / "iris.csv").read_text() == DATA


def test_what_was_staged_is_replaced_by_the_next_stage_also_after_a_restart(service: Service) -> None:
    folder = service.notebooks / "data"
    service.fit("umap", DATA, model="again", mode="stage")
    service.restart()
    answer = service.fit("umap", "a\n2\n", model="again", mode="stage", epochs="3")
    assert "The files that were there" not in answer["message"]
    assert sorted(path.name for path in folder.glob("*again*")) == ["again.csv", "again.json"]
    assert (folder / "again.csv").read_text() == "a\n2\n"


@pytest.mark.parametrize("data", ["", "\n", "a\n1\n1,2\n"])
def test_rows_that_are_no_frame_are_not_staged(service: Service, data: str) -> None:
    answer = service.post("/fit", data, {"options": {"params": {"mode": "stage"}, "model_name": "none"}})
    assert answer["message"].startswith("/fit: ERROR: unable to convert raw data to pandas dataframe. ")
    assert not list((service.notebooks / "data").glob("*none*"))


def test_a_folder_that_cannot_be_written_is_named(service: Service) -> None:
    folder = service.notebooks / "data"
    kept = folder.rename(folder.with_name("elsewhere"))
    folder.write_text("a file where the folder should be")
    try:
        answer = service.fit("umap", DATA, model="m", mode="stage")
    finally:
        folder.unlink()
        kept.rename(folder)
    assert answer["message"].startswith("/fit: ERROR: unable to stage dataframe. ")
    assert str(folder) in answer["message"]


def test_many_stages_at_once_wait_in_line_or_are_told_which_setting_to_raise(service: Service) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        staged = [pool.submit(service.fit, "umap", f"a\n{n}\n", model="crowd", mode="stage") for n in range(8)]
        answers = [each.result() for each in staged]
    refused = [each["message"] for each in answers if each["status"] == "error"]
    assert sum(each["status"] == "staged" for each in answers) >= 4
    assert all("raise DLTK_MAX_WAITING" in message for message in refused)
    assert sorted(path.name for path in (service.notebooks / "data").glob("*crowd*")) == ["crowd.csv", "crowd.json"]


# ---------------------------------------------------------------- files


def test_a_second_stage_replaces_the_first(paths: Paths) -> None:
    assert stage(paths) == []
    assert stage(paths, csv="a\n2\n", meta={"second": True}) == []
    assert contents(paths) == {"iris.csv": "a\n2\n", "iris.json": '{\n "second": true\n}'}


def test_a_staged_file_that_somebody_changed_since_is_kept(paths: Paths) -> None:
    stage(paths)
    (paths.staged / "iris.json").write_text('{"mine": 1}')
    (aside,) = stage(paths, csv="a\n2\n")
    assert (paths.staged / aside).read_text() == '{"mine": 1}'
    assert set(contents(paths)) == {"iris.csv", "iris.json", aside}


def test_a_file_with_the_very_same_content_needs_no_copy(paths: Paths) -> None:
    (paths.staged / "iris.csv").write_text(DATA)
    assert stage(paths) == []


def test_a_file_moved_aside_twice_is_kept_twice(paths: Paths) -> None:
    for text in ("one", "two"):
        (paths.staged / "iris.csv").write_text(text)
        stage(paths)
    assert sorted(path.read_text() for path in paths.staged.glob("iris.before-*")) == ["one", "two"]


def test_links_and_folders_are_moved_aside_too(paths: Paths, tmp_path: Path) -> None:
    precious = tmp_path / "precious.csv"
    precious.write_text("precious")
    (paths.staged / "iris.csv").symlink_to(precious)
    (paths.staged / "iris.json").mkdir()
    csv, json_ = stage(paths)
    assert precious.read_text() == "precious"
    assert (paths.staged / csv).readlink() == precious
    assert (paths.staged / json_).is_dir()
    assert (paths.staged / "iris.csv").read_text() == DATA
    assert not (paths.staged / "iris.csv").is_symlink()


def test_a_link_that_leads_nowhere_is_moved_aside(paths: Paths) -> None:
    (paths.staged / "iris.csv").symlink_to("/nowhere/at/all")
    (aside,) = stage(paths)
    assert os.path.lexists(paths.staged / aside)


@pytest.mark.parametrize("remembered", [b"", b"{", b"[]", b'{"iris.csv": 1}', b"\xff"])
def test_a_broken_memory_of_what_was_written_only_keeps_more(paths: Paths, remembered: bytes) -> None:
    stage(paths)
    (paths.home / "staged" / "iris.json").write_bytes(remembered)
    assert len(stage(paths, csv="a\n2\n", meta={})) == 2


def test_a_failure_half_way_leaves_what_was_there_and_nothing_else(paths: Paths) -> None:
    stage(paths)
    before = contents(paths)
    (paths.home / "staged" / "iris.json").unlink()
    (paths.home / "staged").rmdir()
    (paths.home / "staged").write_text("a file where a folder should be")
    with pytest.raises(NotStaged, match=r"home/staged cannot be written: .* Check its permissions"):
        stage(paths, meta=META)
    assert contents(paths) == before


def test_a_failure_leaves_a_users_own_file_where_it_was(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    (paths.staged / "iris.csv").write_text("mine")
    (paths.home / "staged").write_text("a file where a folder should be")
    with pytest.raises(NotStaged, match="home/staged cannot be written"):
        stage(paths)
    assert contents(paths) == {"iris.csv": "mine"}
    (paths.home / "staged").unlink()
    replaced = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.parent == paths.staged:
            raise OSError(28, "No space left on device")
        return replaced(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(NotStaged, match=r"data cannot be written: .*No space left"):
        stage(paths)
    assert contents(paths) == {"iris.csv": "mine"}


def test_parameters_that_json_can_hardly_say_are_staged(paths: Paths) -> None:
    meta = {"nan": float("nan"), "large": 10**30, "half": "\ud800", "ключ": None}
    stage(paths, meta=meta)
    assert repr(json.loads((paths.staged / "iris.json").read_text())) == repr(meta)
