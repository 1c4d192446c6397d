"""Read the definition of a Studio dashboard, and the searches of its data sources."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

MAX_EXTENDED = 10  # data sources that follow one another


@dataclass(frozen=True, slots=True)
class DataSource:
    """One data source: a search, the name of a saved search, or the continuation of the one that it extends.

    `query` is as written; `app` is that of the saved search, "" where none is named (Studio takes the app
    search); `earliest` and `latest` are times or tokens, "" where nothing is said.
    """

    name: str
    query: str = ""
    saved: str = ""
    app: str = ""
    extends: str = ""
    earliest: str = ""
    latest: str = ""


def definition(root: ET.Element) -> dict[str, Any] | None:
    """Return the definition in a view; None where the view is Simple XML.

    Raises:
        ValueError: the definition is no JSON, or no object.
    """
    element = root.find("definition")
    if element is None:
        return None
    found = json.loads(element.text or "{}")
    if not isinstance(found, dict):
        raise ValueError("the definition is no object")  # noqa: TRY004 - as of what is no JSON at all
    return found


def sources(found: Mapping[str, Any]) -> list[DataSource]:
    """Return the data sources of a definition, those of unknown types too."""
    common = section(section(section(section(found, "defaults"), "dataSources"), "ds.search"), "options")
    return [_source(name, each, common) for name, each in section(found, "dataSources").items()]


def queries(found: Mapping[str, Any]) -> Iterator[tuple[DataSource, str]]:
    """Yield each data source with a query, and the whole query: behind that of what it extends."""
    known = {source.name: source for source in sources(found)}
    for source in known.values():
        if source.query:
            yield source, _whole(source, known)


def section(document: object, key: str) -> dict[str, Any]:
    """Return one object inside another; empty where it is missing or none."""
    found = document.get(key) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}


def _source(name: str, document: object, common: Mapping[str, Any]) -> DataSource:
    options = section(document, "options")
    times = section(common, "queryParameters") | section(options, "queryParameters")
    return DataSource(
        name,
        query=str(options.get("query") or "").strip(),
        saved=str(options.get("ref") or ""),
        app=str(options.get("app") or ""),
        extends=str(options.get("extend") or ""),
        earliest=str(times.get("earliest") or ""),
        latest=str(times.get("latest") or ""),
    )


def _whole(source: DataSource, known: Mapping[str, DataSource]) -> str:
    parts = [source.query]
    for _ in range(MAX_EXTENDED):
        if source.extends not in known:
            break
        source = known[source.extends]
        parts.append(source.query)
    return " ".join(part if at == 0 or part.startswith("|") else f"| {part}" for at, part in enumerate(reversed(parts)))
