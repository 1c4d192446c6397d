"""A file of ours that is nested too deeply is damaged like any other: it ends no list, no start and no answer.

A field that no record has is skipped by the parser, which goes down into it all the same.
"""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from dltk_runtime.access import file as tokens
from dltk_runtime.apply.drift_files import DriftFiles
from dltk_runtime.batch import watermark
from dltk_runtime.errors import DltkError, StoreDamaged
from dltk_runtime.files import lines, records
from dltk_runtime.jobs import folder, output
from dltk_runtime.jobs.store import JobStore
from dltk_runtime.jobs.submission import Submission
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.store import manifest
from dltk_runtime.store.history import Promotion
from dltk_runtime.store.store import ModelStore
from tests.project.patterns import ROOT
from tests.store.helpers import NAME, promoted

DEEP = b'{"a":' * 5000
# Whose decoders read what a client, or a process of ours, has sent; or files whose own errors say more.
NOT_OURS = re.compile(
    r"dltk_runtime/(server|tables|cluster|splunk|emulator)/|worker/(child|board)|fit/facts|tracking/helper"
    r"|notebook/cells|batch/task|files/records"
)


def test_it_is_one_error() -> None:
    for data in (DEEP, b"\xff", b"{"):
        with pytest.raises(msgspec.DecodeError):
            records.decoded(data, Promotion)


def test_every_file_of_ours_is_decoded_in_one_place() -> None:
    files = [path for path in (ROOT / "dltk_runtime").rglob("*.py") if not NOT_OURS.search(path.as_posix())]
    found = [path.name for path in files if re.search(r"(json|msgpack)\.decode\(|msgspec\.convert\(", path.read_text())]
    assert found == []


def test_one_job_costs_no_other(paths: Paths) -> None:
    jobs = JobStore(paths, keep=5, log_bytes=1000)
    job = jobs.create(ModelName("algo", "m"), {})
    other = paths.jobs / "20260131T120000.000000Z-0a1b2c3d"
    other.mkdir()
    for name in ("job.json", "meta.json", "data.json", "metrics.jsonl"):
        (other / name).write_bytes(DEEP)
    assert [each.id for each in jobs.list()] == [job.id]
    assert (folder.read(other), Submission.read(other), output.read_metrics(other)) == (None, None, [])


def test_one_version_costs_no_other(paths: Paths) -> None:
    store = ModelStore.open(paths, keep=5)
    first, second = promoted(store), promoted(store)
    (second.folder / "version.json").write_bytes(DEEP)
    assert (store.choose(NAME).version, "recursion" in store.choose(NAME).problem) == (first, True)
    with pytest.raises(StoreDamaged, match="is damaged"):
        manifest.parse(DEEP, "version.json")


def test_a_line_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "promoted"
    lines.append(path, [Promotion(3, datetime.now(UTC))], durable=False)
    with path.open("ab") as file:
        file.write(b"%08x %s\n" % (zlib.crc32(DEEP), DEEP))
    assert ([each.version for each in lines.read(path, Promotion)], lines.bad_lines(path, Promotion)) == ([3], 1)


def test_others_count_as_none_or_are_named(paths: Paths, tmp_path: Path) -> None:
    store = ModelStore.open(paths, keep=5)
    for path in (paths.drift / "umap" / "default.json", paths.last_used, tmp_path / "mark", tmp_path / "tokens"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DEEP)
    (tmp_path / "tokens").chmod(0o600)
    assert DriftFiles(paths.drift, store).read() == []
    with pytest.raises(DltkError, match="not a valid watermark"):
        watermark._read(tmp_path / "mark", watermark.Mark("s", "t", 0))
    with pytest.raises(DltkError):
        tokens.load(tmp_path / "tokens")
