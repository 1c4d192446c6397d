"""The console in a real browser: Chromium, driven by playwright from an environment of its own.

`make browser` runs it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from dltk_runtime.jobs.job import PROGRESS_SECONDS
from tests.conftest import write_notebook
from tests.support.service import ROOT, Service, until
from tests.support.wire import Gate

pytestmark = pytest.mark.process

PYTHON = ROOT / ".venv-browser" / "bin" / "python"
ADMIN = "token-of-the-admin-1234"
DATA = "a,b\n1,2\n3,4\n"
CURVES = {
    "fit": f"""
        def fit(model, df, param):
            import time

            from dltk_runtime import progress

            for epoch in (1, 2, 6):
                time.sleep({1.5 * PROGRESS_SECONDS})  # the work of a step: reports that follow closer are not kept
                progress(epoch, 6, loss=1 / epoch)
                if epoch < 6:
                    open("/srv/gate").read()
            model["rows"] = len(df)
            return {{"rows": len(df)}}
    """
}


@pytest.mark.timeout(600)
@pytest.mark.skipif(not PYTHON.exists(), reason="no playwright: make browser")
@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium: apt-get install chromium")
def test_every_page_and_a_fit_that_is_watched_live(tmp_path: Path) -> None:
    write_notebook(tmp_path / "notebooks", "healthy")
    write_notebook(tmp_path / "notebooks", "curves", **CURVES)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    with Service(tmp_path / "home", tmp_path / "notebooks", DLTK_ADMIN_TOKEN=ADMIN) as service:
        for rows in (DATA, DATA + "5,6\n"):
            assert service.fit("healthy", rows, "m")["status"] == "success"
        gate = Gate(service.home)
        fit = threading.Thread(target=service.fit, args=("curves", DATA, "slow"))
        fit.start()
        job = until(lambda: next((each["id"] for each in service.jobs() if each["model"] == "slow"), None))
        gate.open_for_one()  # the second step: a curve has two points
        command = [PYTHON, ROOT / "tests" / "console" / "browse.py"]
        command += [service.url, ADMIN, pictures, "/ui/models/healthy/m", job]
        with subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as run:
            assert run.stdout is not None
            assert run.stderr is not None
            first = run.stdout.readline()
            gate.open_for_one()
            rest, errors = run.communicate(timeout=300)
        fit.join()
    assert first == "watching\n", errors
    assert rest, errors
    seen = json.loads(rest)
    assert (seen["problems"], seen["foreign"], seen["nameless"]) == ([], [], [])
    assert {place: width for place, width in seen["overflow"].items() if width > 0} == {}
    assert seen["without_script"] == "healthy / m"
    assert "running" in seen["first"]
    assert "succeeded" in seen["last"]
    assert seen["curves"] == ["loss: 0.1667"]
    assert len(list(pictures.glob("*.png"))) == 15
