"""How long requests and their phases took, for ``/metrics``.

A small request has six times to count, each by two of Prometheus' metrics. Its client locks a value for
each sum and each bucket, and looks for the bucket from the first one on; here a time is a search and two
additions, and the families are made of them when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, SummaryMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
_BOUNDS = [*map(floatToGoString, BUCKETS_SECONDS), "+Inf"]
_Steps = dict[tuple[str, str, str], "Spent"]


class Spent:
    """Times of one kind: how many of them are in each bucket, and their sum."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one time."""
        self.seconds += seconds
        self.counts[bisect_left(BUCKETS_SECONDS, seconds)] += 1

    def merge(self, other: Spent) -> None:
        """Count all times of another one, too."""
        self.seconds += other.seconds
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]


class Timings(Collector):
    """The times of one server: added by its event loop, collected by any thread."""

    def __init__(self) -> None:
        self._whole: dict[str, Spent] = {}  # by route
        self._steps: _Steps = {}  # by route, algorithm and phase

    def add(self, route: str, algorithm: str, seconds: float, phases: Mapping[str, float]) -> None:
        """Count a request and its phases."""
        if (whole := self._whole.get(route)) is None:
            whole = self._whole[route] = Spent()
        whole.add(seconds)
        for phase, spent in phases.items():
            key = route, algorithm, phase
            if (step := self._steps.get(key)) is None:
                step = self._steps[key] = Spent()
            step.add(spent)

    def collect(self) -> Iterator[HistogramMetricFamily | SummaryMetricFamily]:
        """Make the families as the counts are now."""
        steps = self._steps.copy()
        yield _histogram(
            "dltk_request_seconds",
            "Whole requests",
            ["route"],
            {(key,): each for key, each in self._whole.copy().items()},
        )
        yield _histogram("dltk_phase_seconds", "Phases of requests", ["route", "phase"], _of_phases(steps))
        # Without buckets: for each algorithm these would be hundreds of lines.
        family = SummaryMetricFamily(
            "dltk_algorithm_seconds", "Phases of requests", labels=["route", "algorithm", "phase"]
        )
        for key, spent in steps.items():
            family.add_metric(key, sum(spent.counts), spent.seconds)
        yield family


def _of_phases(steps: _Steps) -> dict[tuple[str, ...], Spent]:
    """Return the times by route and phase alone."""
    found: dict[tuple[str, ...], Spent] = {}
    for (route, _, phase), spent in steps.items():
        found.setdefault((route, phase), Spent()).merge(spent)
    return found


def _histogram(
    name: str, text: str, labels: Sequence[str], known: Mapping[tuple[str, ...], Spent]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, spent in known.items():
        family.add_metric(values, [*zip(_BOUNDS, accumulate(spent.counts.copy()), strict=True)], spent.seconds)
    return family
