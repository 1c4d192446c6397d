"""Make ONNX files of stored versions, without a server."""

from __future__ import annotations

import time
from dataclasses import dataclass

from dltk_runtime.apply.apply import Applying
from dltk_runtime.apply.joining import SETTING
from dltk_runtime.apply.standalone import applying_alone
from dltk_runtime.call import Request
from dltk_runtime.onnx import SOURCE, TARGET
from dltk_runtime.payload import Payload
from dltk_runtime.pool.outcome import deaths_reported, expect
from dltk_runtime.pool.worker import discard
from dltk_runtime.settings import Settings
from dltk_runtime.store.store import ModelStore, Version
from dltk_runtime.tables.feature import Feature
from dltk_runtime.worker import messages


def inputs_of(version: Version) -> list[Feature]:
    """Return the fields that a version is applied to, in the order of its fit."""
    manifest = version.manifest()
    known = {each.name: each for each in manifest.features if each.name not in manifest.targets}
    ordered = [name for name in manifest.fields if name in known]
    return [known[name] for name in ordered or known]


@dataclass(frozen=True, slots=True)
class Converting:
    """Starts a worker of its own, and ends it."""

    settings: Settings
    store: ModelStore

    async def convert(self, version: Version, rows: bytes, opset: int) -> tuple[messages.Converted, bytes]:
        """Convert a version and compare on `rows`, a CSV; the file is empty where it differs too much.

        Raises:
            DltkError: it cannot be loaded, applied or converted.
        """
        async with applying_alone(self.settings, self.store) as applying:
            return await self._convert(applying, version, rows, opset)

    async def _convert(
        self, applying: Applying, version: Version, rows: bytes, opset: int
    ) -> tuple[messages.Converted, bytes]:
        manifest, name = version.manifest(), version.name
        features = tuple(each.name for each in inputs_of(version))
        options = {"params": {**manifest.parameters, "algo": name.algorithm}, "model_name": name.model}
        options |= {"args": [*features, *manifest.targets], "feature_variables": list(features)}
        payload = Payload(rows, escaped=False)
        request = Request.of(payload, {"options": options, "feature_variables": list(features)})
        known = {SOURCE: str(version), TARGET: next(iter(manifest.targets), "")}
        message = messages.Convert(request.meta_json, features, opset, known)
        deadline = time.monotonic() + self.settings.apply_timeout
        with deaths_reported():
            async with applying.loaded(version, discard, deadline, here=True) as (worker, _):
                reply, file = await worker.call(message, payload, deadline=deadline, setting=SETTING)
        return expect(reply, messages.Converted), bytes(file.view())
