"""What a notebook asks of the machine that fits it, and the code that it takes along."""

from __future__ import annotations

import contextlib

import pytest

from dltk_runtime.cluster.apply_placement import ApplyNeed
from dltk_runtime.cluster.code import code_of
from dltk_runtime.cluster.placement import Need
from dltk_runtime.cluster.resources import apply_need_of, need_of, refuse_beyond, workers_of
from dltk_runtime.errors import OptionInvalid
from dltk_runtime.notebook import algorithm
from dltk_runtime.notebook.source import unpack
from dltk_runtime.paths import Paths
from tests.conftest import MakeNotebook

CELL = """
    # %% tags=parameters
    resources: str = "{}"
    # %% mltkc_init
    def init(df, param): return {{}}
"""


def asks(make_notebook: MakeNotebook, paths: Paths, text: str, **given: str) -> Need:
    make_notebook("asks", CELL.format(text))
    return need_of(algorithm.source_of("asks", paths), ("torch",), given, gpus=False)


@pytest.mark.parametrize(
    ("text", "need"),
    [
        ("", Need()),
        ("gpu", Need(cpus=0, gpu=True)),
        ("gpu, memory=8G,cpus=2", Need(cpus=2, memory=8 * 1024**3, gpu=True)),
        ("label=kind=a100, gpu=f", Need(label="kind=a100")),
    ],
)
def test_the_parameters_cell_says_what_a_fit_needs(
    text: str, need: Need, make_notebook: MakeNotebook, paths: Paths
) -> None:
    assert asks(make_notebook, paths, text) == need


def test_a_search_may_say_something_else(make_notebook: MakeNotebook, paths: Paths) -> None:
    assert asks(make_notebook, paths, "gpu", resources='"cpus=3"') == Need(cpus=3)


@pytest.mark.parametrize("text", ["gpus=2", "cpus=0", "cpus=many", "memory=lots", "label", "gpu=maybe"])
def test_what_cannot_be_read_is_refused(text: str, make_notebook: MakeNotebook, paths: Paths) -> None:
    with pytest.raises(OptionInvalid, match="resources"):
        asks(make_notebook, paths, text)


@pytest.mark.parametrize(
    ("text", "cpus", "memory", "bound"),
    [
        ("cpus=3, memory=2G", 3, 2 * 1024**3, ""),
        ("cpus=3, memory=2G", 0, 0, ""),
        ("cpus=3", 2, 0, r"expected at most cpus=2 \(DLTK_CLUSTER_CPUS\)"),
        ("memory=2G", 0, 1024**3, r"expected at most 1,024 MiB of memory \(DLTK_CLUSTER_MEMORY\)"),
    ],
)
def test_the_operator_bounds_what_may_be_asked_for(
    text: str, cpus: int, memory: int, bound: str, make_notebook: MakeNotebook, paths: Paths
) -> None:
    need = asks(make_notebook, paths, text)
    refused = pytest.raises(OptionInvalid, match=bound) if bound else contextlib.nullcontext()
    with refused:
        refuse_beyond(need, text, cpus, memory)


def test_a_notebook_that_trains_on_a_gpu_asks_for_one_where_there_is_any(
    make_notebook: MakeNotebook, paths: Paths
) -> None:
    make_notebook("plain")
    source = algorithm.source_of("plain", paths)
    assert need_of(source, ("torch",), {"resources": "cpus=9"}, gpus=True) == Need(cpus=0, gpu=True)
    assert need_of(source, ("torch",), {}, gpus=False) == Need()
    assert need_of(source, ("sklearn",), {}, gpus=True) == Need()


def test_the_code_is_the_notebook_and_every_module_that_it_names(make_notebook: MakeNotebook, paths: Paths) -> None:
    uses = "from app.model import first\nimport app.model.pack.inner\nimport json"
    make_notebook("user", **{"import": uses})
    package = paths.helpers / "pack"
    package.mkdir()
    for file, text in {
        paths.helpers / "first.py": "from app.model.second import value",
        paths.helpers / "second.py": "value = 1",
        paths.helpers / "unused.py": "value = 2",
        package / "__init__.py": "",
        package / "inner.py": "from . import beside",
        package / "beside.py": "",
    }.items():
        file.write_text(text)
    found = {each.name for each in unpack(code_of("user", paths))}
    assert found == {"user", "first", "second", "pack", "pack.inner", "pack.beside"}


def test_applies_ask_by_a_parameter_of_their_own(paths: Paths, make_notebook: MakeNotebook) -> None:
    """A fit on a GPU says nothing about applies."""
    make_notebook("quiet", CELL.format("gpu"))
    make_notebook("asks", CELL.format("gpu").replace("resources", "apply_resources"))
    make_notebook("wrong", CELL.format("memory=1G").replace("resources", "apply_resources"))
    source = algorithm.source_of
    assert apply_need_of(source("quiet", paths)) == ApplyNeed()
    assert apply_need_of(source("asks", paths)) == ApplyNeed(gpu=True)
    with pytest.raises(OptionInvalid, match="gpu, label=<name>=<value>, or both"):
        apply_need_of(source("wrong", paths))


@pytest.mark.parametrize(("text", "workers"), [("2", 2), ("1", 1), ("1025", 1), ("two", 1), ("9" * 5000, 1)])
def test_what_is_no_number_of_workers_is_the_notebooks_to_refuse(
    text: str, workers: int, make_notebook: MakeNotebook, paths: Paths
) -> None:
    make_notebook("asks", "# %% tags=parameters\nworkers: int = 1\n# %% mltkc_init\ndef init(): pass")
    assert workers_of(algorithm.source_of("asks", paths), {"workers": text}, lambda: {"ranks"}) == workers
