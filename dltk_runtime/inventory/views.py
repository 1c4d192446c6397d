"""The searches inside a dashboard: Simple XML of every version, and the JSON of Dashboard Studio."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from dltk_runtime.errors import DltkError

_QUERIES = {"query", "searchString", "searchTemplate", "searchPostProcess"}
_PIPELESS = {"searchPostProcess"}  # begins with a command, with or without a pipe


class ViewUnreadable(DltkError):
    """A dashboard that is neither XML nor a definition in JSON."""

    def __init__(self, cause: object) -> None:
        super().__init__(f"its source cannot be read: {cause}")


@dataclass(frozen=True, slots=True)
class ViewSearch:
    """One search of a dashboard: its text, or the name of a saved search; a `fragment` continues another."""

    text: str = ""
    saved: str = ""
    fragment: bool = False


def searches(source: str) -> list[ViewSearch]:
    """Return the searches in the source of a dashboard.

    Raises:
        ViewUnreadable: it is no XML, declares entities, or holds a definition that is no JSON.
    """
    if "<!ENTITY" in source or "<!DOCTYPE" in source:
        raise ViewUnreadable("it declares entities, which no dashboard needs")
    try:
        root = ET.fromstring(source)  # noqa: S314 - without entities its size bounds the work
        return [*_classic(root), *_studio(root)]
    except (ET.ParseError, ValueError) as failure:
        raise ViewUnreadable(failure) from failure


def _classic(root: ET.Element) -> Iterator[ViewSearch]:
    parents = {child: parent for parent in root.iter() for child in parent}
    for element in root.iter():
        text = (element.text or "").strip()
        if element.tag in _QUERIES and text:
            continues = "base" in parents[element].attrib if element in parents else False
            yield ViewSearch(text, fragment=continues or element.tag in _PIPELESS)
        elif element.tag == "search" and element.get("ref"):
            yield ViewSearch(saved=str(element.get("ref")))
        elif element.tag == "searchName" and text:
            yield ViewSearch(saved=text)


def _studio(root: ET.Element) -> Iterator[ViewSearch]:
    """Yield the data sources of the definition. Raises `ValueError` where it is no JSON."""
    for element in root.iter("definition"):
        sources = _inner(json.loads(element.text or "{}"), "dataSources")
        for source in sources.values():
            options = _inner(source, "options")
            if query := str(options.get("query", "")):
                yield ViewSearch(query, fragment=bool(options.get("extend")))
            if saved := str(options.get("ref", "")):
                yield ViewSearch(saved=saved)


def _inner(document: Any, key: str) -> dict[str, Any]:
    found = document.get(key) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}
