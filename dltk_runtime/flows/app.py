"""Read a generated or hand-written Splunk app; ``local`` overrides ``default``."""

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
from dltk_runtime.flows.studio.definition import definition, queries


@dataclass(frozen=True, slots=True)
class AppSearch:
    """One search of an app, saved or in a dashboard.

    `text` is as written, with macro calls; `stanza` holds the other settings; `view` is the name
    of the dashboard, or "".
    """

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
    """The app in `folder`; files are read on first access.

    Raises:
        FlowInvalid: `folder` has no ``default/app.conf``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.resolve().name
        self._confs: dict[str, list[Stanza]] = {}
        if not (folder / "default" / "app.conf").is_file():
            raise FlowInvalid(f"{folder} is not a Splunk app: default/app.conf is missing")

    def conf(self, name: str) -> list[Stanza]:
        """Return the stanzas of a file; settings in ``local`` override those in ``default``."""
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
        """Return one setting, or ""."""
        return next((each.get(key) for each in self.conf(file) if each.name == stanza), "")

    @cached_property
    def macros(self) -> dict[str, Macro]:
        """The macros by name as Splunk writes it, ``label(3)`` with arguments."""
        return {
            stanza.name: Macro(tuple(re.findall(r"\w+", stanza.get("args"))), stanza.get("definition"))
            for stanza in self.conf("macros.conf")
        }

    @cached_property
    def searches(self) -> list[AppSearch]:
        """The saved searches in the order of their file, then those of the dashboards."""
        saved = [
            AppSearch(stanza.name, stanza.get("search"), "default/savedsearches.conf", stanza.line, stanza)
            for stanza in self.conf("savedsearches.conf")
            if stanza.get("search")
        ]
        return saved + [search for path in self.views for search in _in_view(path, self.folder)]

    @cached_property
    def views(self) -> list[Path]:
        """The dashboards' files."""
        found = {path.name: path for layer in ("default", "local") for path in self._xml(layer)}
        return list(found.values())

    def expanded(self, search: AppSearch) -> str:
        """Return the search's text with the app's macros expanded; unknown ones stay.

        Raises:
            SearchInvalid: a macro calls itself or has another number of arguments.
        """
        return expand(search.text, self.macros, unknown="keep")

    def readable(self, search: AppSearch) -> str:
        """Return `expanded`, or the text as written when a macro cannot be expanded."""
        try:
            return self.expanded(search)
        except SearchInvalid:
            return search.text

    def files(self) -> Iterator[Path]:
        """Return every file of the app."""
        return atomic.regular_files(self.folder)

    def _xml(self, layer: str) -> list[Path]:
        return sorted((self.folder / layer / "data" / "ui" / "views").glob("*.xml"))


def find_apps(folder: Path) -> list[App]:
    """Return the app in `folder`, or the apps directly below it, those with searches first.

    Raises:
        FlowInvalid: there is no app.
    """
    if (folder / "default" / "app.conf").is_file():
        return [App(folder)]
    found = [App(path.parent.parent) for path in sorted(folder.glob("*/default/app.conf"))]
    if not found:
        raise FlowInvalid(f"no Splunk app in {folder} or directly below it: found no default/app.conf")
    return sorted(found, key=lambda app: not app.conf("savedsearches.conf"))


def _in_view(path: Path, folder: Path) -> Iterator[AppSearch]:
    try:
        root = ET.parse(path).getroot()  # noqa: S314 - files of the person who runs the command
    except ET.ParseError:
        return  # rule 713 reports it
    text = path.read_text(encoding="utf-8")
    for number, element in enumerate(root.iter("search"), 1):
        query = (element.findtext("query") or "").strip()
        if query:
            line = text[: max(text.find(query), 0)].count("\n") + 1
            name = element.get("id") or f"search {number}"
            file = str(path.relative_to(folder))
            yield AppSearch(name, query, file, line, Stanza(name, line, _times(element)), view=path.stem)
    yield from _in_studio(root, text, path, folder)


def _in_studio(root: ET.Element, text: str, path: Path, folder: Path) -> Iterator[AppSearch]:
    try:
        found = definition(root)
    except ValueError:
        return  # rule 721 reports it
    for source, query in queries(found or {}):
        line = text[: max(text.find(f'"{source.name}": {{'), 0)].count("\n") + 1
        given = {"dispatch.earliest_time": source.earliest, "dispatch.latest_time": source.latest}
        stanza = Stanza(source.name, line, {key: time for key, time in given.items() if time})
        yield AppSearch(source.name, query, str(path.relative_to(folder)), line, stanza, view=path.stem)


def _times(element: ET.Element) -> dict[str, str]:
    found = {"earliest": "dispatch.earliest_time", "latest": "dispatch.latest_time"}
    return {key: text for tag, key in found.items() if (text := (element.findtext(tag) or "").strip())}
