"""Every fenced block of the README and of `docs/` runs as written, or says why it is only shown."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import blocks_of
from tests.docs.page import reader
from tests.support.service import ROOT, Service

pytestmark = pytest.mark.process

PAGES = sorted(["README.md", *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The one server of all pages that start none of their own."""
    folder = tmp_path_factory.mktemp("docs")
    notebooks = shutil.copytree(ROOT / "notebooks", folder / "notebooks")  # pages add their own
    with Service(folder / "home", notebooks) as service:
        yield service


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [name for name in PAGES if "```" in (ROOT / name).read_text(encoding="utf-8")])
def test_the_blocks_of_a_page_do_what_it_says(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = list(blocks_of(text))
    assert text.count("```") == 2 * len(blocks), "a fence is not closed, or not at the margin of its list"
    variables = None
    if not any(block.mark == "background" for block in blocks):
        service = request.getfixturevalue("service")
        variables = {"DLTK_URL": service.url, "api_token": service.token, "DLTK_HOME": str(service.home)}
        variables["DLTK_NOTEBOOKS"] = str(service.notebooks)
    with reader(name, tmp_path / "page", variables) as page:
        for block in blocks:
            page.run(block)
