"""What ``dltk models compare --data`` says of a file on which nothing can be measured."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dltk_runtime.fit.measuring import Measuring
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import Facts, ModelStore
from dltk_runtime.tables.feature import Feature
from tests.store.helpers import commit

A, B, Y = (Feature(name, "float64") for name in "aby")


@pytest.fixture
def store(paths: Paths) -> ModelStore:
    return ModelStore.open(paths, keep=5)


def problem(store: ModelStore, facts: tuple[Facts, Facts], data: Path) -> str:
    old, new = (commit(store, facts=each) for each in facts)
    return asyncio.run(Measuring(Settings(), store).measure(new, old, data)).problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "version 2 needs columns that the file lacks: 'y'"),
        ("y,a\n1,2\n", "version 2 needs columns that the file lacks: 'b'"),
        ("", "version 2 needs columns that the file lacks: 'y', 'a', 'b'"),
        ("\ufeffy,a,b\n", "the file has no rows"),
    ],
)
def test_a_file_without_what_is_needed_is_said_to_lack_it(
    text: str, said: str, store: ModelStore, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    facts = Facts(features=[Y, A], targets=["y"]), Facts(features=[Y, A, B], targets=["y"])
    assert problem(store, facts, tmp_path / "rows.csv") == said


def test_a_model_without_a_target_has_nothing_to_be_measured_by(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n", encoding="utf-8")
    said = "version 2 was fitted without a target, and predictions have nothing to be measured by"
    assert problem(store, (Facts(features=[A]), Facts(features=[A])), tmp_path / "rows.csv") == said
