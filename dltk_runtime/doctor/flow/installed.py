"""A flow's app as Splunk lists it over REST: searches, macros, lookups, collections, and who may use them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dltk_runtime import booleans
from dltk_runtime.doctor.flow.splunk import SearchHead
from dltk_runtime.flows.app import App, AppSearch
from dltk_runtime.flows.conf import Stanza
from dltk_runtime.flows.dataflow import Dataflow, SearchFlow, dataflow

SAVED, MACROS, TRANSFORMS = "saved/searches", "configs/conf-macros", "configs/conf-transforms"
COLLECTIONS, LOOKUPS = "storage/collections/config", "data/lookup-table-files"
APPS = "/services/apps/local"
_FILES = {SAVED: "savedsearches.conf", MACROS: "macros.conf", TRANSFORMS: "transforms.conf"}
_NO_FOLDER = Path(os.devnull)  # below which no file can lie

Entry = Mapping[str, Any]


class ListedApp(App):
    """An app without a folder: its confs are what REST lists."""

    def __init__(self, name: str, confs: dict[str, list[Stanza]]) -> None:
        self.folder = _NO_FOLDER / name
        self.name = name
        self._confs = confs

    def conf(self, name: str) -> list[Stanza]:
        """Return the stanzas that were listed."""
        return self._confs.get(name, [])


@dataclass(frozen=True)
class Installed:
    """An app with the REST entries of its objects.

    Attributes:
        entry: that of the app itself.
        seen: entries by folder and name, of all apps whose objects the app's searches see.
    """

    name: str
    entry: Entry
    seen: Mapping[str, Mapping[str, Entry]] = field(repr=False)

    def own(self, folder: str) -> dict[str, Entry]:
        """Return the entries of one folder that belong to the app."""
        return {name: each for name, each in self.seen[folder].items() if each["acl"].get("app") == self.name}

    @cached_property
    def app(self) -> ListedApp:
        """The app as `flow check` reads one."""
        confs = {file: [_stanza(name, each) for name, each in self.own(at).items()] for at, file in _FILES.items()}
        return ListedApp(self.name, confs)

    @cached_property
    def flow(self) -> Dataflow:
        """What its searches read, write, fit and apply."""
        return dataflow(self.app, [self.app])

    @property
    def scheduled(self) -> list[AppSearch]:
        """The searches that have a schedule, on or off."""
        return [each for each in self.app.searches if each.scheduled]

    def runs(self, search: AppSearch) -> bool:
        """Return whether the scheduler starts it."""
        entry = self.seen[SAVED][search.name]
        return booleans.parse_conf(entry.get("is_scheduled")) and not booleans.parse_conf(entry.get("disabled"))

    def owner(self, search: AppSearch) -> str:
        """Return the user who owns it."""
        return str(self.seen[SAVED][search.name]["acl"].get("owner", "nobody"))

    def owned(self) -> dict[str, list[SearchFlow]]:
        """Return the searches with a schedule, and those that fit, by their owner."""
        found: dict[str, list[SearchFlow]] = {}
        for each in self.flow.searches:
            saved = each.search.name in self.seen[SAVED]  # a macro is run by whoever calls it
            if saved and (each.search.scheduled or each.has("fit")):
                found.setdefault(self.owner(each.search), []).append(each)
        return found

    def path(self, folder: str) -> str:
        """Return the endpoint of a folder, as lines name it."""
        return within(self.name, folder)


def within(app: str, folder: str) -> str:
    """Return the endpoint that lists what searches of an app see."""
    return f"/servicesNS/-/{app}/{folder}"


def read(splunk: SearchHead, name: str, entry: Entry) -> Installed:
    """Read the objects of the app `name`, whose own entry is `entry`.

    Raises:
        Refused, NoAnswer: a list is refused, or nothing answers.
    """
    folders = (SAVED, MACROS, TRANSFORMS, COLLECTIONS, LOOKUPS)
    return Installed(name, entry, {each: _listed(splunk, name, each) for each in folders})


def _listed(splunk: SearchHead, app: str, folder: str) -> dict[str, Entry]:
    """Return the entries by name; of two with one name the app's own."""
    entries = splunk.rest.entries(within(app, folder))[0]
    return {str(each["name"]): each for each in sorted(entries, key=lambda each: each["acl"].get("app") == app)}


def _stanza(name: str, entry: Entry) -> Stanza:
    settings = {key: str(value) for key, value in entry.items() if isinstance(value, str | int | float)}
    return Stanza(name, 0, settings)
