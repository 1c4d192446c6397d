"""The calls answered last on the volume: recalled after a restart, bounded, and without values where none may stay."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from dltk_runtime.access.actor import NOBODY
from dltk_runtime.files import lines
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.service import call_files
from dltk_runtime.service.call_files import MAX_AGE_SECONDS, MAX_BYTES, MAX_FILES, MAX_READ_BYTES, UNKEPT, CallFiles
from dltk_runtime.service.calls import MAX_CALLS, RecentCall, RecentCalls
from dltk_runtime.store.file_store import FileStore
from dltk_runtime.store.interface import Store
from dltk_runtime.store.store import ModelStore, What
from tests.service.test_calls import call, everything
from tests.store.helpers import in_memory

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def files(paths: Paths, *, values: bool = True, place: Store | None = None) -> CallFiles:
    return CallFiles(paths.calls, ModelStore(place or FileStore(paths), keep=5), values=values)


def one(number: int, model: str = "m", outcome: str = "success") -> RecentCall:
    time = BEGUN + timedelta(seconds=number)
    given = {"id": f"id-{number}", "route": "/apply", "outcome": outcome, "seconds": 0.1}
    return RecentCall(time=time, algorithm="a", model=model, **given)


def test_a_restart_recalls_the_calls_of_all_servers_and_goes_on(paths: Paths) -> None:
    first, second = files(paths), files(paths)
    recent = RecentCalls()
    recent.add(call(), "success", 0.1)
    recent.add(call(rows=7), "bad row", 0.2)
    first.write(recent.unwritten())
    assert recent.unwritten() == []
    second.write([one(1)])
    again = RecentCalls()
    again.add(call(), "success", 0.3)  # a start does not wait until all is read
    again.recall(files(paths).read())
    found = again.listed(everything).calls
    assert [(each.outcome, each.seconds) for each in found] == [
        ("success", 0.3),
        ("bad row", 0.2),
        ("success", 0.1),
        ("success", 0.1),
    ]
    assert [each.outcome for each in again.unwritten()] == ["success"], "what was read is not written again"
    assert again.traffic(everything).requests == 1, "of this server alone"


def test_files_are_bounded_in_size_number_and_age(paths: Paths) -> None:
    server = files(paths)
    for batch in range(12):
        server.write([one(batch * MAX_CALLS + number, outcome="e" * 300) for number in range(MAX_CALLS)])
    (file,) = call_files.files_of(paths.calls)
    assert file.stat().st_size <= MAX_BYTES
    assert files(paths).read()[-1].id == f"id-{12 * MAX_CALLS - 1}"
    for number in range(MAX_FILES + 3):
        files(paths).write([one(number)])
    old = file.stat().st_mtime - MAX_AGE_SECONDS - 60
    os.utime(file, (old, old))
    assert len(files(paths).read()) == MAX_FILES
    assert len(call_files.files_of(paths.calls)) == MAX_FILES
    assert file.exists() is False


def test_a_kill_while_a_line_is_written_costs_that_line(paths: Paths) -> None:
    server = files(paths)
    server.write([one(1), one(2)])
    (file,) = call_files.files_of(paths.calls)
    file.write_bytes(file.read_bytes()[:-5])
    assert [each.id for each in files(paths).read()] == ["id-1"]
    server.write([one(3)])
    assert [each.id for each in files(paths).read()] == ["id-1", "id-3"]


def test_what_no_server_can_have_written_stops_neither_a_start_nor_a_page(paths: Paths) -> None:
    files(paths).write([one(1)])
    made = [
        {"time": "2026-01-01T00:00:00", "model": "m", "outcome": "no zone"},
        {"time": "2026-01-01T00:00:00Z", "model": "../m", "outcome": "no model", "version": 1},
        {"time": "2026-01-01T00:00:00Z", "model": "<b>", "outcome": "no model was found"},
    ]
    texts = [json.dumps({"id": "x", "route": "r", "seconds": 1, "algorithm": "a"} | each).encode() for each in made]
    written = b"".join(b"%08x %s\n" % (zlib.crc32(text), text) for text in texts)
    (paths.calls / "notebook.jsonl").write_bytes(written)
    with (paths.calls / "large.jsonl").open("wb") as large:
        large.truncate(MAX_READ_BYTES + 1)
    (paths.calls / "link.jsonl").symlink_to("/dev/zero")
    os.mkfifo(paths.calls / "pipe.jsonl")
    recent = RecentCalls()
    recent.recall(files(paths).read())
    assert [each.outcome for each in recent.listed(everything).calls] == ["success", "no model was found"]
    assert recent.by_model(5) == {}


def test_without_values_no_sentence_of_a_failure_is_on_the_volume(paths: Paths) -> None:
    files(paths, values=False).write([one(1, outcome="cannot read 'a secret'"), one(2)])
    assert [each.outcome for each in files(paths).read()] == [UNKEPT, "success"]
    assert b"secret" not in call_files.files_of(paths.calls)[0].read_bytes()


@pytest.mark.parametrize("made", [FileStore, in_memory])
def test_a_model_is_forgotten_also_where_a_server_writes_its_failure_afterwards(
    paths: Paths, made: Callable[[Paths], Store]
) -> None:
    place = made(paths)
    server, name = files(paths, place=place), ModelName("a", "m")
    server.write([one(1, outcome="cannot read 'a secret'"), one(2, "other")])
    call_files.forget(paths.calls, "a", "m")
    assert [each.model for each in files(paths).read()] == ["other"]
    (paths.versions / name.folder / name.model).mkdir(parents=True)
    store = ModelStore(place, keep=5)
    store.record(name, What.FORGOTTEN, NOBODY)
    store.record(name, What.FITTED, NOBODY, 1)
    server.write([one(3, outcome="cannot read 'a secret'")])
    assert b"secret" not in call_files.files_of(paths.calls)[0].read_bytes()
    later = RecentCall(
        time=datetime.now(UTC), id="9", route="/apply", outcome="bad", seconds=1, algorithm="a", model="m"
    )
    server.write([later])
    assert [each.id for each in files(paths).read()] == ["id-2", "9"], "a later one is none of those"


def test_what_is_no_file_of_a_server_is_not_changed_and_holds_up_nothing(paths: Paths) -> None:
    files(paths).write([one(1), one(2, "other")])
    (ours,) = call_files.files_of(paths.calls)
    elsewhere = paths.home / "elsewhere"
    elsewhere.write_bytes(ours.read_bytes())
    before = elsewhere.read_bytes()
    (paths.calls / "link.jsonl").symlink_to(elsewhere)
    os.mkfifo(paths.calls / "pipe.jsonl")
    (paths.calls / "folder.jsonl").mkdir()
    call_files.forget(paths.calls, "a", "m")
    assert elsewhere.read_bytes() == before
    assert [each.model for each in files(paths).read()] == ["other"]


def test_calls_that_cannot_be_written_are_no_error(paths: Paths) -> None:
    paths.calls.write_text("a file in the way")
    files(paths).write([one(1)])
    assert files(paths).read() == []
    assert lines.read(paths.calls / "x.jsonl", RecentCall) == []
