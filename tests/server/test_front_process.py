"""The front process stays small: the libraries of notebooks are loaded by workers only."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from tests.conftest import MakeNotebook
from tests.doors.world import send
from tests.support.service import Service

pytestmark = pytest.mark.process

HEAVY = re.compile(r"/site-packages/(keras|matplotlib|numpy|pandas|pyarrow|scipy|sklearn|tensorflow|torch)[./]")
ROWS = "a,b\n1,2\n"


ARROW = "application/vnd.apache.arrow.stream"


def arrow() -> bytes:
    sink = pa.BufferOutputStream()
    rows = pa.table({"a": [1], "b": [2]})
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return bytes(sink.getvalue())


def heavy_libraries(pid: int) -> set[str]:
    """Return the libraries of `HEAVY` whose files the process has mapped."""
    return set(HEAVY.findall(Path(f"/proc/{pid}/maps").read_text()))


def test_the_front_maps_no_library_of_notebooks_after_a_fit_an_apply_and_a_summary(
    tmp_path: Path, make_notebook: MakeNotebook
) -> None:
    make_notebook("healthy")
    with Service(tmp_path / "home", tmp_path / "notebooks") as service:
        assert service.fit("healthy", ROWS)["status"] == "success"
        assert service.apply("healthy", ROWS)["status"] == "success"
        service.summary()
        assert send(service, "POST", "/v1/models/healthy/m/apply", arrow(), Content_Type=ARROW).status == 200
        assert service.process is not None
        # The test sees them where they are.
        assert {"numpy", "pandas", "pyarrow"} <= set().union(*map(heavy_libraries, service.workers()))
        assert heavy_libraries(service.process.pid) == set()


# What a server imports of the rooms that only some servers have.
OF_EVERY_SERVER = {
    "dltk_runtime.cluster": {"errors", "elsewhere", "view"},
    "dltk_runtime.tracking": {"interface"},
    "dltk_runtime.server.shadow": set(),
}
WIRED = """
import sys
from pathlib import Path
import dltk_runtime.server.serve
from dltk_runtime.service.wiring import build
from dltk_runtime.settings import Settings
build(Settings(home=Path(sys.argv[1]), notebooks=Path(sys.argv[1]), api_token="-"))
print(*sys.modules)
"""


def test_a_server_imports_nothing_of_a_cluster_a_shadow_and_tracking_that_it_does_not_have(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WIRED, str(tmp_path)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "dltk_runtime.apply.leasing" in loaded
    found = {
        room: {each.removeprefix(f"{room}.") for each in loaded if each.startswith(f"{room}.")}
        for room in OF_EVERY_SERVER
    }
    assert found == OF_EVERY_SERVER
