"""What a server leaves in its home is its owner's alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.conftest import write_notebook
from tests.support.service import Service, until

pytestmark = pytest.mark.process

ROWS = "x\n" + "1\n2\n3\n" * 100
KEEPS = {
    "init": "def init(df, param): return {}",
    "fit": "def fit(model, df, param): return {'metrics': {'x': 1}}",
    "apply": "def apply(model, df, param): return df",
}
COLLECTOR = {"splunk_hec_enabled": "1", "splunk_hec_url": "http://127.0.0.1:9", "splunk_hec_token": "t"}


def test_nothing_in_a_home_is_for_others_after_fits_jobs_stages_drift_and_events(tmp_path: Path) -> None:
    write_notebook(tmp_path / "notebooks", "keeps", **KEEPS)
    with Service(tmp_path / "home", tmp_path / "notebooks", ENABLE_HTTPS="", **COLLECTOR) as service:
        fitted = service.fit("keeps", ROWS)
        assert fitted["status"] == "success", fitted
        assert service.fit("keeps", ROWS, mode="stage")["status"] == "staged"
        service.fit("keeps", ROWS, mode="async")
        until(lambda: service.jobs()[-1]["state"] == "succeeded")
        assert service.apply("keeps", ROWS)["status"] == "success"
    modes = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
        for folder in (tmp_path / "home", tmp_path / "notebooks" / "data")
        for path in folder.rglob("*")
    }
    for part in ("job.json", "version.json", "promoted", "current", "m.csv", "/log", "events/"):
        assert any(part in path for path in modes), part
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
    assert [path for path in modes if (tmp_path / path).is_file() and modes[path] & 0o111] == []
