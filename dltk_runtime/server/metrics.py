"""``/metrics`` for Prometheus: requests, the time of each phase, what runs, what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Summary,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from dltk_runtime.call import Call
from dltk_runtime.pool.devices import Usage
from dltk_runtime.units import MIB

if TYPE_CHECKING:
    from dltk_runtime.apply.drift import Drift
    from dltk_runtime.service.service import Service
    from dltk_runtime.splunk.events import Events

BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one server.

    Labels are routes, algorithms and phases: few, and never a user's data.
    """

    def __init__(self, service: Service) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a time series with each label's creation time
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "dltk_requests", "Requests answered", ["route", "algorithm", "outcome"], registry=self._registry
        )
        self._rows = Counter("dltk_rows", "Rows received", ["route", "algorithm"], registry=self._registry)
        self._damaged = Counter(
            "dltk_damaged",
            "Requests for a model with damaged files: answered by another version, or refused",
            ["algorithm", "outcome"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "dltk_request_seconds", "Whole requests", ["route"], buckets=BUCKETS_SECONDS, registry=self._registry
        )
        self._phases = Histogram(
            "dltk_phase_seconds",
            "Phases of requests",
            ["route", "phase"],
            buckets=BUCKETS_SECONDS,
            registry=self._registry,
        )
        # Without buckets: for each algorithm these would be hundreds of lines.
        self._of_algorithm = Summary(
            "dltk_algorithm_seconds", "Phases of requests", ["route", "algorithm", "phase"], registry=self._registry
        )
        self._kinds: dict[tuple[str, str, str], tuple[Counter, Counter, Histogram]] = {}
        self._steps: dict[tuple[str, str, str], tuple[Histogram, Summary]] = {}
        self._registry.register(_Now(service))

    def answered(self, call: Call, outcome: str, seconds: float) -> None:
        """Count one answer; `outcome` is success or error.

        The algorithm is a label only if a worker had the call.
        """
        facts = call.facts
        known = "" if call.waiting else facts.algorithm or ""
        requests, rows, whole = self._of_kind(call.route, known, outcome)
        requests.inc()
        rows.inc(facts.rows or 0)
        whole.observe(seconds)
        if facts.damage is not None:
            self._damaged.labels(facts.algorithm or "", outcome).inc()
        for phase, spent in facts.phases.items():
            for each in self._of_step(call.route, known, phase):
                each.observe(spent)

    # Looking up the figures of some labels takes longer than adding to them.

    def _of_kind(self, route: str, algorithm: str, outcome: str) -> tuple[Counter, Counter, Histogram]:
        key = route, algorithm, outcome
        if key not in self._kinds:
            rows, seconds = self._rows.labels(route, algorithm), self._seconds.labels(route)
            self._kinds[key] = self._requests.labels(*key), rows, seconds
        return self._kinds[key]

    def _of_step(self, route: str, algorithm: str, phase: str) -> tuple[Histogram, Summary]:
        key = route, algorithm, phase
        if key not in self._steps:
            self._steps[key] = self._phases.labels(route, phase), self._of_algorithm.labels(*key)
        return self._steps[key]

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return bytes(generate_latest(self._registry))


class _Now(Collector):
    """Figures that are looked up at each scrape."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Compute the figures now."""
        usage = self._service.pool.usage()
        yield _gauge("dltk_workers", "Worker processes", usage.workers)
        yield _gauge("dltk_workers_busy", "Worker processes at work", usage.busy)
        yield _gauge("dltk_workers_memory_bytes", "Resident memory of workers and their children", usage.memory_bytes)
        yield _gpu_memory(self._service.pool.gpus())
        jobs = GaugeMetricFamily("dltk_jobs", "Job records by state", labels=["state"])
        for state, number in sorted(self._service.jobs.states().items()):
            jobs.add_metric([str(state)], number)
        yield jobs
        versions = self._service.store.counts()
        yield _gauge("dltk_models", "Models with a committed version", len(versions))
        yield _gauge("dltk_versions", "Stored versions of all models", sum(versions))
        yield from _drift(self._service.drift)
        if events := self._service.reporter.events:
            yield from _events(events)


def _gpu_memory(found: list[Usage]) -> GaugeMetricFamily:
    family = GaugeMetricFamily("dltk_gpu_memory_bytes", "Memory of each GPU", labels=["gpu", "kind"])
    for usage in found:
        for kind in ("total", "used", "free"):
            family.add_metric([usage.card.index, kind], getattr(usage.card, kind) * MIB)
    return family


def _events(events: Events) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
    yield _gauge("dltk_events_waiting_bytes", "Events on disk that Splunk has not taken yet", events.waiting)
    family = CounterMetricFamily("dltk_events", "Events for Splunk by what became of them", labels=["outcome"])
    for outcome in ("sent", "dropped", "refused"):
        family.add_metric([outcome], getattr(events.counts, outcome))
    yield family


def _drift(drift: Drift) -> Iterator[GaugeMetricFamily]:
    labels = ["algorithm", "model", "version", "feature"]
    index = GaugeMetricFamily("dltk_drift", "Population stability index of a feature since the fit", labels=labels)
    unseen = GaugeMetricFamily("dltk_drift_unseen", "Share of a feature's values that the fit never saw", labels=labels)
    for key, level in drift.levels():
        names = [key.algorithm, key.model, str(key.version), level.feature]
        index.add_metric(names, level.index)
        unseen.add_metric(names, level.unseen)
    yield from (index, unseen)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
