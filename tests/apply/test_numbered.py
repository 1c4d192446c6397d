"""A version that is asked for by its number: any committed one answers, and damage or absence is said."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from dltk_runtime.apply.choice import Choosing
from dltk_runtime.call import Request
from dltk_runtime.errors import StoreDamaged
from dltk_runtime.paths import Paths
from dltk_runtime.payload import NO_ROWS
from dltk_runtime.store.errors import VersionMissing
from dltk_runtime.store.store import ModelStore
from tests.store.helpers import NAME, commit, promoted


@pytest.fixture
def store(paths: Paths) -> ModelStore:
    return ModelStore.open(paths, keep=5)


def choose(store: ModelStore, number: int, loaded: Collection[int] = ()) -> tuple[int, str]:
    request = replace(Request.of(NO_ROWS, {}), version=number)
    serving, warning = Choosing(store).choose(NAME, request, loaded)
    return serving.version.number, warning


def test_any_committed_version_answers_and_an_unpromoted_one_says_so(store: ModelStore) -> None:
    promoted(store)
    promoted(store)
    commit(store)
    assert choose(store, 1) == (1, "")
    assert choose(store, 2) == (2, "")
    assert choose(store, 3) == (3, "version 3, which was asked for, was never promoted")


def test_a_number_that_there_is_not_is_refused_with_those_that_there_are(store: ModelStore) -> None:
    promoted(store)
    with pytest.raises(VersionMissing, match=r"has no version 2; committed versions in .*: 1"):
        choose(store, 2)


def test_damage_is_said_and_no_other_version_answers_instead(store: ModelStore) -> None:
    promoted(store)
    version = promoted(store)
    stored = Path(version.location().code).parent
    next(each for each in stored.iterdir() if each.suffix == ".json" and each.name.startswith("umap")).write_text("")
    with pytest.raises(StoreDamaged, match="is damaged"):
        choose(store, 2)
    assert choose(store, 2, loaded=[2]) == (2, "")
    assert choose(store, 1) == (1, "")


def test_a_version_that_answers_stays_when_others_are_removed(store: ModelStore) -> None:
    promoted(store)
    for _ in range(7):
        promoted(store)
    choose(store, 3)
    store.prune(NAME, in_use=())
    assert 3 in [version.number for version in store.versions(NAME)]
