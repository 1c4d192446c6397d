"""Promise 5, a fit never stops an apply: nor a summary, nor a probe."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook
from tests.support.service import Service, until

pytestmark = pytest.mark.process

# Keeps one core busy until the test says so; 60 s at most.
BUSY = """
    import os, time

    def fit(model, df, param):
        open(param["options"]["params"]["began"], "w").close()
        end = time.monotonic() + 60
        while time.monotonic() < end and not os.path.exists(param["options"]["params"]["go_on"]):
            sum(range(10_000))
        model["rows"] = len(df)
        return {}
"""


def test_applies_summaries_and_probes_are_answered_while_a_fit_runs(
    paths: Paths, make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    make_notebook("algo")
    make_notebook("busy", fit=BUSY)
    began, go_on = tmp_path / "began", tmp_path / "go_on"
    with Service(paths.home, paths.notebooks) as service:
        service.fit("algo", "x\n1\n")
        answers: list[dict[str, str]] = []
        fit = threading.Thread(
            target=lambda: answers.append(service.fit("busy", "x\n1\n", began=str(began), go_on=str(go_on)))
        )
        fit.start()
        until(began.exists)
        start = time.monotonic()
        for _ in range(20):
            assert service.apply("algo", "x\n1\n")["results"] == "rows\n1\n"
            assert service.summary()["token"] == "valid"
            assert service.status_of("/livez") == service.status_of("/readyz") == 200
        assert time.monotonic() - start < 30  # not a measurement: a blocked server would take the fit's 60 s
        assert not answers
        go_on.touch()
        fit.join(60)
    assert answers[0]["status"] == "success"


def test_a_summary_does_not_wait_for_the_worker_that_is_applying(
    paths: Paths, make_notebook: MakeNotebook, tmp_path: Path
) -> None:
    waiting = """
        import os, time

        def apply(model, df, param):
            params = param["options"]["params"]
            if "began" in params:
                open(params["began"], "w").close()
                end = time.monotonic() + 60
                while time.monotonic() < end and not os.path.exists(params["go_on"]):
                    time.sleep(0.01)
            return df
    """
    make_notebook("algo", apply=waiting)
    began, go_on = tmp_path / "began", tmp_path / "go_on"
    with Service(paths.home, paths.notebooks) as service:
        service.fit("algo", "x\n1\n")
        answers: list[dict[str, str]] = []
        apply = threading.Thread(
            target=lambda: answers.append(service.apply("algo", "x\n1\n", began=str(began), go_on=str(go_on)))
        )
        apply.start()
        until(began.exists)
        assert service.summary()["model_summary"] == {"rows": 1}  # as the fit described it
        assert not answers
        go_on.touch()
        apply.join(60)
    assert answers[0]["status"] == "success"
