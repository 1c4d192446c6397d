"""Fit a notebook on staged data as the service would, for its author in JupyterLab.

``dltk batch NOTEBOOK --fit`` does it in a process of its own: the same checks, order of calls, job
and version as for a search. The version becomes current only where the model has no other.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltk_runtime.lab import kernelspec
from dltk_runtime.notebook.catalogue import parameters_of
from dltk_runtime.notebook.source import read_source
from dltk_runtime.paths import Paths
from dltk_runtime.texts import unquote

DEADLINE_SECONDS = 600  # the most that Splunk waits for a fit, by default
MAX_STAGED = 500  # names offered
MAX_TEXT = 20_000  # characters of the answer


@dataclass(frozen=True, slots=True)
class Trial:
    """The end of a trial: what `dltk batch` printed, and whether it succeeded."""

    done: bool
    text: str


def staged(paths: Paths, algorithm: str) -> list[str]:
    """List the names of staged data, those that a search staged for `algorithm` first."""
    metas = [meta for meta in sorted(paths.staged.rglob("*.json")) if meta.with_suffix(".csv").is_file()]
    metas.sort(key=lambda meta: _params(meta).get("algo") != algorithm)
    return [str(meta.relative_to(paths.staged).with_suffix("")) for meta in metas[:MAX_STAGED]]


async def fit(paths: Paths, notebook: Path, name: str) -> Trial:
    """Fit `notebook` on the staged data `name`, which must be one of `staged`."""
    order = ["batch", str(notebook), "--fit", "--data", f"staged:{name}", "--model", Path(name).name]
    given = [word for each in _given(notebook, paths.staged / name) for word in ("-p", each)]
    limit = ["-p", "promote=manual", "--deadline", str(DEADLINE_SECONDS), "--retries", "0"]
    inherited = kernelspec.inherited(os.environ, None)
    inherited["env"] |= {"DLTK_HOME": str(paths.home), "DLTK_NOTEBOOKS": str(paths.notebooks)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dltk_runtime.cli", *order, *given, *limit),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=paths.home,
        **inherited,
    )
    printed, _ = await process.communicate()
    return Trial(process.returncode == 0, printed.decode(errors="replace")[-MAX_TEXT:].strip())


def _given(notebook: Path, stem: Path) -> Iterator[str]:
    """List the parameters of the search that staged the data, as ``NAME=VALUE``, which the notebook declares."""
    declared = parameters_of(read_source(notebook))
    params = _params(stem.with_name(f"{stem.name}.json"))
    for parameter in declared or ():
        if isinstance(value := params.get(parameter.name), str):
            yield f"{parameter.name}={unquote(value)}"


def _params(meta: Path) -> dict[str, Any]:
    """Return the parameters of the search that wrote the file; none where it is damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return dict(json.loads(meta.read_bytes())["options"]["params"])
    return {}
