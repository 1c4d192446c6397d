"""The facts of a version, from the answer of a worker or of a batch run's kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from dltk_runtime.notebook.source import unpack
from dltk_runtime.store.manifest import Facts, SourceHash
from dltk_runtime.worker.messages import Fitted


def facts_of(fitted: Fitted, *, parameters: Mapping[str, str], targets: Sequence[str], job: str) -> Facts:
    """Return the facts of a fit; `parameters` are the request's texts, `job` is the job's id."""
    return Facts(
        sources=[SourceHash(each.name, each.path, each.sha256) for each in unpack(fitted.code)],
        parameters=dict(parameters),
        targets=list(targets),
        features=list(fitted.features),
        rows=fitted.rows,
        info=msgspec.json.decode(fitted.info),
        metrics=dict(fitted.metrics),
        libraries=fitted.libraries,
        job=job,
        kept_by_runtime=fitted.kept_by_runtime,
        notices=list(fitted.notices),
    )
