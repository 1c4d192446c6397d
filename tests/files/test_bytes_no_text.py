"""Files whose bytes are no text are damaged ones: msgspec raises another error for them than for bad JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from dltk_runtime.apply.drift_files import DriftFiles
from dltk_runtime.errors import StoreDamaged
from dltk_runtime.jobs import folder, output
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.paths import Paths
from dltk_runtime.store import manifest
from dltk_runtime.store.store import ModelStore

NO_TEXT = b'{"format":1,"algorithm":"\xff\xfe"}'


def test_a_manifest_is_damaged() -> None:
    with pytest.raises(StoreDamaged):
        manifest.parse(NO_TEXT, "version.json")


def test_a_record_and_a_submission_count_as_none(tmp_path: Path) -> None:
    for name in ("job.json", "meta.json", "data.json", "metrics.jsonl"):
        (tmp_path / name).write_bytes(NO_TEXT)
    assert folder.read(tmp_path) is None
    assert Submission.read(tmp_path) is None
    assert output.read_metrics(tmp_path) == []


def test_a_drift_judgement_counts_as_none(paths: Paths) -> None:
    (paths.drift / "algo").mkdir(parents=True)
    (paths.drift / "algo" / "m.json").write_bytes(NO_TEXT)
    assert DriftFiles(paths.drift, ModelStore.open(paths, 5)).read() == []
