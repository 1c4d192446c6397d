"""What a rehearsal knows of its sample, and the flow does not: the correct label of each record."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dltk_runtime.flows.flow import Flow, Kind
from dltk_runtime.flows.rehearsal.world import BEGIN


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The correct label of each entity, and the metric that decides on promotion.

    `anomalies` are the times of each entity's anomalies in epoch seconds, of a flow without a
    target; `span` is the time that one of its rows stands for, in seconds.
    """

    truth: Mapping[str, str]
    predicted: str = "predicted_y"
    positive: str = "bad"
    metric: str = "accuracy"
    anomalies: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    span: float = 1.0

    def bad(self, row: Mapping[str, str]) -> bool | None:
        """Return whether the record is positive in truth; None when nobody knows."""
        entity = row.get("entity", "")
        if self.anomalies:
            begin = float(row.get("_time", 0))
            return any(begin <= time < begin + self.span for time in self.anomalies.get(entity, ()))
        label = self.truth.get(entity)
        return None if not label else label == self.positive

    def found(self, row: Mapping[str, str]) -> bool | None:
        """Return whether the model calls the record positive; None without a prediction."""
        predicted = row.get(self.predicted)
        return float(predicted) >= 0.5 if predicted else None


def knowledge_of(flow: Flow | None, sample: Path) -> Knowledge:
    """Return what the sample says; a hand-written app has no flow."""
    if flow is None:
        return Knowledge(truth(sample))
    if flow.target:
        return Knowledge(truth(sample), flow.predicted, flow.positive, flow.metric)
    span = flow.interval * 60.0 if flow.kind is Kind.SUMMARY else 1.0
    return Knowledge({}, flow.predicted, flow.positive, "", _anomalies(sample, flow.positive), span)


def truth(sample: Path) -> dict[str, str]:
    """Return the sample's column ``verdict`` by ``entity``, or ``query``, in lower case."""
    return {(row.get("entity") or row.get("query") or "").lower(): verdict for row, verdict in _judged(sample)}


def _anomalies(sample: Path, positive: str) -> dict[str, tuple[float, ...]]:
    found: dict[str, list[float]] = {}
    for row, verdict in _judged(sample):
        if verdict == positive:
            entity = (row.get("entity") or row.get("host") or "").lower()
            found.setdefault(entity, []).append(BEGIN + float(row["offset"]))
    return {entity: tuple(times) for entity, times in found.items()}


def _judged(sample: Path) -> Iterator[tuple[dict[str, str], str]]:
    for row in csv.DictReader(sample.read_text(encoding="utf-8").splitlines()):
        if row.get("verdict"):
            yield row, row["verdict"]
