"""The two ways to the same tables: with compiled code, and without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dltk_runtime.tables import csv_reader, csv_writer
from dltk_runtime.tables.native import library


@pytest.fixture(scope="module", params=["compiled", pytest.param("plain", marks=pytest.mark.process)])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Take compiled code even for small tables, where it was built; or none at all.

    The second way is marked `process` only to keep it out of `make quick`.
    """
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "plain":
            patch.setattr(library, "load", lambda: None)
        else:
            patch.setattr(csv_writer, "MIN_COMPILED_CELLS", 0)
            patch.setattr(csv_reader, "MIN_WHOLE_BYTES", 0)
        yield request.param
