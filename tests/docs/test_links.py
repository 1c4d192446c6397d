"""Links, file names and anchors of the README, the change log and `docs/` lead somewhere.

mkdocs checks the links among the pages of `docs/` by itself; this also holds for GitHub and an editor.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.service import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
README_LINES = 250
BEGINNING = 60  # characters of an entry by which it is known again
_FENCED = re.compile(r"^[ ]*```.*?^[ ]*```", re.MULTILINE | re.DOTALL)
_FENCE_OUTSIDE_MARGIN = re.compile(r"^(?P<blanks> +)```\w", re.MULTILINE)
LISTED = 4  # blanks before what belongs to a list: with fewer, the website ends the list
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_MODULE = re.compile(r"`((?:[a-z_]+/)*[a-z_]+\.py|[a-z_]+/)`")


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub and mkdocs make of a page's headings."""
    headings = _HEADING.findall(_FENCED.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_pages_links_lead_to_files_and_headings(page: Path) -> None:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    wrong = []
    for target in _LINK.findall(text):
        if target.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            wrong.append(target)
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_list_are_indented_as_the_website_needs_it(page: Path) -> None:
    blanks = [len(each) for each in _FENCE_OUTSIDE_MARGIN.findall(page.read_text(encoding="utf-8"))]
    assert [each for each in blanks if each != LISTED] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < README_LINES


def test_every_page_is_linked_from_the_readme_or_the_home_page() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in (ROOT / "README.md", ROOT / "docs" / "index.md", ROOT / "docs/explanation/decisions/index.md")
        for target in _LINK.findall(page.read_text(encoding="utf-8"))
    }
    assert [page for page in PAGES if page not in linked | {ROOT / "README.md", ROOT / "docs" / "index.md"}] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_table_has_two_rows_for_one_thing(page: Path) -> None:
    twice, seen = [], set[str]()
    for line in page.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            seen.clear()
        elif (first := line.split("|")[1].strip()) and first.strip(":-"):
            twice += [first] if first in seen else []
            seen.add(first)
    assert twice == []


def test_an_entry_of_the_change_log_is_whole_and_there_once() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    ends = [before for before, line in pairwise([*lines, "- "]) if before.startswith(("- ", "  ")) and line[:2] != "  "]
    assert [each for each in ends if not each.endswith((".", ":", ")"))] == [], "merges cut entries off"
    begun = Counter(line[:BEGINNING] for line in lines if line.startswith("- "))
    assert [each for each, count in begun.items() if count > 1] == []


def test_the_architecture_names_files_and_folders_that_exist() -> None:
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    named = set(_MODULE.findall(text))
    assert len(named) > 40
    missing = [
        each for each in sorted(named) if not any((base / each).exists() for base in (ROOT / "dltk_runtime", ROOT))
    ]
    assert missing == []
