"""The page of a model: figures of train and held-out rows as lines over its versions."""

from __future__ import annotations

import re

import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.server.console import pictures
from dltk_runtime.store.manifest import HeldOut
from tests.console.inside import World

PAGE = "/ui/models/healthy/m"


@pytest.fixture
def world(paths: Paths) -> World:
    return World(paths)


def held(r2: float) -> HeldOut:
    return HeldOut(share=0.2, rows=4, metrics={"r2": r2, "f1": 0.5})


def drawn(page: str) -> dict[str, str]:
    """The pictures of the page's figures by what stands below each."""
    found = re.findall(r"<figure>(<svg.*?</svg>)<figcaption>(.*?)(?:<br>.*?)?</figcaption></figure>", page, re.DOTALL)
    return {caption: svg for svg, caption in found}


def lines(svg: str) -> list[tuple[str, int]]:
    """The kind of each line, and how many points it has."""
    return [(kind, len(points.split())) for kind, points in re.findall(r'<polyline class="(\w+)" points="(.*?)"', svg)]


def test_figures_of_train_and_held_out_rows_are_two_lines_on_one_scale(world: World) -> None:
    for train, of_held in ((0.9, 0.1), (0.8, 0.2), (0.9, None), (0.7, 0.3), (1.0, 0.5)):
        world.commit(train={"r2": train}, **({} if of_held is None else {"holdout": held(of_held)}))
    page = world.get(PAGE)
    svg = drawn(page)["r2: train and held out"]
    assert 'aria-label="r2: train and held out"' in svg
    assert lines(svg) == [("train", 5), ("held", 2), ("held", 2)], "broken where a version has none"
    heights = {kind: re.findall(rf'class="{kind}" cx="[\d.]+" cy="([\d.]+)"', svg) for kind in ("train", "held")}
    assert (len(heights["train"]), len(heights["held"])) == (5, 4)
    assert (heights["train"][-1], heights["held"][0]) == ("3.0", "33.0"), "1.0 is the highest of both, 0.1 the lowest"
    assert "Dashed: of rows held out from them" in page
    assert re.findall(r"<small>(.*?)</small>", page)[:2] == ["0.9 → 1", "0.1 → 0.5"]
    assert list(drawn(page)) == ["r2: train and held out"], "figures of held-out rows alone stand beside none of train"


def test_without_a_hold_out_there_is_one_line_and_without_train_figures_the_held_out_ones(world: World) -> None:
    world.commit("healthy/seen", train={"r2": 0.5})
    world.commit("healthy/seen", train={"r2": 0.6})
    assert lines(drawn(world.get("/ui/models/healthy/seen"))["r2: train"]) == [("train", 2)]
    world.commit(holdout=held(0.1))
    world.commit(holdout=held(0.2))
    found = drawn(world.get(PAGE))
    assert {caption: lines(svg) for caption, svg in found.items()} == {
        "r2: held out": [("held", 2)],
        "f1: held out": [("held", 2)],
    }


def test_figures_of_held_out_rows_are_shown_where_the_notebook_gives_other_ones(world: World) -> None:
    for number in (0.1, 0.2):
        world.commit(train={"loss": 1 - number, "rows": 10}, holdout=held(number))
    page = world.get(PAGE)
    assert list(drawn(page)) == ["loss: train", "r2: held out", "f1: held out"]
    assert page.count("<strong>0.2</strong> held out") == 1


def test_a_single_figure_is_a_point_and_none_no_picture() -> None:
    svg = str(pictures.two_lines([None, 0.5, None], [], "r2"))
    assert (lines(svg), svg.count("<circle")) == ([], 1)
    assert pictures.two_lines([None], [], "r2") == ""
