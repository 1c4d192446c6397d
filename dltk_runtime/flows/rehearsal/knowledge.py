"""What a rehearsal knows of its sample, and the flow does not: the correct label of each record."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dltk_runtime.flows.flow import Flow
from dltk_runtime.flows.kinds import Kind, Predicts
from dltk_runtime.flows.rehearsal.world import BEGIN


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The correct label of each entity, and the metric that decides on promotion.

    `anomalies` are the times of each entity's anomalies in epoch seconds, of a flow without a
    target; `span` is the time that one of its rows stands for, in seconds. `numbers` are the values
    of a target that is a number, by entity and second.
    """

    truth: Mapping[str, str]
    predicted: str = "predicted_y"
    positive: str = "bad"
    metric: str = "accuracy"
    anomalies: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    span: float = 1.0
    predicts: Predicts = Predicts.YES_NO
    numbers: Mapping[tuple[str, int], float] = field(default_factory=dict)
    score: str = ""  # column of the probability, of a flow with a queue

    def bad(self, row: Mapping[str, str]) -> bool | None:
        """Return whether the record is positive in truth; None when nobody knows."""
        entity = row.get("entity", "")
        if self.anomalies:
            begin = float(row.get("_time", 0))
            return any(begin <= time < begin + self.span for time in self.anomalies.get(entity, ()))
        label = self.truth.get(entity)
        return None if not label else label == self.positive

    def right(self, row: Mapping[str, str]) -> bool | None:
        """Return whether the prediction is the correct one; None when nobody knows, or for numbers."""
        if self.predicts is Predicts.CLASS:
            label, predicted = self.truth.get(row.get("entity", "")), row.get(self.predicted)
            return predicted == label if label and predicted else None
        if self.predicts is Predicts.NUMBER:
            return None
        bad, called = self.bad(row), self.found(row)
        return None if bad is None or called is None else bad == called

    def error(self, row: Mapping[str, str]) -> float | None:
        """Return by how much a predicted number is wrong; None when nobody knows."""
        value = self.numbers.get((row.get("entity", ""), int(float(row.get("_time", 0)))))
        predicted = row.get(self.predicted)
        return abs(float(predicted) - value) if predicted and value is not None else None

    def found(self, row: Mapping[str, str]) -> bool | None:
        """Return whether the model calls the record positive; None without a prediction."""
        predicted = row.get(self.predicted)
        return float(predicted) >= 0.5 if predicted else None


def knowledge_of(flow: Flow | None, sample: Path) -> Knowledge:
    """Return what the sample says; a hand-written app has no flow."""
    if flow is None:
        return Knowledge(truth(sample))
    if flow.predicts is Predicts.NUMBER:
        # What a window's number should be follows from prepare, which only the flow knows.
        numbers = _numbers(sample, flow.target) if flow.kind is Kind.DIRECT else {}
        return Knowledge({}, flow.predicted, flow.positive, flow.metric, predicts=flow.predicts, numbers=numbers)
    if flow.target:
        known = truth(sample)
        return Knowledge(known, flow.predicted, flow.positive, flow.metric, predicts=flow.predicts, score=flow.score)
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


def _numbers(sample: Path, target: str) -> dict[tuple[str, int], float]:
    """Return the sample's values of the target by entity and second; of two in one second none."""
    found: dict[tuple[str, int], list[float]] = {}
    for row in csv.DictReader(sample.read_text(encoding="utf-8").splitlines()):
        if row.get(target):
            entity = (row.get("entity") or row.get("host") or "").lower()
            found.setdefault((entity, int(BEGIN + float(row["offset"]))), []).append(float(row[target]))
    return {key: values[0] for key, values in found.items() if len(values) == 1}


def _judged(sample: Path) -> Iterator[tuple[dict[str, str], str]]:
    for row in csv.DictReader(sample.read_text(encoding="utf-8").splitlines()):
        if row.get("verdict"):
            yield row, row["verdict"]
