"""What nodes and helper processes keep of applies, and how often one is tried: no longer than that is of use."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dltk_runtime.cluster import driver_applies
from dltk_runtime.cluster.abandoned import ABANDONED_SECONDS, remove_untouched
from dltk_runtime.cluster.apply_messages import Copy
from dltk_runtime.cluster.copies import origin_of
from dltk_runtime.cluster.driver_applies import DriverApplies
from dltk_runtime.cluster.elsewhere import tried_elsewhere
from dltk_runtime.cluster.errors import ApplyLost
from dltk_runtime.cluster.kept_files import KEPT_SECONDS, KeptFiles
from dltk_runtime.cluster.node import NodeActor
from dltk_runtime.cluster.ray_nodes import Reach
from dltk_runtime.files import clock
from dltk_runtime.paths import Paths
from dltk_runtime.store.manifest import StoredFile

CONTENT = b"a model"
FILES = (StoredFile("m.json", len(CONTENT), hashlib.sha256(CONTENT).hexdigest()),)


def arrive(kept: KeptFiles, name: str) -> Path:
    incoming = kept.begin(f"call-{name}")
    kept.write(incoming, "m.json", CONTENT, 0)
    kept.end(incoming, name, FILES)
    return kept.folder(name)


def test_versions_stay_a_day_after_their_last_apply(tmp_path: Path) -> None:
    """So `dltk forget` says no more than is true."""
    kept = KeptFiles(tmp_path)
    used, unused, new = (arrive(kept, name) for name in ("used", "unused", "new"))
    kept.begin("call-broken")
    arriving = tmp_path / "applies" / ".incoming-call-broken"
    for each in (used, unused, arriving / "files"):
        os.utime(each, (0, time.time() - KEPT_SECONDS - 1))
    kept.clean({"used"})
    assert [each.exists() for each in (used, unused.parent, new, arriving)] == [True, False, True, False]
    assert time.time() - used.stat().st_mtime < KEPT_SECONDS


def test_what_a_killed_actor_had_received_goes_soon_and_what_still_arrives_stays(tmp_path: Path) -> None:
    kept, root = KeptFiles(tmp_path), tmp_path / "applies"
    left, arriving = (root / kept.begin(name) / "files" for name in ("left", "arriving"))
    for each in (left, arriving):
        os.utime(each, (0, time.time() - ABANDONED_SECONDS - 1))
    kept.write(arriving.parent.name, "m.json", CONTENT, 0)
    kept.clean(())
    assert [each.exists() for each in (left, arriving)] == [False, True]


def test_what_an_actor_left_that_was_killed_between_two_steps_goes_too(tmp_path: Path) -> None:
    """Before the files' own folder was made, or after it was moved or removed."""
    kept, root = KeptFiles(tmp_path), tmp_path / "applies"
    arriving, version, new = root / ".incoming-call", root / "id", root / "new"
    for each in (arriving, version, new):
        each.mkdir(parents=True)
    (version / "code.json").write_text("{}")
    os.utime(arriving, (0, time.time() - ABANDONED_SECONDS - 1))
    os.utime(version, (0, time.time() - KEPT_SECONDS - 1))
    kept.clean(())
    assert [each.exists() for each in (arriving, version, new)] == [False, False, True]


def test_nothing_is_removed_where_the_time_of_the_volume_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "actor").mkdir()
    os.utime(tmp_path / "actor", (0, 0))
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", lambda _: 0.0)
        remove_untouched(tmp_path, "[!.]*")
    assert (tmp_path / "actor").exists()
    remove_untouched(tmp_path, "[!.]*")
    assert not (tmp_path / "actor").exists()


def test_an_actor_removes_what_one_before_it_left_and_keeps_what_is_in_use(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one that was killed nobody asks any more, so no front has it forgotten."""
    fits = paths.models / "fits"
    left, lives = fits / "0123", fits / "4567"
    for each in (left, lives):
        (each / "key" / "files").mkdir(parents=True)
        (each / "key" / "files" / "rows.csv").write_text("a\n1\n")
    os.utime(left, (0, time.time() - ABANDONED_SECONDS - 1))
    monkeypatch.setenv("DLTK_HOME", str(paths.home))
    actor = NodeActor()
    actor._clean()
    assert (left.exists(), lives.exists()) == (False, True)
    os.utime(actor._root, (0, 0))
    actor._clean()  # as it does every few seconds
    assert actor._root.exists()
    assert time.time() - actor._root.stat().st_mtime < ABANDONED_SECONDS


def test_damaged_files_are_replaced_beside_the_code_that_is_kept_with_them(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path)
    folder = arrive(kept, "id")
    code = kept.code("id", b"{}")
    (folder / "m.json").write_bytes(b"another")
    assert kept.has("id", FILES)  # it was read once, and looks the same
    assert kept.is_damaged("id", FILES)
    arrive(kept, "id")
    assert not kept.is_damaged("id", FILES)
    assert code.exists()


@pytest.mark.parametrize(("left", "tries"), [(60, 2), (-1, 1)])
def test_an_apply_whose_deadline_is_over_is_not_tried_elsewhere(left: float, tries: int) -> None:
    lost: list[ApplyLost] = []

    async def attempt() -> None:
        lost.append(ApplyLost("one", "it did not answer", "apply"))
        raise lost[-1]

    with pytest.raises(ApplyLost):
        asyncio.run(tried_elsewhere(attempt, time.monotonic() + left))
    assert len(lost) == tries


def test_a_helper_asks_for_the_counts_of_what_was_applied_lately(monkeypatch: Any) -> None:
    asked: list[list[str]] = []

    class Nodes:
        async def call(self, node: Reach, method: str, served: list[str], *, seconds: float) -> bytes:
            asked.append(served)
            return msgspec.msgpack.encode([])

    applies, node = DriverApplies(Nodes(), None), Reach("1", "one", (), None)  # type: ignore[arg-type]
    now = time.monotonic()
    applies._used = {("1", "b"): now, ("1", "a"): now, ("2", "c"): now, ("gone", "old"): now - 1e6}
    asyncio.run(applies.look(node))
    assert asked == [["a", "b"]]
    assert ("gone", "old") not in applies._used
    monkeypatch.setattr(driver_applies, "UNUSED_SECONDS", -1.0)
    asyncio.run(applies.look(node))
    assert asked == [["a", "b"]]
    assert not applies._used


def test_a_home_that_has_a_version_no_more_leaves_it_to_those_that_have_it(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path)
    arrive(kept, "id")
    version = Copy("id", "far", "m", 3)
    for home in ("home1", "home2"):
        kept.mark(version, home)
        assert KeptFiles(tmp_path).copies(home) == [version]
    assert not kept.unmark("id", "home1")
    assert kept.copies("home1") == []
    assert kept.has("id", FILES)
    assert kept.unmark("id", "home2")
    assert not (tmp_path / "applies" / "id").exists()
    for strange in ("", "..", "a/b"):
        with pytest.raises(ValueError, match="the other side names"):
            kept.unmark("id", strange)
        with pytest.raises(ValueError, match="the other side names"):
            kept.unmark(strange, "home1")


def test_a_mark_that_is_damaged_goes_with_its_files(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path)
    arrive(kept, "id")
    kept.mark(Copy("id", "far", "m", 3), "home1")
    (tmp_path / "applies" / "id" / "of" / "home1").write_text("{")
    assert kept.copies("home1") == []
    assert not (tmp_path / "applies" / "id").exists()


def test_all_servers_of_a_home_have_one_name_for_it(tmp_path: Path) -> None:
    first, other = origin_of(tmp_path / "one"), origin_of(tmp_path / "two")
    assert first == origin_of(tmp_path / "one")
    assert first != other
    assert first.isalnum()
