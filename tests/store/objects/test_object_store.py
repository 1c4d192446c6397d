"""What a store of objects does beside what `tests/store/test_interface.py` asks of every store.

Two servers are two stores over one `MemoryStore`, each with a home of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from obstore.store import MemoryStore

from dltk_runtime.apply.damage import DamagedWhenLoaded, check, load_message
from dltk_runtime.apply.leasing import Leasing
from dltk_runtime.errors import NotStored, StoreDamaged
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from dltk_runtime.store.errors import StoreReplaced, StoreUnreachable, VersionUnknown
from dltk_runtime.store.objects import keys, opened, probe, removal
from dltk_runtime.store.objects.bucket import Bucket
from dltk_runtime.store.objects.object_store import ObjectStore
from dltk_runtime.store.objects.pointer import Pointer
from dltk_runtime.store.store import Facts, ModelStore, Version
from tests.store.helpers import NAME, commit, promoted


@dataclass
class Server:
    """One of several over the same objects."""

    bucket: Bucket
    paths: Paths

    def __post_init__(self) -> None:
        self.place = ObjectStore(self.bucket, self.paths, trust_seconds=0)
        self.store = ModelStore(self.place, keep=2)


@pytest.fixture
def servers(tmp_path: Path) -> list[Server]:
    bucket = Bucket(MemoryStore(), "memory://")
    return [Server(bucket, Paths(tmp_path / name, tmp_path / name)) for name in ("one", "two")]


def test_a_server_without_a_common_volume_serves_what_another_has_promoted(servers: list[Server]) -> None:
    one, two = servers
    assert two.store.current(NAME) is None
    version = promoted(one.store, text="weights")
    found = two.store.current(NAME)
    assert found is not None
    assert found.id == version.id
    location = found.location()
    assert Path(location.folder).is_relative_to(two.paths.models)
    assert Path(location.folder, "umap_default.json").read_text() == "weights"
    shutil.rmtree(one.paths.home)
    assert (version.location().folder, Path(version.location().code).read_bytes()) != ("", b"")


def test_a_copy_that_is_damaged_is_fetched_again_and_one_from_another_store_is_not_used(servers: list[Server]) -> None:
    one, two = servers
    version = promoted(one.store, text="weights")
    file = Path(two.store.serving(NAME).location().folder, "umap_default.json")
    file.write_text("torn")
    assert Path(two.store.serving(NAME).location().folder, "umap_default.json").read_text() == "weights"
    other = Server(Bucket(MemoryStore(), "memory://"), two.paths)
    promoted(other.store, text="others")
    assert file.read_text() == "weights"
    assert version.number == other.store.serving(NAME).number
    assert Path(other.store.serving(NAME).location().folder, "umap_default.json").read_text() == "others"


def test_an_object_that_was_changed_is_never_served(servers: list[Server]) -> None:
    one, two = servers
    version = promoted(one.store, text="weights")
    one.bucket.put(keys.file(version.id, "umap_default.json"), b"forgery")  # as long as it was
    with pytest.raises(StoreDamaged, match=r"umap_default\.json in .* has changed since it was stored"):
        two.store.serving(NAME).location()
    with pytest.raises(StoreDamaged, match="has changed"):
        version.verify(hashes=True)
    assert list(Path(two.paths.models, "objects").rglob("umap_default.json")) == []


def test_a_changed_object_of_equal_size_is_told_from_a_changed_copy(servers: list[Server]) -> None:
    """The version serves no more in the one case; in the other its copy is fetched anew."""
    one, two = servers
    first, second = (promoted(one.store, text=text) for text in ("weights", "Weights"))
    file = Path(second.location().folder, "umap_default.json")
    file.write_text("forgery")
    [problem] = one.store.problems(NAME)
    assert "The copy of umap/default version 2 on this machine is damaged: umap_default.json" in problem
    began = time.monotonic()
    assert "The copy of umap/default version 2 on this machine" in one.store.examine(second, began)
    assert "The copy of" in one.store.examine(second, began)  # by another worker, that loaded it too
    assert Path(second.location().folder, "umap_default.json").read_text() == "Weights"
    assert one.store.examine(second, time.monotonic()) == ""
    assert (one.store.damaged_copies, list(one.store.problems(NAME))) == (1, [])
    assert one.store.choose(NAME).version.id == second.id

    one.bucket.put(keys.file(second.id, "umap_default.json"), b"forgery")
    assert any("in memory://" in each for each in two.store.problems(NAME))
    with pytest.raises(DamagedWhenLoaded, match="in memory://"):
        load_message(two.store, two.store.get(NAME, 2), "")
    serving = two.store.choose(NAME)
    assert (serving.version.id, "in memory://" in serving.problem) == (first.id, True)
    assert one.store.choose(NAME).version.id == second.id  # its copy is whole


def test_a_store_that_does_not_answer_is_no_damage_and_a_version_that_is_gone_makes_room_for_another(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = servers

    def unreachable(bucket: Bucket, key: str) -> None:
        raise StoreUnreachable(f"{bucket.where}/{key}", "no answer")

    promoted(one.store)
    version = two.store.serving(NAME)
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "get", unreachable)
        patch.setattr(Bucket, "head", unreachable)
        for look in (lambda: check(version), lambda: load_message(two.store, version, "")):
            with pytest.raises(StoreUnreachable):
                look()
    one.store.delete(NAME)
    for look in (lambda: check(version), lambda: load_message(two.store, version, "")):
        with pytest.raises(DamagedWhenLoaded, match="was removed"):
            look()


def test_damage_that_is_found_when_files_are_fetched_for_another_machine_is_noted(servers: list[Server]) -> None:
    one, two = servers
    first, second = (promoted(one.store, text=text) for text in ("weights", "Weights"))
    one.bucket.put(keys.file(second.id, "umap_default.json"), b"forgery")

    class Places:
        @contextlib.asynccontextmanager
        async def lease(self, version: Version, *_: object, **__: object) -> AsyncIterator[None]:
            yield version.location()

    nothing: Any = None
    leasing = Leasing(
        settings=Settings(), store=two.store, jobs=nothing, pool=nothing, drift=nothing, places=cast(Any, Places())
    )

    async def load() -> None:
        async with leasing.loaded(two.store.serving(NAME), nothing, 0.0):
            pass

    with pytest.raises(DamagedWhenLoaded):
        asyncio.run(load())
    assert two.store.serving(NAME).id == first.id


def test_a_copy_that_cannot_be_written_is_no_damage(servers: list[Server]) -> None:
    one, two = servers
    promoted(one.store)
    (two.paths.models / "objects").parent.mkdir(parents=True)
    (two.paths.models / "objects").write_text("in the way")
    with pytest.raises(NotStored, match="The copy of umap/default version 1"):
        two.store.serving(NAME).location()


def test_a_version_that_is_being_removed_cannot_be_promoted(servers: list[Server]) -> None:
    """A removal is cut short between its steps; a promotion that meets it finishes it."""
    one, two = servers
    first, _, _ = promoted(one.store), promoted(one.store), promoted(one.store)
    pointer = Pointer(one.bucket, NAME)
    pointer.change(lambda found: removal._condemning(pointer, found, first.number))
    assert [each.number for each in two.store.versions(NAME)] == [1, 2, 3]
    with pytest.raises(VersionUnknown):
        two.store.promote(first)
    assert [each.number for each in two.store.versions(NAME)] == [2, 3]
    assert pointer.read().state.condemned == []


def test_a_removal_that_was_cut_short_is_finished_by_a_sweep(servers: list[Server]) -> None:
    one, _ = servers
    first, _, _ = promoted(one.store), promoted(one.store), promoted(one.store)
    pointer = Pointer(one.bucket, NAME)
    pointer.change(lambda found: removal._condemning(pointer, found, first.number))
    assert one.store.sweep() == [first.where]
    assert one.bucket.below(keys.version(first.id)) == []


def test_what_was_removed_here_is_gone_from_the_other_servers_copies_at_its_sweep(servers: list[Server]) -> None:
    one, two = servers
    promoted(one.store)
    folder = Path(two.store.serving(NAME).location().folder)
    for _ in range(3):
        promoted(one.store)
    assert one.store.prune(NAME) == [1, 2]
    assert folder.exists()
    assert two.store.sweep(older_than=-1) == [str(folder)]
    assert not folder.exists()


def test_a_choice_of_code_on_one_server_is_noticed_by_the_next_apply_on_another(servers: list[Server]) -> None:
    one, two = servers
    promoted(one.store)
    two.store.choose(NAME)
    state = two.store.choice_state(NAME)
    one.store.choose_code(NAME, "pinned")
    assert state.still_true()
    two.store.choose(NAME)
    assert not state.still_true()
    assert two.store.pins_code(NAME, default=False)


def test_promotions_outlive_the_loss_of_the_pointer(servers: list[Server]) -> None:
    one, two = servers
    promoted(one.store)
    second = promoted(one.store)
    one.bucket.delete([keys.model(NAME, "current")])
    serving = two.store.choose(NAME)
    assert serving.version.id == second.id
    assert "is gone" in serving.problem
    third = promoted(two.store)
    assert one.store.choose(NAME).version.id == third.id
    assert [each.version for each in one.place.promotions(NAME)] == [1, 2, 3]


@pytest.mark.parametrize("micros", [10**18 - 1, 253402300800 * 10**6])
def test_a_promotion_at_a_time_that_no_calendar_has_is_damaged_and_costs_that_one_alone(
    servers: list[Server], micros: int
) -> None:
    one, two = servers
    first, second = promoted(one.store), promoted(one.store)
    one.bucket.put(keys.model(NAME, f"promoted/{7:018}-3-{micros}-0-ab"), b"")
    assert [each.version for each in two.place.promotions(NAME)] == [1, 2]
    assert (two.place.damaged_lines(NAME), len(list(two.store.problems(NAME)))) == (1, 1)
    assert (two.store.choose(NAME).version.id, two.store.rollback(NAME).id) == (second.id, first.id)


@pytest.mark.parametrize(
    "last",
    [
        b'{"version":2,"micros":1e30,"revision":2}',
        b'{"version":2,"micros":999999999999999999999,"revision":2}',
        b'{"version":2,"micros":-1,"revision":2}',
        b'{"version":-2,"micros":1,"revision":2}',
        b'{"version":2,"micros":NaN,"revision":2}',
    ],
)
def test_a_pointer_with_a_number_that_none_has_is_damaged_and_the_promotions_tell_what_serves(
    servers: list[Server], last: bytes
) -> None:
    one, two = servers
    promoted(one.store)
    second = promoted(one.store)
    one.bucket.put(keys.model(NAME, "current"), b'{"revision":2,"nonce":"a","current":2,"last":%b}' % last)
    serving = two.store.choose(NAME)
    assert serving.version.id == second.id
    assert "is damaged" in serving.problem
    third = promoted(two.store)
    assert one.store.choose(NAME).version.id == third.id


def test_a_fit_that_was_silent_for_a_day_commits_nothing(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = servers
    with one.store.reserve(NAME) as reserved:
        monkeypatch.setattr("dltk_runtime.store.objects.reservation.ABANDONED_SECONDS", -1)
        with pytest.raises(NotStored, match="nothing was heard of its fit for a day"):
            reserved.commit(Facts(), b"", b"")
    assert one.store.versions(NAME) == []
    assert one.bucket.below(keys.model(NAME, "versions")) == []


def test_a_store_that_was_replaced_takes_no_fits(servers: list[Server]) -> None:
    one, _ = servers
    one.store.attach()
    assert one.store.present()
    one.bucket.delete([keys.STORE])
    assert not one.store.present()
    with pytest.raises(StoreReplaced, match="does not answer, or is not the one that this server started with"):
        one.store.reserve(NAME)


def test_the_pictures_of_a_version_are_shown_by_the_server_that_promotes_it(servers: list[Server]) -> None:
    one, two = servers
    with one.store.reserve(NAME) as reserved:
        drawn = Path(reserved.location.pictures, "loss curve.png")
        drawn.parent.mkdir()
        drawn.write_bytes(b"png")
        version = reserved.commit(Facts(), b"[]", b"{}")
    assert version.manifest().files
    assert all("loss" not in each.path for each in version.manifest().files)
    two.store.promote(two.store.get(NAME, version.number))
    assert (two.paths.graphics / "loss curve.png").read_bytes() == b"png"


def test_no_link_of_a_notebook_is_followed(servers: list[Server], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    one, two = servers
    with one.store.reserve(NAME) as reserved:
        folder = Path(reserved.location.folder)
        (folder / "umap_default.json").write_text("weights")
        (folder / "link").symlink_to(secret)
        (folder / "pictures").mkdir()
        (folder / "pictures" / "link.png").symlink_to(secret)
        (folder / "pictures" / "page.html").write_text("no picture")
        version = reserved.commit(Facts(), b"[]", b"{}")
    assert {each.path for each in version.manifest().files} == {"code.json", "summary.json", "umap_default.json"}
    two.store.promote(two.store.get(NAME, version.number))
    assert not two.paths.graphics.exists()
    assert all(one.bucket.get(each.key).data != b"secret" for each in one.bucket.below("models"))


def test_what_only_reads_writes_no_probe_and_what_writes_has_the_store_proven_once(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = servers
    promoted(one.store)
    promoted(one.store)
    probed = list[Bucket]()
    monkeypatch.setattr(opened, "_bucket", lambda _: one.bucket)
    monkeypatch.setattr(probe, "check", probed.append)
    opened._prove.cache_clear()
    stores = [ModelStore(opened.opened(two.paths), keep=1) for _ in range(2)]
    for store in stores:
        store.choose(NAME)
        assert len(store.versions(NAME)) == 2
        list(store.problems(NAME))
        assert store.history(NAME).entries
    assert probed == []
    stores[0].rollback(NAME)
    commit(stores[0])
    stores[0].prune(NAME)
    stores[1].choose_code(NAME, "live")
    assert probed == [one.bucket]
    opened._prove.cache_clear()


def test_a_deleted_model_begins_anew_and_its_numbers_go_on(servers: list[Server]) -> None:
    one, two = servers
    promoted(one.store)
    promoted(one.store)
    two.store.delete(NAME)
    assert one.store.models() == []
    assert one.place.promotions(NAME) == []
    assert one.bucket.below(keys.model(NAME, "promoted")) == []
    assert commit(one.store).number == 3


@pytest.mark.parametrize("damage", [b"\xff" * 32, b"../../../../elsewhere/0123456789", b""])
def test_a_damaged_identity_is_named_and_names_no_folder(servers: list[Server], damage: bytes) -> None:
    one, two = servers
    version = promoted(one.store)
    one.bucket.put(keys.STORE, damage)
    two.store.attach()
    one.store.attach()
    assert (one.store.present(), two.store.present()) == (False, True)
    with pytest.raises(StoreDamaged, match="memory:///store is damaged: it holds no identity"):
        two.store.get(NAME, version.number).location()


def test_a_folder_that_cannot_be_read_commits_no_version_without_it(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, make = servers[0], os.open
    with one.store.reserve(NAME) as reserved:
        Path(reserved.location.folder, "part").mkdir()

        def unreadable(path: str | Path, *given: int, **named: Any) -> int:
            if Path(path).name == "part":
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return make(path, *given, **named)

        monkeypatch.setattr(os, "open", unreadable)
        with pytest.raises(NotStored, match="Permission denied"):
            reserved.commit(Facts(), b"[]", b"{}")
