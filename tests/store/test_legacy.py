"""An old volume: its flat files are version 0, and nothing of them is overwritten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.store.store import ModelName, ModelStore
from tests.store.helpers import NAME, commit, promoted


@pytest.fixture
def store(paths: Paths) -> ModelStore:
    return ModelStore.open(paths, keep=2)


def old_file(paths: Paths, name: str, text: str = "old") -> Path:
    paths.models.mkdir(parents=True, exist_ok=True)
    path = paths.models / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["umap_a", "umap_a.json", "umap_a.tar.gz", "umap_a-1"])
def test_files_of_an_old_volume_are_version_0(name: str, store: ModelStore, paths: Paths) -> None:
    old_file(paths, name)
    assert store.has_legacy(ModelName("umap", "a"))
    assert store.serving(ModelName("umap", "a")).location().load_name == "umap_a"
    assert store.get(ModelName("umap", "a"), 0).number == 0


def test_a_folder_of_an_old_volume_counts_too(store: ModelStore, paths: Paths) -> None:
    (paths.models / "umap_a").mkdir(parents=True)
    assert store.has_legacy(ModelName("umap", "a"))


@pytest.mark.parametrize("name", ["umap_a_b", "umap_a_b.json", "umap_ab.json", "umap_a1", "xumap_a", "umap", "umap_"])
def test_another_models_files_are_not_taken_for_this_ones(name: str, store: ModelStore, paths: Paths) -> None:
    old_file(paths, name)
    assert not store.has_legacy(ModelName("umap", "a"))


def test_the_next_fit_over_an_old_volume_is_version_1_and_can_be_rolled_back(store: ModelStore, paths: Paths) -> None:
    path = old_file(paths, "umap_default.json")
    assert promoted(store).number == 1
    assert store.rollback(NAME).number == 0
    assert store.current(NAME) is None
    assert path.read_text() == "old"
    path.unlink()
    assert store.serving(NAME).number == 1


def test_an_unhealthy_first_fit_leaves_an_old_volume_in_force(store: ModelStore, paths: Paths) -> None:
    old_file(paths, "umap_default.json")
    version = commit(store)
    assert not store.promote_if_first(version)
    assert store.serving(NAME).number == 0
    store.promote(version)
    assert store.current(NAME) == version


def test_the_algorithm_of_a_model_is_the_one_fitted_last(store: ModelStore) -> None:
    assert store.algorithm_of("m", ["umap", "pca"]) is None
    promoted(store, ModelName("umap", "m"))
    assert store.algorithm_of("m", []) == "umap"
    promoted(store, ModelName("pca", "m"))
    assert store.algorithm_of("m", ["umap"]) == "pca"
    promoted(store, ModelName("umap", "m"))
    assert store.algorithm_of("m", []) == "umap"
    assert store.algorithm_of("other", ["umap"]) is None


def test_the_algorithm_of_a_model_of_an_old_volume_is_that_of_its_newest_file(store: ModelStore, paths: Paths) -> None:
    os.utime(old_file(paths, "umap_m.json"), (100, 100))
    os.utime(old_file(paths, "pca_m.pkl"), (200, 200))
    os.utime(old_file(paths, "nmf_m.pkl"), (300, 300))
    assert store.algorithm_of("m", ["umap", "pca", "größe", "x" * 500]) == "pca"
    assert store.algorithm_of("m", ["gone"]) is None
    promoted(store, ModelName("umap", "m"))
    assert store.algorithm_of("m", ["umap", "pca"]) == "umap"
