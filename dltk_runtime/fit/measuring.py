"""Measure two stored versions on a file of labelled rows, without a server."""

from __future__ import annotations

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
        async with applying_alone(self.settings, self.store) as applying:
            return await Comparing(self.store, applying).measure(new, old, _request(new, data), data.name)


def _request(version: Version, data: Path) -> Request:
    """Return the rows as the fit of `version` would have sent them."""
    manifest, name = version.manifest(), version.name
    features = [each.name for each in manifest.features if each.name not in manifest.targets]
    params = {**manifest.parameters, "algo": name.algorithm}
    options = {"params": params, "args": [*features, *manifest.targets], "model_name": name.model}
    meta = {"options": options, "feature_variables": features, "target_variables": list(manifest.targets)}
    return Request.of(Payload(data.read_bytes(), escaped=False), meta)
