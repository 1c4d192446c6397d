"""Chapter 7, dashboards of Dashboard Studio: what it would refuse, ignore, or show badly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from dltk_runtime.flows.app import App
from dltk_runtime.flows.rules.rule import Found, Rule
from dltk_runtime.flows.studio.colours import unseen
from dltk_runtime.flows.studio.definition import definition
from dltk_runtime.flows.studio.faults import faults


def _definitions(app: App) -> Iterator[tuple[str, ET.Element, dict[str, Any] | str]]:
    """Yield place, view and definition of each Studio dashboard, or why that cannot be read."""
    for path in app.views:
        try:
            root = ET.parse(path).getroot()  # noqa: S314 - the user's own files
        except ET.ParseError:
            continue  # rule 713 reports it
        where = str(path.relative_to(app.folder))
        try:
            found = definition(root)
        except ValueError as error:
            yield where, root, str(error)
            continue
        if found is not None:
            yield where, root, found


def _refused(app: App, _: Sequence[App]) -> Iterator[Found]:
    for where, _root, found in _definitions(app):
        said = [f"the definition cannot be read: {found}"] if isinstance(found, str) else faults(found)
        yield from (Found(where, each) for each in said)


def _unseen(app: App, _: Sequence[App]) -> Iterator[Found]:
    for where, root, found in _definitions(app):
        if not isinstance(found, str):
            yield from (Found(where, each) for each in unseen(found, root.get("theme", "")))


RULES = (
    Rule(
        721,
        "Dashboard Studio refuses it, or draws the panel as if it were not there.",
        "Take types, options and names from the table in dltk_runtime/flows/studio/options.toml, or from Splunk's page "
        "Visualization configuration options.",
        _refused,
    ),
    Rule(
        722,
        "A colour that can hardly be seen in one of the two themes.",
        "Take one with a contrast of 3 or more to white and to #0b0c0e, or leave it to Studio.",
        _unseen,
    ),
)
