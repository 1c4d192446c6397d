"""Three rules for the website that mkdocs makes of `docs/`.

A link to a file of the repository outside `docs/` takes a copy of the file into the site, below
``repository/``. A fenced block inside a list is shown as a block. A page that loads anything from another
host is an error: the site works offline.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
COPIES = "repository"
_LISTED = 4  # blanks before a block inside a list: fewer, and Python-Markdown ends the list
# A fenced block inside a list, with the comment before it, which the site leaves out.
_FENCE_IN_LIST = re.compile(
    r"(?:^[ ]+<!--[^\n]*-->\n)?^(?P<indent>[ ]+)```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"\]\((?P<path>(?:\.\./)+[^)#\s]+)")
# What a browser loads by itself; <a href> is followed by people only.
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//[^>]*>|<link\b[^>]*\bhref=["']?(?:https?:)?//[^>]*>"""
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of the repository that pages link to."""
    linked = {path for file in files.documentation_pages() for path in _outside(file.src_uri, file.content_string)}
    for path in sorted(linked):
        if (ROOT / path).is_file():
            copy = File.generated(config, f"{COPIES}/{_shown(path)}", content=(ROOT / path).read_bytes())
            files.append(copy)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Point links out of `docs/` to the copies, and write fenced blocks in lists as indented ones.

    Raises:
        PluginError: such a block is not indented by four blanks.
    """
    for found in _FENCE_IN_LIST.finditer(markdown):
        if len(found["indent"]) != _LISTED:
            raise PluginError(f"{page.file.src_uri}: indent the blocks of a list by {_LISTED} blanks.")
    markdown = _FENCE_IN_LIST.sub(_indented, markdown)
    for path in sorted(_outside(page.file.src_uri, markdown), key=len, reverse=True):
        here = posixpath.dirname(page.file.src_uri)
        copy = posixpath.relpath(f"{COPIES}/{_shown(path)}", here)
        markdown = markdown.replace(f"]({posixpath.relpath(f'../{path}', here)}", f"]({copy}")
    return markdown


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001
    """Refuse pages that load something from another host.

    Raises:
        PluginError: the page does.
    """
    if found := _LOADED.search(output):
        raise PluginError(f"{page.file.src_uri} loads from another host: {found[0]}")
    return output


def _outside(page: str, markdown: str) -> Iterator[str]:
    """Yield the targets of a page's links that are not below `docs/`, relative to the repository."""
    for found in _LINK.finditer(markdown):
        target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), found["path"]))
        if not target.startswith(("docs/", "../")):
            yield target


def _indented(block: re.Match[str]) -> str:
    """Return a block in the form that Python-Markdown knows inside lists; ``:::`` names its language."""
    lines = [f":::{block['language']}", *(line[_LISTED:] for line in block["text"].splitlines())]
    return "\n" + "\n".join(f"{' ' * 2 * _LISTED}{line}".rstrip() for line in lines) + "\n"


def _shown(path: str) -> str:
    """Return the copy's name: Markdown is copied as text, since its own links lead elsewhere."""
    return f"{path}.txt" if path.endswith(".md") else path
