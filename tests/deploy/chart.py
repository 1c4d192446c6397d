"""The chart as tests see it: rendered with values, and its objects asked for a field by a path."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.deploy import tools
from tests.support.service import ROOT

CHART = ROOT / "deploy" / "helm"
ABSENT = "<absent>"


@dataclass(frozen=True)
class Rendered:
    """What helm wrote for a set of values: the text, and the objects in it."""

    text: str
    objects: list[dict[str, Any]]

    @property
    def kinds(self) -> list[str]:
        return sorted(each["kind"] for each in self.objects)

    def one(self, name: str) -> dict[str, Any]:
        """Return the object of a kind; where there are several, ``Kind/name`` says which."""
        kind, _, own = name.partition("/")
        found = [each for each in self.objects if each["kind"] == kind and own in ("", each["metadata"]["name"])]
        assert len(found) == 1, f"{len(found)} objects {name}"
        return found[0]

    def get(self, place: str) -> Any:
        """Return the value at ``Kind a.b.name.c``, or `ABSENT`. Items of a list are named by their name or number."""
        name, _, path = place.partition(" ")
        value: Any = self.one(name)
        for step in path.split("."):
            value = _step(value, step.replace("~", "."))
        return value


def _step(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step, ABSENT)
    if isinstance(value, list):
        if step.isdecimal():
            return value[int(step)] if int(step) < len(value) else ABSENT
        return next((each for each in value if each.get("name") == step), ABSENT)
    return ABSENT


def template(values: dict[str, Any], folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Render the chart as release ``t`` of the namespace ``n``; the process and what it said."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    command = [tools.helm(), "template", "t", CHART, "--namespace", "n", "--values", file, *options]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def render(values: dict[str, Any], folder: Path, *options: str) -> Rendered:
    """Render the chart.

    Raises:
        AssertionError: helm refused, with what it said.
    """
    done = template(values, folder, *options)
    assert done.returncode == 0, done.stderr
    return Rendered(done.stdout, [each for each in yaml.safe_load_all(done.stdout) if each])
