"""The run records that an installed flow is asked for, from the objects that REST would list."""

from __future__ import annotations

from pathlib import Path

import pytest

from dltk_runtime.doctor.flow.installed import MACROS, SAVED, TRANSFORMS, Installed
from dltk_runtime.doctor.flow.records import records
from dltk_runtime.flows.app import App, find_apps
from dltk_runtime.flows.generate import create
from tests.flows.helpers import flow_of


def installed(app: App) -> Installed:
    """The app as Splunk lists its objects."""
    files = {SAVED: "savedsearches.conf", MACROS: "macros.conf", TRANSFORMS: "transforms.conf"}
    acl = {"app": app.name, "owner": "svc"}
    seen = {at: {each.name: {**each.settings, "acl": acl} for each in app.conf(name)} for at, name in files.items()}
    return Installed(app.name, {"acl": acl}, seen)


@pytest.mark.parametrize("interval", [1, 60, 1440])
def test_each_record_is_asked_for_once_however_many_windows_a_search_writes(tmp_path: Path, interval: int) -> None:
    create(flow_of("summary", interval=interval), tmp_path)
    found = [
        (each.search.name, each.index, each.kind, each.flow) for each in records(installed(find_apps(tmp_path)[0]))
    ]
    assert sorted(found) == [("dltk_x_features", "dltk_x", "run", "x"), ("dltk_x_score", "dltk_x", "scored", "x")]
