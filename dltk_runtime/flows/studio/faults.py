"""What Dashboard Studio would refuse in a definition, or draw as if it were not there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dltk_runtime.errors import nearest
from dltk_runtime.flows.studio.definition import section, sources
from dltk_runtime.flows.studio.table import table

_CONTEXT = re.compile(r"\b(?:rangeValue|matchValue|gradient)\(\s*([A-Za-z_]\w*)\s*\)")
# A token of the dashboard, or an expression over its data, stands for a value that nobody knows here.
_COMPUTED = re.compile(r"^\s*>|\$[^$\s]+\$")


def faults(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield each fault in one sentence, with the name of what has it."""
    for name in found.keys() - table().sections:
        yield f"{name} is no section of a definition.{nearest(name, table().sections)}"
    yield from _types(found)
    yield from _data_sources(found)
    known = set(section(found, "dataSources"))
    for name, panel in section(found, "visualizations").items():
        yield from (f"{name}: {fault}" for fault in (_of_panel(panel, known) if isinstance(panel, dict) else ()))
    yield from _layout(found)


def _types(found: Mapping[str, Any]) -> Iterator[str]:
    known = {
        "visualizations": table().visualizations,
        "dataSources": table().data_sources,
        "inputs": table().inputs,
    }
    for part, types in known.items():
        for name, each in section(found, part).items():
            kind = str(each.get("type", "")) if isinstance(each, dict) else ""
            own = part == "visualizations" and "." in kind and not kind.startswith("splunk.")  # of another app
            if kind not in types and not own:
                yield f"{name}: Studio has no type {kind!r}.{nearest(kind, types)}"


def _data_sources(found: Mapping[str, Any]) -> Iterator[str]:
    kinds = {name: each.get("type") for name, each in section(found, "dataSources").items() if isinstance(each, dict)}
    for source in sources(found):
        kind = kinds.get(source.name)
        if kind == "ds.search" and not source.query:
            yield f"{source.name}: has no query"
        elif kind == "ds.savedSearch" and not source.saved:
            yield f"{source.name}: has no ref, the name of a saved search"
        elif kind == "ds.savedSearch" and not source.app:
            yield f"{source.name}: names no app, so Studio looks for {source.saved} in the app search"
        elif kind == "ds.chain" and source.extends not in kinds:
            yield f"{source.name}: extends {source.extends!r}, which is no data source"


def _of_panel(panel: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    for name in section(panel, "dataSources").values():
        if name not in known:
            yield f"{name} is no data source"
    kind, context = str(panel.get("type", "")), section(panel, "context")
    for name, value in section(panel, "options").items():
        yield from _of_option(kind, name, value)
        for used in _CONTEXT.findall(str(value)):
            if used not in context:
                yield f"{name} uses {used}, which is not in its context"


def _of_option(kind: str, name: str, value: object) -> Iterator[str]:
    known, choices = table().options.get(kind), table().choices.get(name)
    if known is None:
        return  # of this type no option is in the table
    if name not in known:
        yield f"{kind} has no option {name!r}.{nearest(name, known)}"
    elif isinstance(value, str) and _COMPUTED.search(value):
        return
    elif choices is not None and value not in choices:
        yield f"{name} is {value!r}; it takes {', '.join(sorted(choices))}"
    elif name in table().boolean and not isinstance(value, bool):
        yield f"{name} is {value!r}; it takes true or false"
    elif name in table().number and (isinstance(value, bool) or not isinstance(value, (int, float))):
        yield f"{name} is {value!r}; it takes a number"


def _layout(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield panels and inputs that the layout names and that are not there, and panels that it leaves out."""
    layout = section(found, "layout")
    several = [each for each in section(layout, "layoutDefinitions").values() if isinstance(each, dict)]
    placed = [
        str(item.get("item", ""))
        for each in (layout, *several)
        for item in each.get("structure") or []
        if isinstance(item, dict)
    ]
    panels, inputs = section(found, "visualizations"), section(found, "inputs")
    for name in placed:
        if name not in panels and name not in inputs:
            yield f"the layout places {name}, which is not there"
    for name in layout.get("globalInputs") or []:
        if name not in inputs:
            yield f"the layout shows the input {name}, which is not there"
    yield from (f"{name}: the layout places it nowhere" for name in panels if name not in placed)
