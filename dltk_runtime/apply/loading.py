"""What a worker is told to load: a version's files, its code, and the imports that this needs."""

from __future__ import annotations

import contextlib

from dltk_runtime.errors import DltkError
from dltk_runtime.notebook import algorithm
from dltk_runtime.notebook.source import imports_of, unpack
from dltk_runtime.paths import Paths
from dltk_runtime.store.store import Version
from dltk_runtime.worker import messages


def imports(version: Version, paths: Paths) -> tuple[str, ...]:
    """Return the heavy imports of the code that a worker will run."""
    try:
        return imports_of(algorithm.source_of(version.name.algorithm, paths))
    except DltkError:
        with contextlib.suppress(DltkError, OSError):
            return imports_of(*unpack(version.code()))
        return ()


def load_message(version: Version, device: str) -> messages.Load:
    """Return the message that loads a version on a GPU, as `messages.Load.device` names it."""
    if version.number == 0:
        return messages.Load(algorithm=version.name.algorithm, load_name=version.location().load_name, device=device)
    manifest, location = version.manifest(), version.location()
    return messages.Load(
        algorithm=version.name.algorithm,
        load_name=location.load_name,
        device=device,
        code=location.code,
        kept_model=location.kept_model,
        targets=tuple(manifest.targets),
        features=tuple(each for each in manifest.features if each.name not in manifest.targets),
        outputs=tuple(manifest.outputs),
        row_wise=manifest.row_wise,
    )


def kept_code(version: Version, loaded: messages.Loaded) -> str:
    """Return the warning of a version that runs its kept code, because the notebook's fails."""
    if not loaded.notice:
        return ""
    return f"the code kept in version {version.number} was used; the notebook's fails: {loaded.notice}"
