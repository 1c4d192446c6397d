"""Read knowledge objects over Splunk's REST API: views, panels, saved searches and macros of all apps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dltk_runtime import booleans
from dltk_runtime.doctor.rest import Refused, Rest
from dltk_runtime.inventory import views
from dltk_runtime.inventory.views import ViewSearch

SAVED = "/servicesNS/-/-/saved/searches"
VIEWS = "/servicesNS/-/-/data/ui/views"
PANELS = "/servicesNS/-/-/data/ui/panels"
MACROS = "/servicesNS/-/-/configs/conf-macros"
LOOKUPS = "/servicesNS/-/-/data/lookup-table-files"
USERS = "/services/authentication/users"


class Sort(StrEnum):
    """Kinds of knowledge objects that hold searches."""

    VIEW = "view"
    PANEL = "panel"
    SEARCH = "search"  # with a schedule
    REPORT = "report"  # a saved search without one
    MACRO = "macro"


@dataclass(frozen=True, slots=True)
class Item:
    """One knowledge object with its searches.

    Attributes:
        schedule: the cron expression of a search that runs by itself; else empty.
        source: all its text, in which marks are looked for.
        problem: why its searches cannot be read; else empty.
    """

    sort: Sort
    name: str
    app: str
    owner: str
    searches: tuple[ViewSearch, ...] = ()
    source: str = field(default="", repr=False)
    schedule: str = ""
    problem: str = ""


def items(rest: Rest) -> Iterator[Item]:
    """Yield all objects that the token's user may read.

    Raises:
        Refused, NoAnswer: Splunk refuses a list, or does not answer.
    """
    yield from map(_saved, rest.entries(SAVED)[0])
    yield from (_view(Sort.VIEW, each) for each in rest.entries(VIEWS)[0])
    yield from (_view(Sort.PANEL, each) for each in optional(rest, PANELS) or [])
    yield from map(_macro, rest.entries(MACROS)[0])


def optional(rest: Rest, path: str) -> list[dict[str, Any]] | None:
    """Return the entries of a list, None where Splunk refuses it. Raises `NoAnswer`."""
    try:
        return rest.entries(path)[0]
    except Refused:
        return None


def _saved(entry: dict[str, Any]) -> Item:
    runs = booleans.parse_conf(entry.get("is_scheduled")) and not booleans.parse_conf(entry.get("disabled"))
    text = str(entry.get("search", ""))
    return Item(
        Sort.SEARCH if runs else Sort.REPORT,
        *_identity(entry),
        searches=(ViewSearch(text),),
        source=text,
        schedule=str(entry.get("cron_schedule") or "") if runs else "",
    )


def _view(sort: Sort, entry: dict[str, Any]) -> Item:
    source = str(entry.get("eai:data") or "")
    try:
        return Item(sort, *_identity(entry), searches=tuple(views.searches(source)), source=source)
    except views.ViewUnreadable as failure:
        return Item(sort, *_identity(entry), source=source, problem=failure.sentence)


def _macro(entry: dict[str, Any]) -> Item:
    text = str(entry.get("definition", ""))
    name, app, owner = _identity(entry)
    return Item(Sort.MACRO, name, app, owner, (ViewSearch(text, fragment=True),), text)


def _identity(entry: dict[str, Any]) -> tuple[str, str, str]:
    rights = entry.get("acl") or {}
    return str(entry["name"]), str(rights.get("app", "")), str(rights.get("owner", ""))
