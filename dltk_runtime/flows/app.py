"""An app as it lies in a folder, ours or hand-made: its confs, views and macros, ``local`` over ``default``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree as ET

from dltk_runtime.emulator.errors import SearchInvalid
from dltk_runtime.emulator.spl.macros import Macro, expand
from dltk_runtime.files import atomic
from dltk_runtime.flows import conf
from dltk_runtime.flows.conf import Stanza
from dltk_runtime.flows.errors import FlowInvalid


@dataclass(frozen=True, slots=True)
class Search:
    """One search of an app, saved or in a dashboard; `text` calls macros, `stanza` holds the settings around it."""

    name: str
    text: str
    file: str
    line: int
    stanza: Stanza
    view: str = ""

    @property
    def scheduled(self) -> bool:
        return bool(self.stanza.get("cron_schedule")) and not self.view


class App:
    """The app in `folder`; everything is read when it is first asked for.

    Raises:
        FlowInvalid: there is no ``default/app.conf``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.resolve().name
        self._confs: dict[str, list[Stanza]] = {}
        if not (folder / "default" / "app.conf").is_file():
            raise FlowInvalid(f"{folder} is no Splunk app: it has no default/app.conf")

    def conf(self, name: str) -> list[Stanza]:
        """The stanzas of a file, settings of ``local`` over those of ``default``."""
        if name not in self._confs:
            self._confs[name] = self._read(name)
        return self._confs[name]

    def _read(self, name: str) -> list[Stanza]:
        merged: dict[str, Stanza] = {}
        for layer in ("default", "local"):
            for stanza in conf.read(self.folder / layer / name):
                known = merged.setdefault(stanza.name, Stanza(stanza.name, stanza.line))
                known.settings.update(stanza.settings)
        return list(merged.values())

    def setting(self, file: str, stanza: str, key: str) -> str:
        """One setting, or nothing."""
        return next((each.get(key) for each in self.conf(file) if each.name == stanza), "")

    @cached_property
    def macros(self) -> dict[str, Macro]:
        """By name as Splunk writes it, ``label(3)``."""
        return {
            stanza.name: Macro(tuple(re.findall(r"\w+", stanza.get("args"))), stanza.get("definition"))
            for stanza in self.conf("macros.conf")
        }

    @cached_property
    def searches(self) -> list[Search]:
        """Saved searches in the order of their file, then those of the dashboards."""
        saved = [
            Search(stanza.name, stanza.get("search"), "default/savedsearches.conf", stanza.line, stanza)
            for stanza in self.conf("savedsearches.conf")
            if stanza.get("search")
        ]
        return saved + [search for path in self.views for search in _in_view(path, self.folder)]

    @cached_property
    def views(self) -> list[Path]:
        """The dashboards' files."""
        found = {path.name: path for layer in ("default", "local") for path in self._xml(layer)}
        return list(found.values())

    def expanded(self, search: Search) -> str:
        """The search's text with the app's macros put in; unknown ones stay.

        Raises:
            SearchInvalid: a macro calls itself, or its arguments are wrong in number.
        """
        return expand(search.text, self.macros, unknown="keep")

    def readable(self, search: Search) -> str:
        """As `expanded`, or the text as it stands when that cannot be done."""
        try:
            return self.expanded(search)
        except SearchInvalid:
            return search.text

    def files(self) -> Iterator[Path]:
        """Every file of the app."""
        return atomic.regular_files(self.folder)

    def _xml(self, layer: str) -> list[Path]:
        return sorted((self.folder / layer / "data" / "ui" / "views").glob("*.xml"))


def find_apps(folder: Path) -> list[App]:
    """The app in `folder`, or the apps right below it; those with searches first.

    Raises:
        FlowInvalid: there is none.
    """
    if (folder / "default" / "app.conf").is_file():
        return [App(folder)]
    found = [App(path.parent.parent) for path in sorted(folder.glob("*/default/app.conf"))]
    if not found:
        raise FlowInvalid(f"no Splunk app in {folder} nor in a folder right below it: looked for default/app.conf")
    return sorted(found, key=lambda app: not app.conf("savedsearches.conf"))


def _in_view(path: Path, folder: Path) -> Iterator[Search]:
    try:
        root = ET.parse(path).getroot()  # noqa: S314 - files of the person who runs the command
    except ET.ParseError:
        return  # a rule of its own says so
    text = path.read_text(encoding="utf-8")
    for number, element in enumerate(root.iter("search"), 1):
        query = (element.findtext("query") or "").strip()
        if query:
            line = text[: max(text.find(query), 0)].count("\n") + 1
            name = element.get("id") or f"search {number}"
            file = str(path.relative_to(folder))
            yield Search(name, query, file, line, Stanza(name, line, _times(element)), view=path.stem)


def _times(element: ET.Element) -> dict[str, str]:
    found = {"earliest": "dispatch.earliest_time", "latest": "dispatch.latest_time"}
    return {key: text for tag, key in found.items() if (text := (element.findtext(tag) or "").strip())}
