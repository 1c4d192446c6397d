"""What the store's rules rely on, shown for the implementation by files and for one by objects."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dltk_runtime.errors import NotStored, StoreDamaged
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.store import store as rules
from dltk_runtime.store.errors import VersionUnknown
from dltk_runtime.store.file_store import FileStore
from dltk_runtime.store.interface import Store
from dltk_runtime.store.manifest import Facts
from dltk_runtime.store.store import ModelStore
from tests.store.helpers import NAME, commit, in_memory, promoted


@pytest.fixture(params=["files", "objects"])
def place(request: pytest.FixtureRequest, paths: Paths, tmp_path: Path) -> Store:
    return FileStore(paths) if request.param == "files" else in_memory(paths)


@pytest.fixture
def store(place: Store) -> ModelStore:
    return ModelStore(place, keep=2)


def test_a_worker_finds_what_the_fit_of_a_version_saved(store: ModelStore, paths: Paths) -> None:
    version = promoted(store, text="weights")
    location = store.serving(NAME).location()
    assert location.load_name.endswith("/umap/default/1/umap_default")
    assert Path(location.folder) == (paths.models / location.load_name).parent
    assert Path(location.folder, "umap_default.json").read_text() == "weights"
    assert Path(location.code).read_bytes() == version.code() == b"[]"
    assert location.kept_model == ""
    assert b"model_summary" in version.description()
    version.verify(hashes=True)


def test_a_worker_finds_a_model_that_save_did_not_store(store: ModelStore) -> None:
    with store.reserve(NAME) as reserved:
        Path(reserved.location.kept_model).write_bytes(b"pickle")
        version = reserved.commit(Facts(kept_by_runtime=True), b"", b"")
    assert Path(version.location().kept_model).read_bytes() == b"pickle"


def test_a_version_has_the_card_that_was_committed_with_it_or_none(store: ModelStore) -> None:
    with store.reserve(NAME) as reserved:
        version = reserved.commit(Facts(), b"", b"", b"{}")
    assert version.card() == b"{}"
    assert "card.json" in {each.path for each in version.manifest().files}
    assert commit(store).card() == b""


def test_a_version_that_does_not_exist_has_a_handle_and_no_content(place: Store) -> None:
    version = place.version(VersionId(NAME, 7))
    for read in (version.manifest, version.location, version.verify):
        with pytest.raises(VersionUnknown):
            read()
    with pytest.raises(StoreDamaged):
        version.code()
    with pytest.raises(VersionUnknown):
        place.promote(version.id)
    assert place.current(NAME) is None


def test_a_reservation_that_is_left_is_no_version_and_its_number_is_used_up(store: ModelStore, place: Store) -> None:
    with store.reserve(NAME) as reserved:
        Path(reserved.location.folder, "half").write_text("")
    assert not Path(reserved.location.folder).exists()
    assert place.committed(NAME) == []
    assert store.models() == []
    assert commit(store).number == 2


def test_numbers_of_removed_versions_are_not_given_out_again(store: ModelStore) -> None:
    for _ in range(2):
        promoted(store)
    store.delete(NAME)
    assert store.versions(NAME) == []
    assert commit(store).number == 3


def test_reservations_at_the_same_time_get_numbers_of_their_own(place: Store) -> None:
    barrier = threading.Barrier(8)

    def run(_: int) -> int:
        barrier.wait()
        return place.reserve(NAME).number

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(run, range(8)))) == 8


def test_the_current_and_undecided_versions_are_not_removed(store: ModelStore, place: Store) -> None:
    current, kept_back, undecided = promoted(store), commit(store), commit(store)
    place.keep_back(kept_back.id, fallback=9)
    assert place.current(NAME) == current.number
    assert [place.remove(each.id) for each in (current, kept_back, undecided)] == [False, True, False]
    assert not place.remove(kept_back.id)
    assert place.committed(NAME) == [current.number, undecided.number]


def test_the_first_version_that_is_kept_back_is_current(store: ModelStore) -> None:
    assert store.promote_if_first(commit(store))
    assert not store.promote_if_first(commit(store))


def test_rollback_prune_and_algorithm_follow_the_versions(store: ModelStore) -> None:
    for _ in range(4):
        promoted(store)
    assert store.prune(NAME, in_use=[1]) == [2]
    assert store.rollback(NAME).number == 3
    assert store.counts() == [3]
    promoted(store, ModelName("pca", "default"))
    assert store.algorithm_of("default", []) == "pca"


def test_a_version_that_answers_without_being_current_outlives_its_worker(
    place: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stays after a restart, or in another replica's prune, is the time of use in the store."""
    first = ModelStore(place, keep=1)
    versions = [promoted(first) for _ in range(5)]
    first.use(versions[1])
    later = ModelStore(place, keep=1)
    assert [later.answers(NAME, number) for number in (0, 1, 2)] == [False, False, True]
    assert later.prune(NAME) == [1, 3]
    assert not later.prune(NAME)
    monkeypatch.setattr(rules, "USED_SECONDS", -1.0)
    assert later.prune(NAME) == [2], "nothing has asked for it for as long as that"


def test_notices_and_scores_are_added_beside_the_manifest(store: ModelStore) -> None:
    version = promoted(store)
    store.note(version, "load failed")
    store.add_score(version, "labels.csv", 3, {"f1": 0.5})
    assert version.notices() == ["load failed"]
    assert [(each.source, each.rows, each.metrics) for each in version.scores()] == [("labels.csv", 3, {"f1": 0.5})]
    assert version.manifest().notices == []


def test_sweep_removes_reservations_that_nothing_ends(store: ModelStore) -> None:
    version, killed = promoted(store), store.reserve(NAME)
    assert store.sweep() == []
    assert store.sweep(older_than=-1) != []
    assert store.versions(NAME) == [version]
    assert commit(store).number == killed.number + 1


def test_a_number_that_is_withdrawn_cannot_be_committed(store: ModelStore) -> None:
    with store.reserve(NAME) as reserved:
        Path(reserved.location.folder, "umap_default.json").write_text("weights")
        assert store.withdraw(NAME, reserved.number)
        assert store.withdraw(NAME, reserved.number)  # as after a kill
        Path(reserved.location.folder).mkdir(parents=True, exist_ok=True)  # as a notebook's save may do
        Path(reserved.location.folder, "umap_default.json").write_text("weights")
        with pytest.raises(NotStored):
            reserved.commit(Facts(), b"", b"")
    assert store.versions(NAME) == []
    assert commit(store).number > reserved.number


def test_a_number_that_is_committed_cannot_be_withdrawn(store: ModelStore) -> None:
    version = commit(store, text="weights")
    assert not store.withdraw(NAME, version.number)
    version.verify(hashes=True)
    assert not store.was_promoted(version)
    store.promote(version)
    assert store.was_promoted(version)


def test_of_a_commit_and_a_withdrawal_at_once_one_succeeds(store: ModelStore) -> None:
    for _ in range(20):
        with store.reserve(NAME) as reserved, ThreadPoolExecutor(2) as threads:
            commits = threads.submit(reserved.commit, Facts(), b"[]", b"{}")
            withdrawn = threads.submit(store.withdraw, NAME, reserved.number).result()
            assert (commits.exception() is not None) == withdrawn
        assert (reserved.number in [each.number for each in store.versions(NAME)]) != withdrawn
