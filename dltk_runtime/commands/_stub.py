"""What ``dltk models stub`` prints or writes: Splunk's entry for a model."""

from __future__ import annotations

from pathlib import Path

from dltk_runtime.commands._terminal import echo, echo_data
from dltk_runtime.names import ModelName
from dltk_runtime.store.manifest import Manifest
from dltk_runtime.volume.since import register_search

FLAVOURS = {"dsdl": "MLTKContainer", "aitk": "AITKContainer"}


def show(name: ModelName, manifest: Manifest, flavour: str, folder: Path | None, *, spl: bool) -> None:
    """Print a version's entry, or with `spl` the search that makes it; with a folder of lookups write it there."""
    from dltk_runtime.emulator.mltk.request import LIMITS
    from dltk_runtime.emulator.mltk.stub import stub_of_model
    from dltk_runtime.emulator.mltk.stubs import Stubs

    if spl:
        echo_data(register_search(name, manifest, FLAVOURS[flavour]) + "\n")
        return
    params = {"algo": name.algorithm} | {key: value for key, value in manifest.parameters.items() if key != "algo"}
    features, target = [feature.name for feature in manifest.features], next(iter(manifest.targets), None)
    made = stub_of_model(FLAVOURS[flavour], name.model, params, features, target, LIMITS)
    if folder is None:
        echo_data(made.to_csv())
    else:
        Stubs(folder).write(made)
        echo(Stubs(folder).path(name.model))
