"""The kernel ``dltk`` gives notebook code the environment of a worker."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from dltk_runtime.lab import kernelspec
from dltk_runtime.paths import Paths

pytestmark = pytest.mark.process

Run = Callable[[str], str]


@contextmanager
def kernel(paths: Paths) -> Iterator[Run]:
    """Start a kernel in the notebooks' folder, as Jupyter does."""
    folder = kernelspec.install(paths) / "kernels"
    manager = KernelManager(
        kernel_name=kernelspec.KERNEL_NAME, kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(folder)])
    )
    manager.start_kernel(cwd=str(paths.notebooks))
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=60)
        yield lambda code: printed(client, code)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def printed(client: BlockingKernelClient, code: str) -> str:
    """Run `code`; return its output, stderr included, without the final newline."""
    outputs: list[str] = []

    def take(message: dict[str, object]) -> None:
        content = message["content"]
        assert isinstance(content, dict)
        outputs.append(content.get("text") or "\n".join(content.get("traceback", [])))

    reply = client.execute_interactive(code, timeout=60, output_hook=take)
    assert reply["content"]["status"] == "ok", "".join(outputs)
    return "".join(outputs).rstrip("\n")


def test_srv_constants_lie_in_the_home_and_in_the_notebooks_folder(paths: Paths) -> None:
    with kernel(paths) as run:
        assert run('name = "/srv/app/model/data/" + "x"\nprint(name)') == f"{paths.models}/x"
        assert run('number = 7\nprint(f"/srv/notebooks/data/{number}.csv")') == f"{paths.staged}/7.csv"
        assert run('print("/etc/srv/", "srv")') == "/etc/srv/ srv"


def test_a_notebook_imports_what_it_imports_in_the_service(paths: Paths) -> None:
    (paths.helpers / "shapes.py").write_text('FOLDER = "/srv/app/graphics/"\n', encoding="utf-8")
    with kernel(paths) as run:
        assert run("from app.model.shapes import FOLDER\nprint(FOLDER)") == f"{paths.graphics}/"
        assert run("from dsdlsupport import SplunkSearch\nprint(SplunkSearch.__name__)") == "dsdlsupport.SplunkSearch"


def test_processes_that_a_notebook_starts_have_the_same_folders_and_imports(paths: Paths) -> None:
    (paths.helpers / "shapes.py").write_text("SIDES = 4\n", encoding="utf-8")
    child = "import os; from app.model.shapes import SIDES; print(SIDES, os.environ['DLTK_HOME'])"
    with kernel(paths) as run:
        assert (
            run(f"import subprocess, sys\nprint(subprocess.check_output([sys.executable, '-c', {child!r}], text=True))")
            == f"4 {paths.home}"
        )


def test_text_columns_are_object_and_pandas_says_nothing_about_it(paths: Paths) -> None:
    with kernel(paths) as run:
        assert run("import pandas as pd\nprint(pd.DataFrame({'a': ['x']})['a'].dtype)") == "object"


def test_a_file_beside_the_notebooks_does_not_stand_in_for_a_module_of_the_kernel(paths: Paths) -> None:
    (paths.notebooks / "zmq.py").write_text("raise RuntimeError('not me')\n", encoding="utf-8")
    with kernel(paths) as run:
        assert run("print('alive')") == "alive"


def test_jupyter_finds_the_kernel_on_its_path_and_keeps_what_was_there(paths: Paths) -> None:
    environ = kernelspec.environment(paths, {"JUPYTER_PATH": "/opt/jupyter", "LANG": "C.UTF-8"})
    ours, theirs = environ["JUPYTER_PATH"].split(os.pathsep)
    spec = json.loads(Path(ours, "kernels", "dltk", "kernel.json").read_text(encoding="utf-8"))
    assert spec["env"] == {"DLTK_HOME": str(paths.home), "DLTK_NOTEBOOKS": str(paths.notebooks)}
    assert (theirs, environ["LANG"]) == ("/opt/jupyter", "C.UTF-8")


@pytest.mark.parametrize("times", [1, 2])
def test_installing_the_kernel_leaves_one_file(paths: Paths, times: int) -> None:
    for _ in range(times):
        root = kernelspec.install(paths)
    assert [path.name for path in (root / "kernels" / "dltk").iterdir()] == ["kernel.json"]
