"""Which version serves: the current one, what takes its place, and any order of events."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files import atomic
from dltk_runtime.paths import Paths
from dltk_runtime.store import lifecycle
from dltk_runtime.store.errors import VersionUnknown
from dltk_runtime.store.file_store import FileStore
from dltk_runtime.store.handles import Version
from dltk_runtime.store.interface import Store
from dltk_runtime.store.objects import keys
from dltk_runtime.store.store import Facts, ModelName, ModelStore
from tests.store.helpers import NAME, commit, in_memory, promoted


@pytest.fixture
def store(paths: Paths) -> ModelStore:
    return ModelStore.open(paths, keep=2)


def test_nothing_committed_is_version_0(store: ModelStore, paths: Paths) -> None:
    assert store.current(NAME) is None
    version = store.serving(NAME)
    assert (version.number, version.location().load_name) == (0, "umap_default")
    with pytest.raises(VersionUnknown):
        version.manifest()
    with pytest.raises(VersionUnknown, match="umap/default has no files of an old volume"):
        store.get(NAME, 0)
    with pytest.raises(VersionUnknown, match=r"has no version 7; committed versions in .*: none"):
        store.get(NAME, 7)


def test_a_first_version_does_not_serve_before_it_is_promoted(store: ModelStore) -> None:
    version = commit(store)
    assert store.current(NAME) is None
    with pytest.raises(VersionUnknown, match=r"No version of umap/default was promoted: .*: 1\. Make one current with"):
        store.check_absence(NAME)
    store.promote(version)
    assert store.current(NAME) == version


def test_a_later_version_does_not_serve_before_it_is_promoted(store: ModelStore) -> None:
    first = promoted(store)
    second = commit(store)
    assert store.current(NAME) == first
    store.promote(second)
    assert store.current(NAME) == second


@pytest.mark.parametrize("content", [b"", b"9\n", b"3", b"x", b"-1", b"\xd9\xa3", b"9" * 60])
def test_a_current_that_names_no_promoted_version_falls_back_to_the_one_promoted_last(
    content: bytes, store: ModelStore
) -> None:
    promoted(store)
    second = promoted(store)
    commit(store)  # version 3
    (second.folder.parent / "current").write_bytes(content)
    serving = store.choose(NAME)
    assert serving.version == second
    assert serving.problem


def test_a_version_with_a_torn_manifest_does_not_serve(store: ModelStore) -> None:
    first, second = promoted(store), promoted(store)
    (second.folder / "version.json").write_bytes(b'{"format": 1, "algo')
    assert store.current(NAME) == first
    with pytest.raises(StoreDamaged, match=r"version\.json is damaged"):
        second.manifest()
    with pytest.raises(StoreDamaged):
        store.promote(second)


def test_a_manifest_of_a_newer_format_is_refused(store: ModelStore) -> None:
    version = commit(store)
    text = (version.folder / "version.json").read_text().replace('"format": 1', '"format": 99')
    (version.folder / "version.json").write_text(text)
    with pytest.raises(StoreDamaged, match="has format 99, and this runtime reads up to 1"):
        version.manifest()


def test_looking_for_the_current_version_reads_no_folder(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands before every apply."""
    version = promoted(store)

    def scanned(folder: Path) -> list[str]:
        pytest.fail(f"{folder} was read")

    monkeypatch.setattr(atomic, "names_in", scanned)
    assert store.current(NAME) == version
    assert version.manifest() is version.manifest()


def test_a_rollback_goes_to_the_version_before_and_the_next_fit_moves_on(store: ModelStore) -> None:
    first, second = promoted(store), promoted(store)
    assert store.rollback(NAME) == first
    assert store.current(NAME) == first
    with pytest.raises(VersionUnknown, match="nothing before version 1 to go back to"):
        store.rollback(NAME)
    third = promoted(store)
    assert store.current(NAME) == third
    assert store.rollback(NAME) == second


def test_a_rollback_passes_over_damaged_versions(store: ModelStore) -> None:
    first, second, _ = promoted(store), promoted(store), promoted(store)
    (second.folder / "umap_default.json").unlink()
    assert store.rollback(NAME) == first


def test_a_damaged_or_missing_version_cannot_be_promoted(store: ModelStore) -> None:
    first, second = promoted(store), commit(store)
    (second.folder / "umap_default.json").unlink()
    with pytest.raises(StoreDamaged):
        store.promote(second)
    with pytest.raises(VersionUnknown):
        store.promote(store._version(NAME, 9))
    assert store.current(NAME) == first


def test_a_version_pruned_while_it_is_promoted_does_not_stay_current(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = commit(store), promoted(store)
    promoted_files = store._store._promoted
    point = promoted_files.point

    def pruned_before(name: ModelName, number: int) -> None:
        if number == first.number:
            lifecycle.hide(first.folder)
        point(name, number)

    monkeypatch.setattr(promoted_files, "point", pruned_before)
    with pytest.raises(VersionUnknown):
        store.promote(first)
    assert store._store.current(NAME) == second.number


def test_an_unhealthy_version_is_current_only_if_there_is_no_other(store: ModelStore) -> None:
    first = commit(store)
    assert store.promote_if_first(first)
    second = commit(store)
    assert not store.promote_if_first(second)
    assert store.current(NAME) == first


def test_an_empty_current_is_damaged_and_no_version_takes_its_place_by_itself(store: ModelStore) -> None:
    version = commit(store)
    (version.folder.parent / "current").touch()
    assert not store.promote_if_first(version)
    with pytest.raises(StoreDamaged, match="current is damaged: it holds no version number"):
        store.serving(NAME)
    store.promote(version)
    assert store.current(NAME) == version


@pytest.mark.parametrize("torn", [1, 12, 0])
def test_promotions_are_known_up_to_a_line_that_is_torn(torn: int, store: ModelStore) -> None:
    """As a kill leaves it before `current` names the version, and a disk that lost the end of a file afterwards."""
    first, second = promoted(store), promoted(store)
    path = first.folder.parent / "promoted"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][: len(lines[-1]) // 2 if not torn else -torn])
    serving = ModelStore.open(Paths(first.folder.parents[6], first.folder.parents[6]), keep=5).choose(NAME)
    assert (serving.version, "never promoted" in serving.problem) == (first, True)
    store.promote(second)
    assert (store.choose(NAME).version, store.choose(NAME).problem) == (second, "")


# ---------------------------------------------------------------- any order of events


class StoreMachine(RuleBasedStateMachine):
    """Fits, promotions, rollbacks, prunes and losses in any order."""

    def place(self, folder: Path) -> Store:
        return FileStore(Paths(folder, folder))

    def lose(self, version: Version) -> None:
        lifecycle.discard(Path(version.location().folder))

    def tear(self, version: Version) -> None:
        Path(version.location().folder, "umap_default.json").write_text("torn off")

    def tear_pointer(self) -> None:
        (Path(self.store._store.where(NAME)) / "current").write_text("x")

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.store = ModelStore(self.place(Path(self.folder.name)), keep=2)
        self.taken: list[int] = []
        self.promoted: list[int] = []  # by promotions and rollbacks
        self.damaged: set[int] = set()
        self.pointer = True  # whether it is whole

    @rule(keep=st.booleans(), promote=st.booleans())
    def fit(self, keep: bool, promote: bool) -> None:
        with self.store.reserve(NAME) as reserved:
            self.taken.append(reserved.number)
            if not keep:
                return
            Path(reserved.location.folder, "umap_default.json").write_text(str(reserved.number))
            version = reserved.commit(Facts(), b"", b"")
        if promote:
            self.promote_one(version)

    def promote_one(self, version: Version) -> None:
        self.store.promote(version)
        self.promoted.append(version.number)
        self.pointer = True

    @rule()
    def killed_fit(self) -> None:
        self.taken.append(self.store.reserve(NAME).number)

    @rule()
    def prune(self) -> None:
        kept = self.expected()[:2]
        self.store.prune(NAME)
        assert self.expected()[:2] == kept, "the current version and the one before it stay"

    @rule()
    def sweep(self) -> None:
        self.store.sweep(older_than=-1)

    @precondition(lambda self: self.store.versions(NAME))
    @rule(data=st.data())
    def promote(self, data: st.DataObject) -> None:
        version = data.draw(st.sampled_from(self.store.versions(NAME)))
        if version.number not in self.damaged:
            self.promote_one(version)
            return
        with pytest.raises(StoreDamaged):
            self.store.promote(version)

    @rule()
    def rollback(self) -> None:
        serving = self.expected()
        try:
            back = self.store.rollback(NAME).number
        except (VersionUnknown, StoreDamaged):
            return
        assert back < serving[0]
        assert back in serving, "only what was promoted before"
        self.promoted.append(back)
        self.pointer = True

    @precondition(lambda self: self.store.versions(NAME))
    @rule()
    def the_newest_is_deleted_by_hand(self) -> None:
        newest = self.store.versions(NAME)[-1]
        self.lose(newest)
        self.damaged.discard(newest.number)

    @precondition(lambda self: self.store.versions(NAME))
    @rule(data=st.data())
    def a_file_is_torn(self, data: st.DataObject) -> None:
        version = data.draw(st.sampled_from(self.store.versions(NAME)))
        self.tear(version)
        self.damaged.add(version.number)

    @precondition(lambda self: self.promoted)
    @rule()
    def the_pointer_is_torn(self) -> None:
        self.tear_pointer()
        self.pointer = False

    def expected(self) -> list[int]:
        """The whole versions that were promoted, the last one first."""
        whole = {version.number for version in self.store.versions(NAME)} - self.damaged
        return [number for number in dict.fromkeys(reversed(self.promoted)) if number in whole]

    @invariant()
    def no_number_is_used_twice(self) -> None:
        assert self.taken == sorted(set(self.taken))

    @invariant()
    def the_whole_version_that_was_promoted_last_serves(self) -> None:
        expected = self.expected()
        if self.promoted and not expected:
            with pytest.raises(StoreDamaged):
                self.store.choose(NAME)
            return
        serving = self.store.choose(NAME)
        assert serving.version.number == (expected[0] if expected else 0)
        if expected:
            serving.version.verify(hashes=True)
            assert Path(serving.version.location().folder, "umap_default.json").read_text() == str(expected[0])
            assert (serving.problem == "") == (self.pointer and expected[0] == self.promoted[-1])

    def teardown(self) -> None:
        self.folder.cleanup()


class ObjectsMachine(StoreMachine):
    """The same over a store of objects."""

    def place(self, folder: Path) -> Store:
        store = in_memory(Paths(folder, folder))
        self.bucket = store.bucket
        return store

    def lose(self, version: Version) -> None:
        self.bucket.delete(
            [keys.manifest(version.id), *(each.key for each in self.bucket.below(keys.version(version.id)))]
        )

    def tear(self, version: Version) -> None:
        self.bucket.put(keys.file(version.id, "umap_default.json"), b"torn off")

    def tear_pointer(self) -> None:
        self.bucket.put(keys.model(NAME, "current"), b"x")


for machine in (StoreMachine, ObjectsMachine):
    machine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestStoreInAnyOrder = StoreMachine.TestCase
TestStoreOfObjectsInAnyOrder = ObjectsMachine.TestCase
