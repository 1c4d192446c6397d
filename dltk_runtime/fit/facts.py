"""The facts of a version, from the answer of a worker or of a batch run's kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from dltk_runtime.notebook.source import unpack
from dltk_runtime.store.manifest import Facts, HeldOut, SourceHash
from dltk_runtime.worker.messages import Fitted


def facts_of(
    fitted: Fitted,
    *,
    parameters: Mapping[str, str],
    targets: Sequence[str],
    job: str,
    owner: str = "",
    share: float = 0.0,
    fields: Sequence[str] = (),
    args: Sequence[str] = (),
) -> Facts:
    """Return the facts of a fit; `parameters` are the request's texts, `share` was held out, and
    `owner` is the name of the token.

    `fields` and `args` are `feature_variables` and `options.args` of the request.
    """
    return Facts(
        sources=[SourceHash(each.name, each.path, each.sha256) for each in unpack(fitted.code)],
        parameters=dict(parameters),
        targets=list(targets),
        features=list(fitted.features),
        outputs=list(fitted.outputs),
        fields=list(fields),
        args=list(args),
        rows=fitted.rows,
        info=msgspec.json.decode(fitted.info),
        train=dict(fitted.metrics),
        holdout=HeldOut(share=share, rows=fitted.held_out, metrics=dict(fitted.holdout_metrics)) if share else None,
        libraries=fitted.libraries,
        job=job,
        owner=owner,
        kept_by_runtime=fitted.kept_by_runtime,
        row_wise=fitted.row_wise,
        notices=list(fitted.notices),
    )
