"""The table of options.toml: what Dashboard Studio takes, with its source."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OPTIONS = Path(__file__).with_name("options.toml")


@dataclass(frozen=True, slots=True)
class Table:
    """Names by what they are; `options` by type of visualization, `choices` by option."""

    visualizations: frozenset[str]
    data_sources: frozenset[str]
    inputs: frozenset[str]
    sections: frozenset[str]
    boolean: frozenset[str]
    number: frozenset[str]
    options: Mapping[str, frozenset[str]]
    choices: Mapping[str, frozenset[str]]


@functools.cache
def table() -> Table:
    """Return the table; the four charts with axes have their options too."""
    read = tomllib.loads(OPTIONS.read_text(encoding="utf-8"))
    plain = {name: frozenset(text.split()) for name, text in read.items() if isinstance(text, str)}
    axes = plain.pop("axes")
    own = {kind: frozenset(text.split()) for kind, text in read["options"].items()}
    charts = dict.fromkeys(("splunk.column", "splunk.bar", "splunk.area", "splunk.line"), axes)
    options = {kind: names | charts.get(kind, frozenset()) for kind, names in own.items()}
    return Table(
        **plain, options=options, choices={name: frozenset(each.split()) for name, each in read["choices"].items()}
    )
