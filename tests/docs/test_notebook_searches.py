"""Every search that a shipped notebook documents runs, in the order of the notebook, against one server.

Trainings are made short: ``epochs=N`` becomes ``epochs=2``. Everything else is as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from dltk_runtime import cli
from tests.docs.blocks import blocks_of
from tests.support.compiled import keep_compiled
from tests.support.service import ROOT, Service

pytestmark = pytest.mark.heavy

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
_EPOCHS = re.compile(r"\bepochs=\d+")


@dataclass(frozen=True)
class Answer:
    code: int
    text: str


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Service]:
    """One server for all notebooks."""
    home = tmp_path_factory.mktemp("searches") / "home"
    keep_compiled(home, request.config)
    with Service(home, ROOT / "notebooks") as service:
        yield service


def searches_of(notebook: Path) -> list[str]:
    """Return the searches in the Markdown cells of a notebook, first to last."""
    document = nbformat.read(notebook, as_version=4)
    texts = [cell.source for cell in document.cells if cell.cell_type == "markdown"]
    return [block.text for text in texts for block in blocks_of(text)]


def search(spl: str, service: Service) -> Answer:
    variables = {"DLTK_URL": service.url, "DLTK_TOKEN": service.token, "DLTK_HOME": str(service.home)}
    variables["DLTK_NOTEBOOKS"] = str(service.notebooks)
    done = CliRunner().invoke(cli.dltk, ["search", spl], env=variables)
    return Answer(done.exit_code, done.output)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_searches_that_a_notebook_documents_run(
    notebook: Path, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # so that lookups come from the samples
    searches = searches_of(notebook)
    assert len(searches) >= 2
    for spl in searches:
        answer = search(_EPOCHS.sub("epochs=2", spl), service)
        assert answer.code == 0, f"{spl}\n{answer.text}"
