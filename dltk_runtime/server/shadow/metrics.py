"""What ``/metrics`` says of the shadow, while there is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from dltk_runtime.server.shadow.shadow import Shadowing

LABELS = ("algorithm", "model", "verdict")


class ShadowMetrics(Collector):
    """Counts since the start of the server, and what waits now."""

    def __init__(self, shadow: Shadowing) -> None:
        self._shadow = shadow

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Look the figures up now."""
        shadow = self._shadow
        text = "Requests forwarded to the old container (DLTK_SHADOW), by outcome"
        yield _counter("dltk_shadow_forwarded", text, ("outcome",), _single(shadow.forwarded))
        text = "Answers compared with the old container's"
        yield _counter("dltk_shadow_compared", text, LABELS, shadow.verdicts)
        text = "Requests that are not compared, by reason"
        yield _counter("dltk_shadow_skipped", text, ("reason",), _single(shadow.skipped))
        text = "How often own work was stopped for a forwarded request because cores were short"
        yield _counter("dltk_shadow_stops", text, (), {(): shadow.stops})
        text = "Requests that are not compared yet"
        yield GaugeMetricFamily("dltk_shadow_waiting", text, value=shadow.waiting)
        text = "Memory of requests that are not compared yet"
        yield GaugeMetricFamily("dltk_shadow_waiting_bytes", text, value=shadow.waiting_bytes)


def _single(counts: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    return {(name,): count for name, count in counts.items()}


def _counter(name: str, text: str, labels: Sequence[str], counts: Mapping[tuple[str, ...], int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in dict(counts).items():
        family.add_metric(values, count)
    return family
