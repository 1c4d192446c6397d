"""Write a dashboard for Dashboard Studio from a plan: rows of panels, each with its search.

A plan is a YAML document::

    label: "web: overview"
    description: What was scored.
    time: -24h@h,now                  # the default of an input for the time range; searches follow it
    rows:
      - - id: missed
          title: Rows that were not scored
          type: splunk.singlevalue
          query: index=… | stats …    # or report: NAME, a saved search of the app
          earliest: -30d@d            # instead of the input
          options: {…}
          context: {…}

No theme is written, so a dashboard takes the one that Splunk is shown in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

import yaml

from dltk_runtime.flows.render import opened

# With libyaml, which PyYAML has where its wheels are, ten times as fast.
LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
GRID_PIXELS = 1200  # the width of a row
HEIGHT_PIXELS: Mapping[str, int] = {"splunk.singlevalue": 160, "splunk.markdown": 100, "splunk.table": 400}
CHART_PIXELS = 300
TIME_INPUT, TIME_TOKEN = "input_time", "time"

PLAN = ".yaml"

Panel = Mapping[str, Any]


def with_views(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files of an app with a view in place of each plan."""
    return {
        name.removesuffix(PLAN) + ".xml" if name.endswith(PLAN) else name: (
            view(text, name.partition("/")[0]) if name.endswith(PLAN) else text
        )
        for name, text in files.items()
    }


def view(plan: str, app: str) -> str:
    """Return the text of the view of a plan; `app` is that of its saved searches."""
    content = _with_values(yaml.load(plan, LOADER))  # noqa: S506 - both are safe ones
    body = json.dumps(_definition(content, app), indent=2, ensure_ascii=False).replace("]]>", "]]\\u003e")  # ends CDATA
    return (
        '<dashboard version="2">\n'
        f"  <label>{escape(content['label'])}</label>\n"
        f"  <description>{escape(content['description'])}</description>\n"
        f"  <definition><![CDATA[\n{body}\n  ]]></definition>\n"
        "</dashboard>\n"
    )


def _with_values(part: Any) -> Any:
    """Return a part of a plan with the values that its template has sealed."""
    if isinstance(part, dict):
        return {key: _with_values(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_with_values(value) for value in part]
    return opened(part) if isinstance(part, str) else part


def _definition(content: Mapping[str, Any], app: str) -> dict[str, Any]:
    rows, time = content["rows"], content.get("time", "")
    panels = [panel for row in rows for panel in row]
    asked = {TIME_INPUT: _time_input(time)} if time else {}
    return {
        "title": content["label"],
        "description": content["description"],
        "inputs": asked,
        "defaults": {},
        "visualizations": {f"viz_{panel['id']}": _visualization(panel) for panel in panels},
        "dataSources": {f"ds_{panel['id']}": _source(panel, app, timed=bool(time)) for panel in panels},
        "layout": {
            "type": "grid",
            "options": {},
            "globalInputs": list(asked),
            "structure": list(_structure(rows)),
        },
    }


def _time_input(default: str) -> dict[str, Any]:
    return {"type": "input.timerange", "title": "Time", "options": {"token": TIME_TOKEN, "defaultValue": default}}


def _visualization(panel: Panel) -> dict[str, Any]:
    made = {
        "type": panel["type"],
        "title": panel["title"],
        "dataSources": {"primary": f"ds_{panel['id']}"},
        "options": panel.get("options", {}),
    }
    return made | ({"context": panel["context"]} if "context" in panel else {})


def _source(panel: Panel, app: str, *, timed: bool) -> dict[str, Any]:
    """Return the data source of a panel. Studio looks for a saved search in the app search, unless told of another."""
    if "report" in panel:
        return {"type": "ds.savedSearch", "name": panel["id"], "options": {"ref": panel["report"], "app": app}}
    times = {"earliest": f"${TIME_TOKEN}.earliest$", "latest": f"${TIME_TOKEN}.latest$"}
    fixed = {"earliest": panel.get("earliest", "-1h"), "latest": "now"}
    parameters = times if timed and "earliest" not in panel else fixed
    return {
        "type": "ds.search",
        "name": panel["id"],
        "options": {"query": panel["query"], "queryParameters": parameters},
    }


def _structure(rows: Sequence[Sequence[Panel]]) -> Iterator[dict[str, Any]]:
    """Yield the place of each panel: those of a row share its width, the tallest one makes its height."""
    top = 0
    for row in rows:
        width = GRID_PIXELS // len(row)
        height = max(HEIGHT_PIXELS.get(panel["type"], CHART_PIXELS) for panel in row)
        for at, panel in enumerate(row):
            position = {"x": at * width, "y": top, "w": width, "h": height}
            yield {"item": f"viz_{panel['id']}", "type": "block", "position": position}
        top += height
