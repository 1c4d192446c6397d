"""Two versions of a model compared: what the view says, what the page shows, and what bounds it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dltk_runtime.apply.drift import Judgement, Level
from dltk_runtime.paths import Paths
from dltk_runtime.store import compared, drawn
from dltk_runtime.store.compared import Compared
from dltk_runtime.store.manifest import HeldOut
from dltk_runtime.store.store import ModelName, ModelStore
from dltk_runtime.tables.feature import Feature
from tests.console.inside import World
from tests.console.test_pages import HOSTILE, Parts

OLD = {"parameters": {"algo": "healthy", "depth": "3"}, "train": {"r2": 0.5}, "libraries": {"numpy": "1"}}
NEW = {
    "parameters": {"algo": "healthy", "depth": "7", "note": "<b>x</b>"},
    "train": {"r2": 0.75, "mae": 2.0},
    "holdout": HeldOut(share=0.2, rows=4, metrics={"r2": 0.25}),
    "libraries": {"numpy": "2"},
    "rows": 20,
}
PATH = "/v1/models/healthy/m/compare/1/2"
PAGE = "/ui/models/healthy/m/compare?old=1&new=2"


@pytest.fixture
def world(paths: Paths) -> World:
    return World(paths)


def two(world: World, codes: tuple[str, str] = ("a = 1\nsame = 0\n", "a = '</code><script>'\nsame = 0\n")) -> None:
    world.commit(code=codes[0], features=[Feature("x", "number"), Feature("gone", "text")], **OLD)
    world.commit(code=codes[1], features=[Feature("x", "text"), Feature("y", "number")], **NEW)


def found(world: World) -> Compared:
    return msgspec.json.decode(world.get(PATH), type=Compared)


def test_it_says_parameters_fields_figures_by_origin_rows_libraries_and_drift(world: World) -> None:
    two(world)
    levels = [Level("x", 0.5, 0.0)]
    newest = world.service.store.versions(compared_name(world))[-1]
    world.service.drift.recall([(newest.id, Judgement(2, 1000, levels))])
    view = found(world)
    assert [(each.name, each.old, each.new) for each in view.parameters] == [
        ("depth", "3", "7"),
        ("note", None, "<b>x</b>"),
    ]
    assert view.same_parameters == 1
    assert [(each.name, each.old, each.new) for each in view.fields] == [
        ("x", "number", "text"),
        ("gone", "text", None),
        ("y", None, "number"),
    ]
    assert [(each.origin, each.name, each.old, each.new) for each in view.figures] == [
        ("train", "r2", 0.5, 0.75),
        ("train", "mae", None, 2.0),
        ("holdout", "r2", None, 0.25),
    ]
    assert (view.old.rows, view.new.rows, view.new.holdout_rows) == (10, 20, 4)
    assert [(each.name, each.old, each.new) for each in view.libraries] == [("numpy", "1", "2")]
    assert (view.old.drift, view.new.drift and view.new.drift.fields[0].index) == (None, 0.5)
    assert "Neither tells which of the two is better" in view.advice
    assert "dltk models compare healthy m 1 2 --data FILE" in view.advice


def compared_name(world: World) -> ModelName:
    return world.service.store.models()[0]


def test_code_is_a_diff_of_the_stored_code(world: World) -> None:
    two(world)
    (diff,) = found(world).code
    assert diff.path == "healthy.ipynb"
    assert "-a = 1" in diff.lines
    assert "+a = '</code><script>'" in diff.lines
    assert " same = 0" in diff.lines


def test_equal_code_has_no_diff(world: World) -> None:
    two(world, ("a = 1\n", "a = 1\n"))
    view = found(world)
    assert (view.code, view.same_code) == ([], True)
    assert "It is the same in both." in world.get(PAGE)


def test_a_diff_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compared, "MAX_LINES", 60)
    monkeypatch.setattr(compared, "MAX_DIFF_LINES", 10)
    long = "".join(f"a{number} = {number}\n" for number in range(50))
    two(world, (long, long.replace("=", "==")))
    (diff,) = found(world).code
    assert (len(diff.lines), diff.note) == (10, "Only the first 10 lines are shown.")
    world.commit(code="b = 1\n" * 100)
    (diff,) = msgspec.json.decode(world.get("/v1/models/healthy/m/compare/1/3"), type=Compared).code
    assert (diff.lines, "more than 60 lines" in diff.note) == ([], True)
    monkeypatch.setattr(compared, "MAX_CODE_BYTES", 10)
    (diff,) = found(world).code
    assert (diff.lines, "up to 10 are compared" in diff.note) == ([], True)


def test_code_that_cannot_be_read_leaves_the_rest(world: World) -> None:
    two(world)
    Path(world.service.store.versions(compared_name(world))[0].location().code).write_text("{")
    view = found(world)
    assert "cannot be read" in view.code[0].note
    assert view.figures


def test_the_model_s_page_leads_to_it_by_two_choices_without_a_script(world: World) -> None:
    two(world)
    text = world.get("/ui/models/healthy/m")
    assert '<form id="compare" method="get" action="/ui/models/healthy/m/compare">' in text
    for name, number in (("old", 1), ("new", 2)):
        assert f'form="compare" type="radio" name="{name}" value="{number}"' in text
    assert text.count(" checked") == 2
    page = world.get(PAGE)
    assert "-a = 1" in page
    assert "+a = &#39;&lt;/code&gt;&lt;script&gt;&#39;" in page
    assert "+0.25" in page, "the change of r2"
    assert "other fields" not in page


def test_one_version_has_nothing_to_compare(world: World) -> None:
    world.commit()
    assert 'id="compare"' not in world.get("/ui/models/healthy/m")


@pytest.mark.parametrize("query", ["", "?old=1", "?old=1&new=", "?old=a&new=2", "?old=1&new=9"])
def test_what_cannot_be_compared_is_said(world: World, query: str) -> None:
    two(world)
    answer = world.ask(f"/ui/models/healthy/m/compare{query}")
    assert answer.status in (400, 404)
    assert 'role="alert"' in answer.text


def test_texts_from_outside_stay_text(world: World) -> None:
    for each in ("old", "new"):
        hostile = {f"p{number} {text}": f"{each} {text}" for number, text in enumerate(HOSTILE)}
        fields = [Feature(f"{each} {text}", "text") for text in HOSTILE]
        world.commit(code=f"# {each}\n" + "\n".join(map(repr, HOSTILE)), parameters=hostile, features=fields)
    parts = Parts()
    parts.feed(world.get(PAGE))
    assert parts.tags & {"script", "iframe", "img"} == set()
    assert not [each for each in parts.attributes if each.startswith("on")]
    assert "new <script>alert(1)</script>" in parts.text


def test_a_version_with_other_fields_than_splunk_sends_is_marked_before_it_is_made_current(world: World) -> None:
    two(world)
    said = msgspec.json.decode(world.get("/v1/models/healthy/m/warnings"))
    assert list(said) == ["1"]
    assert "Splunk sends the fields of the last fit, version 2" in said["1"]
    page = world.get("/ui/models/healthy/m")
    assert "other fields than Splunk sends" in page
    assert "<strong>Version 1:</strong>" in page
    assert "Splunk sends the fields" in world.get("/ui/models/healthy/m/compare?old=2&new=1")
    store: ModelStore = world.service.store
    store.promote(store.versions(compared_name(world))[0])
    page = world.get("/ui/models/healthy/m")
    assert '<p role="status" class="warning">Searches with the fields' in page, "after it was made current"


def test_pictures_of_both_stand_side_by_side_and_nothing_else_is_sent(world: World) -> None:
    two(world)
    folder = Path(world.service.store.versions(compared_name(world))[0].location().pictures)
    folder.mkdir()
    (folder / "curve.png").write_bytes(b"\x89PNG")
    (folder / "page.html").write_text("<script>")
    (folder / "link.png").symlink_to(folder / "curve.png")
    view = found(world)
    assert (view.old.pictures, view.new.pictures) == (["curve.png"], [])
    address = "/models/healthy/m/versions/1/pictures/curve.png"
    assert f'<img src="/ui{address}"' in world.get(PAGE)
    for root in ("/ui", "/v1"):
        answer = world.ask(root + address)
        assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
        assert answer.headers["content-security-policy"] == "sandbox"
        for other in ("page.html", "link.png", "none.png", "..%2Fversion.json"):
            assert world.ask(f"{root}/models/healthy/m/versions/1/pictures/{other}").status == 404
    assert drawn.names(world.service.store.versions(compared_name(world))[1]) == []
