"""The time series that PromQL names, and those that a server's ``/metrics`` has."""

from __future__ import annotations

import re
from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families

# A matcher's text may hold a variable of Grafana; labels that Prometheus adds to what it scrapes are not the server's.
_SELECTOR = re.compile(r"\b(?P<name>dltk_\w+)(?:\{(?P<matchers>[^}]*)\})?")
_MATCHER = re.compile(r'(?P<label>\w+)\s*(?P<how>=~|!~|!=|=)\s*"(?P<text>[^"]*)"')
_LABELS_BY = re.compile(r"\b(?:by|without|ignoring|on)\s*\(([^)]*)\)")
ADDED_BY_PROMETHEUS = {"job", "pod", "namespace", "instance", "container"}
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


class Served:
    """The names, labels and label values that a text of ``/metrics`` has."""

    def __init__(self, text: str) -> None:
        self.names: set[str] = set()
        self.values: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(text):
            self.names |= {family.name + suffix for suffix in _SUFFIXES.get(family.type, ("",))}
            for sample in family.samples:
                for label, value in sample.labels.items():
                    self.values.setdefault(label, set()).add(value)


def unknown(expression: str, served: Served) -> list[str]:
    """Return what `expression` asks for and the server does not have: names, labels, and values of labels."""
    found = list(_SELECTOR.finditer(expression))
    wrong = [match["name"] for match in found if match["name"] not in served.names]
    for match in found:
        for matcher in _MATCHER.finditer(match["matchers"] or ""):
            wrong += _unknown_matcher(matcher["label"], matcher["how"], matcher["text"], served)
    for group in _LABELS_BY.findall(expression):
        wrong += [label for label in _words(group) if label not in served.values.keys() | ADDED_BY_PROMETHEUS | {"le"}]
    return wrong if found else [f"no metric of ours: {expression}"]


def _unknown_matcher(label: str, how: str, text: str, served: Served) -> list[str]:
    if label in ADDED_BY_PROMETHEUS:
        return []
    if label not in served.values:
        return [label]
    values = text.split("|") if how in ("=~", "!~") else [text]
    return [f'{label}="{value}"' for value in values if value not in served.values[label]]


def _words(group: str) -> Iterable[str]:
    return (word.strip() for word in group.split(",") if word.strip())
