"""What is added to a version after its commit: files beside the manifest, which never changes."""

from __future__ import annotations

import msgspec

from dltk_runtime.files.records import Count, Moment


class Score(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Figures of a version on labelled rows that it had not seen, measured after its fit.

    `time` is UTC. `source` names the rows: a file, or the fit whose rows they were.
    """

    time: Moment
    source: str
    rows: Count
    metrics: dict[str, float]


class Notice(msgspec.Struct, frozen=True):
    """A sentence about a version, such as why the stored model did not load."""

    text: str
