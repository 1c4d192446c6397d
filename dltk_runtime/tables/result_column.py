"""One column of what a model answers, in the store's manifest and in messages from a worker."""

from __future__ import annotations

import msgspec

TEXT = "text"  # in place of a dtype


class ResultColumn(msgspec.Struct, frozen=True, gc=False):
    """A column of the results of a fit's own apply; `dtype` is numpy's name (``float64``), or `TEXT`."""

    name: str
    dtype: str
