"""``/metrics`` for Prometheus: what was asked, how long each phase took, what runs, what is stored."""

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
from dltk_runtime.pool import memory
from dltk_runtime.pool.devices import Usage

if TYPE_CHECKING:
    from dltk_runtime.apply.drift import Drift
    from dltk_runtime.service.service import Service
    from dltk_runtime.splunk.events import Events

MIB = 1024**2
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one server. Labels are names of routes, algorithms and phases: few, and never a user's data."""

    def __init__(self, service: Service) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a time series for each label's birth, which nobody asks for
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "dltk_requests", "Requests answered", ["route", "algorithm", "outcome"], registry=self._registry
        )
        self._rows = Counter("dltk_rows", "Rows received", ["route", "algorithm"], registry=self._registry)
        self._seconds = Histogram(
            "dltk_request_seconds", "Whole requests", ["route"], buckets=SECONDS, registry=self._registry
        )
        self._phases = Histogram(
            "dltk_phase_seconds", "Phases of requests", ["route", "phase"], buckets=SECONDS, registry=self._registry
        )
        # Without buckets: for each algorithm these would be hundreds of lines.
        self._of_algorithm = Summary(
            "dltk_algorithm_seconds", "Phases of requests", ["route", "algorithm", "phase"], registry=self._registry
        )
        self._kinds: dict[tuple[str, str, str], tuple[Counter, Counter, Histogram]] = {}
        self._steps: dict[tuple[str, str, str], tuple[Histogram, Summary]] = {}
        self._registry.register(_Now(service))

    def answered(self, call: Call, outcome: str, seconds: float) -> None:
        """Count one answer; `outcome` is success or error, and the algorithm is named only once a worker had it."""
        known = "" if call.waiting else str(call.facts.get("algorithm", ""))
        requests, rows, whole = self._of_kind(call.route, known, outcome)
        requests.inc()
        rows.inc(call.facts.get("rows") or 0)
        whole.observe(seconds)
        for phase, spent in call.facts.get("phases", {}).items():
            for each in self._of_step(call.route, known, phase):
                each.observe(spent)

    # To find the figures of some labels takes longer than to add to them.

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
        """Everything in Prometheus' text format."""
        return bytes(generate_latest(self._registry))


class _Now(Collector):
    """What can only be looked up at the moment of the question."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """The figures, computed now."""
        workers = self._service.pool.workers()
        yield _gauge("dltk_workers", "Worker processes", len(workers))
        yield _gauge("dltk_workers_busy", "Worker processes at work", sum(each.step != "idle" for each in workers))
        used = memory.resident({each.pid for each in workers})
        yield _gauge("dltk_workers_memory_bytes", "Resident memory of workers and their children", used)
        yield _gpu_memory(self._service.pool.devices.usage())
        jobs = GaugeMetricFamily("dltk_jobs", "Job records by state", labels=["state"])
        for state, number in sorted(self._service.jobs.states().items()):
            jobs.add_metric([str(state)], number)
        yield jobs
        versions = self._service.store.counts()
        yield _gauge("dltk_models", "Models with a committed version", len(versions))
        yield _gauge("dltk_versions", "Stored versions of all models", sum(versions))
        yield from _drift(self._service.drift)
        if self._service.events:
            yield from _events(self._service.events)


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
