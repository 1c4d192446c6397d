"""The history of a model: who did what, kept over pruning, deletion and a torn line."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from dltk_runtime.access.actor import NOBODY, Actor
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.store.errors import VersionUnknown
from dltk_runtime.store.local_models import LocalModels
from dltk_runtime.store.store import ModelStore, What
from tests.store.helpers import NAME, commit, promoted

ANNA = Actor(owner="trainers", person="anna")
WITHOUT_ZONE = b'{"version":1,"time":"2026-01-01T00:00:00"}'


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore.open(Paths(tmp_path / "home", tmp_path / "notebooks"), keep=1)


def deeds(store: ModelStore) -> list[tuple[str, int | None, str, str, str]]:
    entries = store.history(NAME).entries
    return [(each.what, each.version, each.owner, each.person, each.reason) for each in entries]


def file_of(store: ModelStore) -> Path:
    return Path(store.get(NAME, 1).where).parent / "history"


def test_who_did_what_stays_over_pruning_and_deletion(store: ModelStore) -> None:
    for _ in range(4):
        version = promoted(store)
        store.record(NAME, What.FITTED, ANNA, version.number, "a-job")
    models = LocalModels(store, ANNA)
    models.rollback(NAME, "too many\nfalse alarms \x1b[31m")
    models.promote(NAME, 4)
    assert store.prune(NAME) == [1, 2]
    store.delete(NAME)
    store.record(NAME, What.DELETED, Actor(owner="admin").because("nobody needs it"))
    assert deeds(store)[:4] == [
        ("deleted", None, "admin", "", "nobody needs it"),
        ("promoted", 4, "trainers", "anna", ""),
        ("rolled back", 3, "trainers", "anna", "too many false alarms"),
        ("fitted", 4, "trainers", "anna", ""),
    ]
    assert [each.version for each in store.history(NAME).entries if each.what == "fitted"] == [4, 3, 2, 1]
    assert store.models() == []
    assert len(store.histories(3, lambda _: True).entries) == 3
    assert store.histories(3, lambda name: name.model == "x").entries == []


def test_promotions_of_before_there_was_a_history_are_in_it(store: ModelStore) -> None:
    promoted(store)
    promoted(store)
    assert deeds(store) == [("promoted", 2, "", "", ""), ("promoted", 1, "", "", "")]
    version = promoted(store)
    store.record(NAME, What.FITTED, NOBODY, version.number)
    assert deeds(store)[:2] == [("fitted", 3, "", "", ""), ("promoted", 2, "", "", "")]


@pytest.mark.parametrize("damage", [b'5d3a0e11 {"what":"pro', b"\x00\xff", b"{}"])
def test_a_torn_line_costs_that_line_alone(damage: bytes, store: ModelStore) -> None:
    commit(store)
    store.record(NAME, What.KEPT_BACK, ANNA, 1)
    with file_of(store).open("ab") as end:
        end.write(damage)
    assert (len(deeds(store)), store.history(NAME).damaged_lines) == (1, 1)
    store.record(NAME, What.PROMOTED, ANNA, 1)
    assert [each[0] for each in deeds(store)] == ["promoted", "fitted, not promoted"]
    assert store.history(NAME).damaged_lines == 1


def test_an_unknown_model_has_no_history(store: ModelStore) -> None:
    with pytest.raises(VersionUnknown):
        LocalModels(store).history(ModelName("umap", "none"))


def test_a_history_that_cannot_be_written_does_not_stop_the_change(store: ModelStore) -> None:
    version = promoted(store)
    file_of(store).mkdir()
    LocalModels(store, ANNA).promote(NAME, version.number, "why")
    assert store.current(NAME) is not None


def test_a_line_without_a_zone_which_a_notebook_can_write_is_damaged(store: ModelStore) -> None:
    promoted(store)
    store.record(NAME, What.FITTED, ANNA, 1)
    before = deeds(store)
    for name, text in (("history", b'{"what":"deleted","time":"2026-01-01T00:00:00"}'), ("promoted", WITHOUT_ZONE)):
        with file_of(store).with_name(name).open("ab") as file:
            file.write(b"%08x %s\n" % (zlib.crc32(text), text))
    assert deeds(store) == before
    assert store.history(NAME).damaged_lines == 1, "of the deeds"
    assert [each.what for each in store.histories(10, lambda _: True).entries] == [each[0] for each in before]
