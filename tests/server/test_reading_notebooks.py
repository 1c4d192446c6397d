"""No notebook is read in the event loop, which answers all other requests meanwhile.

A notebook holds the outputs of its cells, pictures too, and may lie on a slow volume.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_notebook
from tests.support.service import Service, until

pytestmark = pytest.mark.process
ROWS = "a,b\n1,2\n3,4\n"

# Runs the server with a reader of notebooks that writes down who called it in the event loop.
WATCHED = """
import asyncio, runpy, sys, traceback
from dltk_runtime.notebook import algorithm, source

FOUND, sys.argv = sys.argv[1], ["dltk", *sys.argv[5:]]

def watch(owner, name):
    read = getattr(owner, name)

    def watched(*arguments, **named):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return read(*arguments, **named)
        with open(FOUND, "a") as found:
            found.write("".join(traceback.format_stack(limit=8)) + "\\n")
        return read(*arguments, **named)

    setattr(owner, name, watched)

watch(source, "_source")
watch(algorithm, "_content")
runpy.run_module("dltk_runtime.cli", run_name="__main__", alter_sys=False)
"""


@pytest.fixture
def found(tmp_path: Path) -> Path:
    return tmp_path / "read_in_the_loop"


@pytest.fixture
def service(tmp_path: Path, found: Path, processes: None) -> Iterator[Service]:
    for name in ("healthy", "other"):
        write_notebook(tmp_path / "notebooks", name)
    before = (sys.executable, "-c", WATCHED, str(found))
    with Service(tmp_path / "home", tmp_path / "notebooks", before=before, DLTK_SPARES="0") as running:
        yield running


def answer(service: Service, path: str) -> Any:
    return json.loads(service.send(path, None))


def test_requests_of_every_kind_read_notebooks_beside_the_event_loop(service: Service, found: Path) -> None:
    assert service.fit("healthy", ROWS)["status"] == "success"
    assert service.apply("healthy", ROWS)["status"] == "success"
    assert service.apply("", ROWS)["status"] == "success"
    assert service.apply("healthy", ROWS, with_version="true")["status"] == "success"
    assert service.fit("other", ROWS, model="later", mode="async")["status"] == "submitted"
    until(lambda: [each["state"] for each in answer(service, "/v1/jobs")["jobs"]] == ["succeeded"] * 2)
    assert service.apply("nobody", ROWS)["status"] == "error"
    service.restart()
    assert service.apply("healthy", ROWS)["status"] == "success"  # by a new worker
    for path in (
        "/v1/algorithms",
        "/v1/algorithms/healthy",
        "/v1/algorithms/healthy/search",
        "/v1/models",
        "/v1/models/healthy/m",
        "/v1/health",
        "/v1/checks",
        "/v1/models/healthy/m/versions/1/card",
        "/metrics",
        "/summary",
    ):
        assert service.status_of(path) == 200
    assert not found.exists(), found.read_text()[:5000]


def test_one_that_reads_in_the_event_loop_is_seen(found: Path) -> None:
    """The test's own eye."""
    reads = (
        "import asyncio, pathlib; from dltk_runtime.notebook import source\n"
        "async def body(): source.source_of('x', pathlib.Path('x.py'), b'a = 1')\n"
        "asyncio.run(body())\n"
    )
    watching = WATCHED.replace('runpy.run_module("dltk_runtime.cli", run_name="__main__", alter_sys=False)', reads)
    subprocess.run([sys.executable, "-c", watching, str(found)], check=True)
    assert "in source_of" in found.read_text()
