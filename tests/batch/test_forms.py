"""The files that a batch run reads its rows from and writes its results to."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dltk_runtime.batch import kernel
from dltk_runtime.batch.order import SUFFIXES
from dltk_runtime.scrub import NOTHING_SECRET
from dltk_runtime.tables import plain


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_one_run_writes_another_one_reads(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "text_is_object", lambda: True)  # as kernels have it
    results = pd.DataFrame({"x": [1, 2], "mean": [0.1, None], "t": pd.Series(["größer", "a,b"], dtype=object)})
    kernel._write(results, tmp_path / f"out{suffix}", suffix, NOTHING_SECRET)
    found = kernel._read(tmp_path / f"out{suffix}").astype({"t": object})
    pd.testing.assert_frame_equal(found, results, check_exact=True)
