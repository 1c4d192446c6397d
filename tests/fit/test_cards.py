"""What the model card takes from the notebook."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dltk_runtime.fit import cards
from dltk_runtime.fit.cards import cards_of, purpose_of
from dltk_runtime.names import ModelName, VersionId
from dltk_runtime.paths import Paths
from dltk_runtime.settings import Settings
from dltk_runtime.store.manifest import Facts
from dltk_runtime.tables.baseline import Baseline
from dltk_runtime.tables.feature import Feature

TEXT = "# Sizes\n\nIt tells how large things are, \ud800."


def notebook(path: Path, *cells: tuple[str, str]) -> None:
    found = [
        {"cell_type": kind, "metadata": {}, "source": text, "id": str(number)}
        for number, (kind, text) in enumerate(cells)
    ]
    code = {"execution_count": None, "outputs": []}
    found = [each | code if each["cell_type"] == "code" else each for each in found]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": found}))


@pytest.mark.parametrize(
    ("cells", "purpose"),
    [
        ([("markdown", TEXT), ("code", "def init(df, param): pass")], TEXT.replace("\ud800", "?")),
        ([("code", "def init(df, param): pass"), ("markdown", TEXT)], ""),
        ([], ""),
    ],
)
def test_the_purpose_is_the_text_in_the_first_cell(cells: list[tuple[str, str]], purpose: str, paths: Paths) -> None:
    notebook(paths.notebooks / "sizes.ipynb", *cells)
    assert purpose_of("sizes", paths) == purpose


def test_a_notebook_that_cannot_be_read_costs_no_version(paths: Paths) -> None:
    assert purpose_of("gone", paths) == ""
    paths.notebooks.mkdir(exist_ok=True)
    (paths.notebooks / "torn.ipynb").write_text('{"cells": ')
    assert purpose_of("torn", paths) == ""


@pytest.mark.parametrize("keeps", [True, False])
def test_the_setting_says_whether_a_card_has_values(keeps: bool, paths: Paths) -> None:
    notebook(paths.notebooks / "sizes.ipynb", ("markdown", TEXT))
    settings = replace(Settings(home=paths.home, notebooks=paths.notebooks), keep_values=keeps)
    facts = Facts(features=[Feature("x", "number", Baseline(counts=[0, 4, 0, 0], edges=[41.5, 7773.25], mean=50.0))])
    card = cards_of(settings)(VersionId(ModelName("sizes", "m"), 1), facts, b"{}").decode()
    assert "It tells how large" in card
    assert ("41.5" in card) is keeps


def test_no_fit_is_lost_for_its_card(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object, **named: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(cards, "card_of", broken)
    made = cards_of(Settings(home=paths.home, notebooks=paths.notebooks))
    assert made(VersionId(ModelName("sizes", "m"), 1), Facts(), b"") == b""
