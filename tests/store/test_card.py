"""The model card: what is written at the commit, what is added when it is shown, and what it never says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.names import VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.store.card import CardDrift, DriftedField, card_of, shown
from dltk_runtime.store.card_text import markdown
from dltk_runtime.store.export import export
from dltk_runtime.store.manifest import HeldOut, SourceHash
from dltk_runtime.store.store import Facts, ModelStore, Version
from dltk_runtime.tables.baseline import Baseline
from dltk_runtime.tables.feature import Feature
from tests.store.helpers import NAME, commit

CODE = b'{"format": 1, "sources": []}'
NUMBERS = Baseline(counts=[0, 6, 5, 0, 1], edges=[-41.5, 2.0, 7773.25], mean=17.125)
TEXTS = Baseline(counts=[7, 3, 0, 2], categories=["secretive-host", "other-host"], complete=True)
HASHES = Baseline(counts=[7, 5, 0], categories=["0a1b2c", "3d4e5f"], complete=True, salt="ab" * 16)
VALUES = ("-41.5", "7773.2", "17.125", "17.12", "secretive-host", "other-host", "0a1b2c", "abab", "10.9.8.7")
FACTS = Facts(
    sources=[SourceHash("umap", "umap.ipynb", "cd" * 32)],
    parameters={"algo": "umap", "epochs": "3", "structure": '"64 32"', "api_token": "hunter2", "mode": "async"},
    targets=["y"],
    features=[Feature("a b", "number", NUMBERS), Feature("host", "text", TEXTS), Feature("y", "number")],
    fields=["a b", "host"],
    rows=50,
    train={"r2": 0.944, "bad": None},
    holdout=HeldOut(share=0.2, rows=10, metrics={"r2": 0.231}),
    libraries={"python": "3.11.2", "pandas": "2.2.0"},
    job="J1",
    owner="team-a",
    notices=["the notebook warns of host 10.9.8.7"],
)


@pytest.fixture
def store(paths: Paths) -> ModelStore:
    return ModelStore.open(paths, keep=5)


def with_card(
    store: ModelStore, facts: Facts = FACTS, purpose: str = "# Umap\nFor hosts.", *, values: bool = True
) -> Version:
    with store.reserve(NAME) as reserved:
        Path(reserved.location.folder, f"{NAME.legacy}.json").write_text("{}")
        card = card_of(VersionId(NAME, reserved.number), facts, purpose, CODE, values=values)
        return reserved.commit(facts, CODE, b"{}", card.encoded())


def test_the_card_is_one_of_the_files_that_the_manifest_lists(store: ModelStore, tmp_path: Path) -> None:
    version = with_card(store)
    stored = {each.path: each for each in version.manifest().files}
    assert "card.json" in stored
    version.verify(hashes=True)
    card = shown(version, current=False, values=True)
    assert card.code_sha256 == stored["code.json"].sha256
    assert card.stored
    assert [path.name for path in export(version, tmp_path)] == ["umap_default.json"]  # none of the notebook's files


def test_it_says_purpose_fit_who_rows_fields_figures_libraries_and_limits(store: ModelStore) -> None:
    card = shown(with_card(store), current=True, values=True)
    assert (card.purpose, card.owner, card.job, card.rows) == ("# Umap\nFor hosts.", "team-a", "J1", 50)
    assert card.fit == 'fit MLTKContainer algo=umap epochs=3 structure="64 32" y from "a b" host into app:default'
    assert "api_token" not in card.parameters
    number, text, target = card.fields
    assert (number.rows, number.missing, number.minimum, number.mean) == (12, 1, -41.5, 17.125)
    assert (text.distinct, text.common) == (2, {"secretive-host": 7, "other-host": 3})
    assert (target.target, target.baseline) == (True, None)
    written = markdown(card)
    for said in (
        "| state | current |",
        "> For hosts.",
        "| train, of the 50 rows of the fit | r2=0.944 |",
        "| holdout, 10 rows that the fit has not seen | r2=0.231 |",
        "| a b | number | 12 | 1 | -41.5 to 7773, mean 17.12 |",
        "| y (target) | number |",
        "| pandas | 2.2.0 |",
        "of 12 of the 50 rows",
        "1 of 3 fields have no baseline",
        "- the notebook warns of host",
    ):
        assert said in written
    assert "hunter2" not in written + card.encoded().decode()


def test_half_a_surrogate_pair_is_replaced(store: ModelStore) -> None:
    version = with_card(store, msgspec.structs.replace(FACTS, parameters={"algo": "umap", "a\ud800": "\ud800"}))
    assert 'a?="?"' in json.loads(version.card())["fit"]


def test_what_came_later_is_added_when_it_is_shown(store: ModelStore) -> None:
    version = with_card(store)
    before = markdown(shown(version, current=False, values=True))
    store.add_score(version, "fresh.csv", 20, {"r2": 0.5})
    store.note(version, "the stored model did not load")
    drift = CardDrift(1500, 0.2, [DriftedField("host", 0.31, 0.25), DriftedField("a b", 0.4, 0)])
    card = shown(version, current=True, values=True, drift=drift)
    after = markdown(card)
    for said in ("fresh.csv", "the stored model did not load", "| a b | 0.4 | 0.0% |\n| host | 0.31 | 25.0% |"):
        assert said in after
        assert said not in before
    assert json.loads(card.encoded())["drift"]["rows"] == 1500
    version.verify(hashes=True)  # nothing of it was written


def test_a_version_of_an_older_runtime_gets_its_card_when_it_is_shown(store: ModelStore) -> None:
    version = commit(store, facts=FACTS)
    card = shown(version, current=False, values=True)
    assert not card.stored
    assert (card.purpose, card.fit.split()[-1], card.rows) == ("", "app:default", 50)
    assert card.code_sha256 == next(each.sha256 for each in version.manifest().files if each.path == "code.json")
    assert card.time == version.manifest().time
    assert "an older runtime" in markdown(card)


@pytest.mark.parametrize("stored", [True, False])
def test_without_values_of_rows_it_has_counts_alone(store: ModelStore, stored: bool) -> None:
    """`stored`: whether the card was written while values were kept, and is shown while they are not."""
    card = shown(with_card(store, values=stored), current=True, values=not stored)
    written = markdown(card) + card.encoded().decode()
    if not stored:
        version = store.versions(NAME)[-1]
        written += version.card().decode()
    assert not [value for value in VALUES if value in written]
    assert card.fields[0].rows == 12
    assert card.fields[1].distinct == 2
    assert not card.values


def test_a_version_fitted_without_values_gets_none_later(store: ModelStore) -> None:
    facts = msgspec.structs.replace(
        FACTS, features=[Feature("a b", "number", NUMBERS), Feature("host", "text", HASHES)]
    )
    card = shown(commit(store, facts=facts), current=True, values=True)
    assert not [value for value in VALUES if value in card.encoded().decode()]


def test_texts_from_outside_become_neither_markup_nor_html(store: ModelStore) -> None:
    hostile = "<script>alert(1)</script> | **x** [l](javascript:1) `c`\n# heading \x1b[31m \u202egnp"
    facts = Facts(
        features=[Feature(hostile, "number")],
        parameters={hostile: hostile},
        targets=[hostile],
        libraries={"<b>": "<i>"},
        notices=[hostile],
        owner=hostile,
        train={hostile: 1.0},
        sources=[SourceHash("x", hostile, "0")],
    )
    written = markdown(shown(with_card(store, facts, purpose=hostile), current=True, values=True))
    code = next(line for line in written.splitlines() if line.startswith("    fit "))
    rest = written.replace(code, "")
    assert "<" not in rest
    assert "\x1b" not in written
    assert "\u202e" not in written
    assert [line for line in rest.splitlines() if line.startswith("# ")] == [rest.splitlines()[0]]
    tables = [line for line in rest.splitlines() if "alert" in line and line.startswith("|")]
    assert tables
    assert all("\\*\\*x\\*\\*" in line for line in tables)


def test_a_card_that_cannot_be_read_is_named(store: ModelStore) -> None:
    version = with_card(store)
    Path(version.location().folder, "card.json").write_bytes(b"{}")
    with pytest.raises(StoreDamaged, match=r"model card of umap/default version 1 is damaged.*dltk models show"):
        shown(version, current=True, values=True)


def test_the_time_is_that_of_the_commit(store: ModelStore) -> None:
    version = with_card(store)
    assert shown(version, current=True, values=True).time == version.manifest().time <= datetime.now(UTC)
