"""One column of a fit's rows, in the store's manifest and in messages to and from a worker."""

from __future__ import annotations

import msgspec

from dltk_runtime.tables.baseline import Baseline


class Feature(msgspec.Struct, frozen=True, gc=False):
    """One column of the rows of a fit.

    `kind` is ``number``, ``boolean`` or ``text`` (`table.kind`). `baseline` is None in versions of
    older runtimes, and for columns beyond the number that is monitored for drift.
    """

    name: str
    kind: str
    baseline: Baseline | None = None
