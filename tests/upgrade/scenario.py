"""The recorded scenario: an ordered list of requests with names, and the notebooks that they use.

``recorded/scenario.yaml`` holds one mapping for each step. How its request is made:

* ``fit:`` and ``apply:`` are what Splunk sends, made of ``algo``, ``model``, ``data`` (or ``rows: [header, row, n]``),
  ``target``, ``params`` and ``features``; ``meta`` and ``options`` are merged over it;
* ``send: POST /path`` is any other request. Its ``body`` is a text, ``bytes`` one in Latin-1, ``repeat: [text, n]`` a
  long one;
* ``authorization`` takes the place of the token (null: no such header), ``headers`` adds others.

What comes before it: ``files`` writes texts below the home, ``notebooks`` puts notebooks of the scenario in place under
other names, ``move`` renames, and ``wait: [path, pattern]`` polls a GET until the pattern is in its answer.

What becomes of the answer: ``remember: NAME`` notes the newest job, for ``{job:NAME}`` in later paths. With
``background: true`` the next steps do not wait for the answer, and one with ``answer_of`` records it. ``part: status``
records no body, where that may be one or the other, and ``unrecorded: true`` nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.upgrade.blackbox import splunk_meta

RECORDED = Path(__file__).parent / "recorded"
KEYS = {
    *("name", "fit", "apply", "send", "body", "bytes", "repeat", "authorization", "headers"),
    *("wait", "files", "notebooks", "move", "remember", "background", "answer_of", "part", "unrecorded"),
}

Step = dict[str, Any]


def steps() -> list[Step]:
    """All steps, in their order."""
    found: list[Step] = yaml.safe_load((RECORDED / "scenario.yaml").read_text(encoding="utf-8"))["steps"]
    for step in found:
        assert KEYS.issuperset(step), f"unknown keys: {set(step) - KEYS} in {step}"
    return found


def route_of(step: Step) -> tuple[str, str]:
    """The method and path of a step's request."""
    if "send" in step:
        method, path = step["send"].split(" ", 1)
        return method, path
    return "POST", "/fit" if "fit" in step else "/apply"


def body_of(step: Step) -> bytes | None:
    """The body of a step's request."""
    if "repeat" in step:
        text, times = step["repeat"]
        return (text * times).encode()
    if "bytes" in step:
        return str(step["bytes"]).encode("latin-1")
    if "body" in step:
        body = step["body"]
        return body.encode() if isinstance(body, str) else json.dumps(body).encode()
    asked = step.get("fit", step.get("apply"))
    return None if asked is None else json.dumps(_asked(asked)).encode()


def _asked(asked: dict[str, Any]) -> dict[str, Any]:
    """The object that Splunk sends for a search."""
    header, row, times = asked.get("rows", ("", "", 0))
    data = asked.get("data", header + row * times)
    params = ({"algo": asked["algo"]} if "algo" in asked else {}) | asked.get("params", {})
    meta = splunk_meta(data, asked.get("model"), params, asked.get("target", ""), asked.get("features"))
    meta["options"] |= asked.get("options", {})
    return {"data": data, "meta": meta | asked.get("meta", {})}


def write_notebooks(folder: Path) -> None:
    """Write every notebook of the scenario."""
    for path in sorted((RECORDED / "notebooks").glob("*.txt")):
        write_notebook(path.stem, folder / f"{path.stem}.ipynb")


def write_notebook(name: str, path: Path) -> None:
    """Write the notebook `name` of the scenario to `path`."""
    text = (RECORDED / "notebooks" / f"{name}.txt").read_text(encoding="utf-8")
    document = {"cells": list(_cells(text)), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(document), encoding="utf-8")
    temporary.replace(path)  # as JupyterLab does, so that no half of it is ever read


def _cells(text: str) -> Iterator[dict[str, Any]]:
    """The cells of a text in which ``# %%`` begins one, with its name, ``tags=a,b`` or ``[markdown]``."""
    for block in ("\n" + text).split("\n# %%")[1:]:
        header, _, source = block.partition("\n")
        kind = header.strip()
        if kind == "[markdown]":
            yield {"cell_type": "markdown", "metadata": {}, "source": source.strip()}
            continue
        metadata: dict[str, Any] = {"name": kind} if kind else {}
        if kind.startswith("tags="):
            metadata = {"tags": kind.removeprefix("tags=").split(",")}
        yield {
            "cell_type": "code",
            "metadata": metadata,
            "source": source.rstrip(),
            "outputs": [],
            "execution_count": None,
        }
