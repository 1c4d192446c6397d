"""Measure a version on rows that no version has seen, without a trace of it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dltk_runtime.worker.seen import SeenRows


@contextlib.contextmanager
def pictures_thrown_away() -> Iterator[None]:
    """Keep the pictures of a version that is only measured from replacing those of the current one."""
    before = os.environ.get("DLTK_PICTURES", "")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DLTK_PICTURES"] = folder
        try:
            yield
        finally:
            os.environ["DLTK_PICTURES"] = before


def unseen(frame: pd.DataFrame, seen: Sequence[str]) -> pd.DataFrame:
    """Return the rows that are in none of the files.

    Raises:
        ColumnsMissing: the frame lacks columns that a version knows its rows by.
    """
    known = np.zeros(len(frame), dtype=bool)
    for path in seen:
        known |= SeenRows.read(Path(path)).has(frame)
    return frame[~known].reset_index(drop=True)
