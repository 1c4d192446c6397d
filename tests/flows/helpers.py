"""Flows for tests: apps as ``dltk flow new`` writes them, over the rehearsal's storage, with any container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from dltk_runtime.cli import dltk
from dltk_runtime.emulator.mltk.stub import Stub
from dltk_runtime.flows import flow as flows
from dltk_runtime.flows.app import AppSearch, find_apps
from dltk_runtime.flows.defaults import defaults
from dltk_runtime.flows.flow import SENSITIVITY, Flow
from dltk_runtime.flows.generate import create
from dltk_runtime.flows.kinds import Kind, Predicts, Source
from dltk_runtime.flows.rehearsal.world import World, make_world
from dltk_runtime.settings import ClientSettings

NOBODY = ClientSettings(url="http://127.0.0.1:9", token="nobody")  # a port on which nothing listens


def flow_of(kind: str, name: str = "x", *, anomalies: bool = False, **values: Any) -> Flow:
    source = Source(values.get("source", Source.EVENTS))
    interval, predicts = values.get("interval", 5), Predicts(values.get("predicts", Predicts.YES_NO))
    labels = values.get("labels", False)
    given = defaults(Kind(kind), source, name, interval, anomalies=anomalies, predicts=predicts, labels=labels)
    given = given | {"offset": 2} | values
    return flows.make({"kind": kind, "name": name} | given)


def world_of(
    flow: Flow, folder: Path, client: ClientSettings, sample: str | None = None, command: str = "MLTKContainer"
) -> World:
    """The world of a flow whose model's stub is there, as a first training by `command` leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    if sample is not None:
        (folder / "sample.csv").write_text(sample)
    create(flow, folder)
    world = make_world(find_apps(folder), folder / "sample.csv", client, folder / "lookups")
    options = {"params": {"algo": flow.algorithm}, "model_name": flow.model}
    options |= {"target_variable": [flow.target]} if flow.target else {}
    features = flow.inputs if flow.target else (*flow.features, SENSITIVITY)
    world.context.mltk.stubs.write(Stub(flow.model, command, options, features, flow.target or None))
    return world


def search_of(world: World, name: str, view: str = "") -> AppSearch:
    """The saved search ``dltk_<flow>_<name>``, or one of a view by its id."""
    found = [
        each
        for each in world.app.searches
        if each.view == view and (each.name == name or each.name.endswith(f"_{name}"))
    ]
    return found[0]


def count(world: World, index: str, **fields: str) -> int:
    """Events in an index with these values."""
    rows = world.storage.indexes[index].rows()
    return sum(all(row.get(name) == value for name, value in fields.items()) for row in rows)


def predicting(path: str, payload: Mapping[str, Any]) -> tuple[int, bytes]:
    """A container that answers every apply with a prediction and version 1 for each row."""
    features = payload["meta"]["feature_variables"]
    columns = payload["data"].split("\n", 1)[0].split(",")
    if missing := [name for name in features if name not in columns]:
        reply = {"status": "error", "message": f"/apply: ERROR: unable to apply model. Missing: {missing}"}
        return 200, json.dumps(reply).encode()
    rows = len(payload["data"].splitlines()) - 1
    results = "y,dga_score,model_version\n" + "".join(f"{number % 2},0.{number % 10},1\n" for number in range(rows))
    reply = {"status": "success", "message": f"{path} done successfully", "results": results}
    return 200, json.dumps(reply).encode()


def invoke(*arguments: str) -> str:
    """What a command prints; its exit code is 0, or its error is raised."""
    result = CliRunner().invoke(dltk, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output
