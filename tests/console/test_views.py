"""Pages show what `/v1` answers: its views are in the document, and the console has no other way to the data."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from dltk_runtime.paths import Paths
from dltk_runtime.server.console import render
from tests.console.inside import World

MODEL = {"algorithm": "healthy", "model": "m", "old": "1", "new": "2", "number": "1"}
VIEWS = (
    "/v1/health",
    "/v1/traffic",
    "/v1/machine",
    "/v1/checks",
    "/v1/calls",
    "/v1/drift",
    "/v1/history",
    "/v1/jobs",
    "/v1/models/{algorithm}/{model}/drift",
    "/v1/models/{algorithm}/{model}/warnings",
    "/v1/models/{algorithm}/{model}/compare/{old}/{new}",
    "/v1/models/{algorithm}/{model}/versions/{number}/card",
    "/v1/algorithms/{algorithm}/search",
)
# What pages take from the service itself: settings, the end of streams, whether a job has printed more, and why a
# queued one waits.
OTHERS = {"settings.paths", "settings.pins_code", "stopping", "jobs.printed", "places"}


@pytest.fixture
def world(paths: Paths) -> World:
    world = World(paths)
    world.notebook()
    for r2 in (0.5, 0.25):
        world.commit(train={"r2": r2})
    world.ended()
    return world


def test_answers_that_pages_show_are_what_the_document_says(world: World) -> None:
    document = json.loads(world.get("/v1/openapi.json"))
    for template in VIEWS:
        content = document["paths"][template]["get"]["responses"]["200"]["content"]
        schema = content["application/json"]["schema"] | {"components": document["components"]}
        jsonschema.validate(json.loads(world.get(template.format(**MODEL))), schema)


@pytest.mark.parametrize("view", ["", "/card", "/pictures/plot"])
def test_a_damaged_version_is_a_conflict_and_no_fault_of_the_server(view: str, world: World) -> None:
    (world.paths.versions / "healthy" / "m" / "1" / "version.json").write_text("{")
    found = world.ask(f"/v1/models/healthy/m/versions/1{view}")
    assert found.status == 409
    assert "healthy/m/1/version.json" in json.loads(found.body)["detail"]
    assert world.ask(f"/v1/models/healthy/m/versions/7{view}").status == 404
    assert world.ask("/ui/models/healthy/m/versions/1/card").status == 409


def test_the_console_reads_the_service_by_the_views_alone() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in render.TEMPLATES.parent.glob("*.py"))
    assert set(re.findall(r"self\._service\.([\w.]+)", code)) <= OTHERS
