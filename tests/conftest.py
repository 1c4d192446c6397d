"""What many tests need: folders of their own, and notebooks made from strings."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, Protocol

import coverage
import hypothesis
import pytest

from dltk_runtime.notebook.loader import CodeFinder
from dltk_runtime.paths import SITE, Paths
from tests.splunkd.server import Splunkd
from tests.support import order, tiers
from tests.support.service import Service

# The gate gives the same answer for the same code, on a slow machine too; `make fuzz` looks for new examples.
hypothesis.settings.register_profile("gate", derandomize=True, deadline=None)
# `make quick` tries a quarter of the gate's examples.
hypothesis.settings.register_profile("quick", max_examples=25, derandomize=True, deadline=None)
hypothesis.settings.register_profile("fuzz", max_examples=3000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("gate")

# jsonschema compiles a grammar of IRIs when it is imported, in more than a second; no schema of ours has that format.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

# A healthy algorithm: its model is the number of rows it was fitted on, and its answers repeat that number.
HEALTHY = {
    "import": """
        import json
        import pandas as pd
        MODEL_DIRECTORY = "/srv/app/model/data/"
    """,
    "init": """
        def init(df, param):
            return {}
    """,
    "fit": """
        def fit(model, df, param):
            model["rows"] = len(df)
            return {"rows": len(df)}
    """,
    "apply": """
        def apply(model, df, param):
            return pd.DataFrame({"rows": [model["rows"]] * len(df)})
    """,
    "save": """
        def save(model, name):
            with open(MODEL_DIRECTORY + name + ".json", "w") as file:
                json.dump(model, file)
            return model
    """,
    "load": """
        def load(name):
            with open(MODEL_DIRECTORY + name + ".json") as file:
                return json.load(file)
    """,
    "summary": """
        def summary(model=None):
            return {"rows": (model or {}).get("rows")}
    """,
}


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(tiers.Guard())


def pytest_sessionstart() -> None:
    """Measure no threads: two that start at once may meet in `sys.settrace`, whose audit hook is ours.

    The second one then ends with a RuntimeError before it has run anything, and whoever waits for it hangs.
    """
    threading.settrace(None)  # type: ignore[arg-type]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no module for ``-m unit`` that has no test of that tier: half the modules, half the time."""
    unit = config.option.markexpr == "unit" and collection_path.is_file()
    return True if unit and tiers.has_no_unit_test(collection_path) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import the test modules without looking for garbage among what they make: nearly all of it stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tiers.mark(items)
    order.longest_first(items)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> order.ByFileOrGroup:
    return order.ByFileOrGroup(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Measure no coverage of a property test: it runs the same lines a hundred times, at twice the time."""
    measuring = coverage.Coverage.current()
    if measuring is None or item.get_closest_marker("hypothesis") is None:
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


@pytest.fixture(autouse=True)
def common_umask() -> Iterator[None]:
    """Give each test a system's usual umask: commands that run in this process set their own and leave it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def processes() -> None:
    """Requested by fixtures that start a process, so that the tests which use them leave the tier ``unit``."""


@pytest.fixture
def service(request: pytest.FixtureRequest, processes: None) -> Iterator[Service]:
    """The server that the module's marker describes::

        pytestmark = pytest.mark.server(
            notebooks={"healthy": {}, "broken": {"fit": "def fit(model, df, param): 1 / 0"}},
            fits=[("healthy", DATA)],  # arguments of `Service.fit`
            own=True,
            DLTK_SPARES="0",
        )

    All tests of the module share it, or with `own` each has a server over its own `paths`.
    """
    marker = request.node.get_closest_marker("server")
    if not marker.kwargs.get("own"):
        yield request.getfixturevalue("shared_service")
        return
    paths: Paths = request.getfixturevalue("paths")
    with started(marker, paths.home, paths.notebooks) as running:
        yield running


@pytest.fixture(scope="module")
def shared_service(
    request: pytest.FixtureRequest, processes: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The server that `service` gives to all tests of a module, for its other fixtures."""
    root = tmp_path_factory.mktemp(request.path.stem)
    with started(request.node.get_closest_marker("server"), root / "home", root / "notebooks") as running:
        yield running


@contextlib.contextmanager
def started(marker: pytest.Mark, home: Path, notebooks: Path) -> Iterator[Service]:
    """Start the server of a marker `server`; afterwards it has ended."""
    given = {"notebooks": {}, "fits": (), "own": False} | marker.kwargs
    cells: Mapping[str, Mapping[str, str | None]] = given.pop("notebooks")
    notebooks.mkdir(parents=True, exist_ok=True)
    for name, changed in cells.items():
        write_notebook(notebooks, name, **changed)
    fits, _ = given.pop("fits"), given.pop("own")
    with Service(home, notebooks, **given) as running:
        for arguments in fits:
            running.fit(*arguments)
        yield running


@pytest.fixture
def splunkd(request: pytest.FixtureRequest) -> Iterator[Splunkd]:
    """A stand-in for Splunk, made with the arguments of the marker ``splunkd`` of the test or its module."""
    marker = request.node.get_closest_marker("splunkd")
    with Splunkd(**(marker.kwargs if marker else {})) as running:
        yield running


def asked_for(request: pytest.FixtureRequest, parameter: str) -> set[str]:
    """The values of a parameter in those tests of the module that run, so that a fixture prepares no more."""
    items = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    return {item.callspec.params[parameter] for item in items if parameter in item.callspec.params}


class MakeNotebook(Protocol):
    def __call__(self, name: str, text: str | None = None, **cells: str | None) -> Path: ...


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A home and a notebooks' folder of the test's own, with the folders that notebooks write to."""
    paths = Paths(home=tmp_path / "home", notebooks=tmp_path / "notebooks")
    for folder in (paths.models, paths.graphics, paths.helpers, paths.staged):
        folder.mkdir(parents=True)
    return paths


@pytest.fixture
def make_notebook(paths: Paths) -> MakeNotebook:
    """Writes ``<name>.ipynb`` into the notebooks' folder and gives its path.

    Either from one text in the percent format, one header line before each cell::

        make_notebook("umap", '''
            # %% [markdown]
            Some words.
            # %% mltkc_init
            def init(df, param): ...
            # %% tags=dltk,parameters
            epochs = 3
            # %%
            df.plot()  # an experiment: neither name nor tag
        ''')

    or the healthy algorithm with some of its cells (`HEALTHY`) replaced, added or, with None, left out::

        make_notebook("broken", fit="def fit(model, df, param): 1 / 0", save=None)

    The first line of a cell is the line after its header; indentation common to all lines is taken off.
    """

    def make(name: str, text: str | None = None, **cells: str | None) -> Path:
        path = paths.notebooks / f"{name}.ipynb"
        content = list(_from_text(dedent(text))) if text is not None else _from_parts(cells)
        document = {"cells": content, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    return make


@pytest.fixture
def finder(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[CodeFinder]:
    """An installed finder for the test's folders; afterwards nothing of it is left."""
    monkeypatch.syspath_prepend(str(SITE))
    for name in ("DLTK_HOME", "DLTK_NOTEBOOKS", "DLTK_CODE"):
        monkeypatch.setenv(name, "")
    finder = CodeFinder(paths)
    finder.install()
    yield finder
    for each in [each for each in sys.meta_path if isinstance(each, CodeFinder)]:
        each.remove()


def write_notebook(folder: Path, name: str, **cells: str | None) -> None:
    """As `make_notebook`, for a folder that outlives one test."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {"cells": _from_parts(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / f"{name}.ipynb").write_text(json.dumps(document), encoding="utf-8")


def _from_parts(cells: dict[str, str | None]) -> list[dict[str, Any]]:
    parts = HEALTHY | cells
    return [_cell(f"mltkc_{part}", dedent(source).strip("\n")) for part, source in parts.items() if source is not None]


def _from_text(text: str) -> Iterator[dict[str, Any]]:
    for block in ("\n" + text).split("\n# %%")[1:]:
        header, _, source = block.partition("\n")
        yield _cell(header.strip(), source)


def _cell(header: str, source: str) -> dict[str, Any]:
    """A cell from the words of its header: ``[markdown]``, ``tags=a,b``, or a name."""
    source = source.rstrip()
    if header == "[markdown]":
        return {"cell_type": "markdown", "metadata": {}, "source": source}
    metadata: dict[str, Any] = {}
    for word in header.split():
        if word.startswith("tags="):
            metadata["tags"] = word.removeprefix("tags=").split(",")
        else:
            metadata["name"] = word
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}
