"""Draw mistakes by a seed: so many of each kind, in every template."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from dltk_runtime.flows.defaults import defaults
from dltk_runtime.flows.flow import FILE, text_of
from dltk_runtime.flows.generate import files
from dltk_runtime.flows.kinds import Kind, Source
from tests.flows.helpers import flow_of
from tests.flows.mutation.edits import Mistake, Texts
from tests.flows.mutation.mistakes import KINDS

TEMPLATES: Mapping[str, Mapping[str, Any]] = {
    "direct": {"kind": "direct"},
    "summary": {"kind": "summary"},
    "metrics": {"kind": "summary", "source": "metrics"},
    "datamodel": {"kind": "summary", "source": "datamodel"},
    "feedback": {"kind": "feedback"},
    "anomalies": {"kind": "direct", "anomalies": True},
    "labelled": {
        "kind": "summary",
        "labels": True,
        "scoring": "raw",
        "positive": "dga",  # what the people of a rehearsed app click
        "negative": "legit",
        "score": "dga_score",
        "prepare": defaults(Kind.SUMMARY, Source.EVENTS, "x")["prepare"],
    },
    "minutes": {"kind": "summary", "interval": 1},
    "days": {"kind": "summary", "interval": 1440, "zone": "Europe/Berlin"},
}


def app_of(template: str) -> dict[str, str]:
    """Return the files of the flow ``x`` of that template, as ``dltk flow new`` writes them."""
    flow = flow_of(**TEMPLATES[template])
    return files(flow) | {FILE: text_of(flow)}


def draw(template: str, texts: Texts, seed: int, each: int) -> list[Mistake]:
    """Return at most `each` mistakes of every kind; a text that comes about twice counts once."""
    found: dict[tuple[str, str], Mistake] = {}
    for name, kind in KINDS.items():
        chosen = sorted(kind(texts), key=lambda mistake: (mistake.path, mistake.line, mistake.old, mistake.new))
        # A text as seed: the same draw under every version of Python's hashes.
        random.Random(f"{seed} {template} {name}").shuffle(chosen)
        for mistake in chosen[:each]:
            if mistake.text != texts[mistake.path]:
                found.setdefault((mistake.path, mistake.text), mistake)
    return list(found.values())
