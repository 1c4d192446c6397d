"""``GET /v1/algorithms/{algorithm}/search``: the search that fits an algorithm, written from a query.

The query has ``target``, ``fields`` and ``model``, and ``param.NAME`` for each parameter.
"""

from __future__ import annotations

from collections.abc import Mapping

from dltk_runtime.notebook.catalogue import CatalogueEntry
from dltk_runtime.notebook.clause import Asked, WrittenSearch, written
from dltk_runtime.server.openapi import AddressPart

PATH = "/v1/algorithms/{algorithm}/search"
PREFIX = "param."  # of a parameter's name, which may be that of another field
TEXTS = {
    "target": "The field that is predicted.",
    "fields": "The fields that it learns from.",
    "model": "The name of the model.",
}
QUERY = (
    *(AddressPart(name, {"type": "string"}, what) for name, what in TEXTS.items()),
    AddressPart(
        "values", {"type": "string"}, "Parameters of the notebook, each by its name behind param.", prefix=PREFIX
    ),
)


def of(entry: CatalogueEntry, query: Mapping[str, str]) -> WrittenSearch:
    """Write the search for an algorithm; what is wrong with the query's values is said in it."""
    return written(asked(entry, query), entry.parameters)


def asked(entry: CatalogueEntry, query: Mapping[str, str]) -> Asked:
    """Return what a query asks for."""
    values = {name.removeprefix(PREFIX): value for name, value in query.items() if name.startswith(PREFIX)}
    others = {name: query.get(name, "") for name in TEXTS}
    return Asked(entry.name, values, **others)
