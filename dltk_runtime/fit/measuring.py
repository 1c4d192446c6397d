"""Measure two stored versions on a file of labelled rows, without a server."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.apply.standalone import applying_alone
from dltk_runtime.call import Request
from dltk_runtime.fit.comparing import Comparing, Measured
from dltk_runtime.payload import Payload
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore, Version


@dataclass(frozen=True, slots=True)
class Measuring:
    """Starts workers of its own, and ends them."""

    settings: Settings
    store: ModelStore

    async def measure(self, new: Version, old: Version, data: Path) -> Measured:
        """Measure both on those rows of `data`, a CSV with the target, that neither has seen."""
        if problem := _unfit(data, (new, old)):
            return Measured(problem=problem)
        async with applying_alone(self.settings, self.store) as applying:
            return await Comparing(self.store, applying).measure(new, old, _request(new, data), data.name)


def _unfit(data: Path, versions: Sequence[Version]) -> str:
    """Return why versions cannot be measured on the rows of a CSV; empty if they can."""
    with data.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        rows = csv.reader(lines)
        header, first = next(rows, []), next(rows, None)
    for each in versions:
        manifest = each.manifest()
        if not manifest.targets:
            return f"version {each.number} was fitted without a target, and predictions have nothing to be measured by"
        columns = dict.fromkeys([*manifest.targets, *(feature.name for feature in manifest.features)])
        if lacking := [name for name in columns if name not in header]:
            return f"version {each.number} needs columns that the file lacks: {', '.join(map(repr, lacking))}"
    return "" if first else "the file has no rows"


def _request(version: Version, data: Path) -> Request:
    """Return the rows as the fit of `version` would have sent them."""
    manifest, name = version.manifest(), version.name
    features = [each.name for each in manifest.features if each.name not in manifest.targets]
    params = {**manifest.parameters, "algo": name.algorithm}
    options = {"params": params, "args": [*features, *manifest.targets], "model_name": name.model}
    meta = {"options": options, "feature_variables": features, "target_variables": list(manifest.targets)}
    return Request.of(Payload(data.read_bytes(), escaped=False), meta)
