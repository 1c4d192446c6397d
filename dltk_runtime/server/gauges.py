"""What ``/metrics`` looks up at each scrape.

Names that begin with ``dltk_volume_`` describe the volume that all replicas share: each of them
reports the same figure, so take the maximum over replicas. All other figures are a replica's own,
and their sum over replicas is right.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from dltk_runtime import __version__, logs
from dltk_runtime.access.named import VARIABLE as NAMED
from dltk_runtime.jobs.record import State
from dltk_runtime.pool.devices import DeviceUsage
from dltk_runtime.server.admission import REASONS, Admission
from dltk_runtime.server.token_files import ADMIN, API, Tokens
from dltk_runtime.settings import VARIABLES
from dltk_runtime.units import MIB

if TYPE_CHECKING:
    from dltk_runtime.apply.drift import Drift
    from dltk_runtime.service.service import Service
    from dltk_runtime.splunk.events import Events
    from dltk_runtime.tracking.sender import Sender

Family = GaugeMetricFamily | CounterMetricFamily
ENDED_STATES = (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Gauges(Collector):
    """Figures of this moment; a part that cannot be looked up is left out and logged once."""

    def __init__(self, service: Service, admission: Admission, tokens: Tokens) -> None:
        self._service = service
        self._admission = admission
        self._tokens = tokens
        self._failures = logs.RecurringFailures()

    def collect(self) -> Iterator[Family]:
        """Look the figures up now."""
        parts: tuple[Callable[[], Iterable[Family]], ...] = (
            self._process,
            self._connections,
            self._workers,
            self._fits,
            self._nodes,
            self._jobs,
            self._models,
            self._disk,
            lambda: _drift(self._service.drift),
            self._events,
            self._tracking,
        )
        for number, part in enumerate(parts):
            found: list[Family] = []
            with self._failures.logged(f"metrics, part {number}"):
                found = list(part())
            yield from found

    def _process(self) -> Iterator[Family]:
        yield _gauges("dltk_build_info", "1, with the release as a label", "version", {__version__: 1})
        yield _gauge("dltk_ready", "Whether /readyz answers 200", self._service.ready and self._service.present())
        unread = {VARIABLES[name].name: self._tokens.unread.get(name, False) for name in (API, ADMIN)}
        unread[NAMED] = self._tokens.named.unread
        text = "Whether the file of a token was refused, so that the token before it counts on"
        yield _gauges("dltk_token_unread", text, "variable", unread)

    def _connections(self) -> Iterator[Family]:
        yield _gauge("dltk_connections", "Open connections", len(self._admission))
        text = "Connections that the server ended, by reason"
        yield _counter("dltk_connections_ended", text, "reason", dict.fromkeys(REASONS, 0) | self._admission.counts)

    def _workers(self) -> Iterator[Family]:
        pool = self._service.pool
        usage = pool.usage()
        yield _gauge("dltk_workers", "Worker processes", usage.workers)
        yield _gauge("dltk_workers_busy", "Worker processes at work", usage.busy)
        yield _gauge("dltk_workers_memory_bytes", "Resident memory of workers and their children", usage.memory_bytes)
        yield _counter("dltk_worker_deaths", "Workers that ended unasked, by cause", "cause", pool.deaths)
        waiting = {"/apply": usage.waiting_applies, "/fit": usage.waiting_fits}
        yield _gauges("dltk_requests_waiting", "Requests and fits that wait for a worker", "route", waiting)
        yield _gpu_memory(pool.gpus())

    def _fits(self) -> Iterator[Family]:
        outcomes = {str(state): self._service.reporter.asynchronous[state] for state in ENDED_STATES}
        text = "Asynchronous fits that ended on this replica, by outcome"
        yield _counter("dltk_async_fits", text, "outcome", outcomes)

    def _nodes(self) -> Iterator[Family]:
        if self._service.places is None:
            return
        view = self._service.places.view()
        yield _gauge("dltk_cluster_reachable", "Whether the helper process reaches the cluster", not view.problem)
        yield _gauge("dltk_cluster_fits_waiting", "Fits of this front that wait for a place", view.waiting)
        parts = {
            "fits": "Fits that run",
            "places": "Places for fits",
            "gpus": "GPUs",
            "gpus_taken": "GPUs with a fit",
            "apply_places": "Places for apply workers",
            "apply_places_taken": "Apply workers with a version loaded",
        }
        for part, text in parts.items():
            values = {each.name: getattr(each, part) for each in view.nodes}
            yield _gauges(f"dltk_node_{part}", f"{text}, by node", "node", values)
        refused = {each.name: bool(each.refused) for each in view.nodes}
        yield _gauges("dltk_node_refused", "Whether nothing may run there, by node", "node", refused)

    def _jobs(self) -> Iterator[Family]:
        found = self._service.jobs.states()
        states = {str(state): found[state] for state in State}
        yield _gauges("dltk_volume_jobs", "Job records by state; queued ones are the queue", "state", states)

    def _models(self) -> Iterator[Family]:
        versions = self._service.store.counts()
        yield _gauge("dltk_volume_models", "Models with a committed version", len(versions))
        yield _gauge("dltk_volume_versions", "Stored versions of all models", sum(versions))
        text = "Damaged lines in the models' histories of promotions"
        yield _gauge("dltk_volume_damaged_lines", text, self._service.store.damaged_lines())
        text = "Copies of versions on this machine that were found damaged, and fetched anew"
        yield CounterMetricFamily("dltk_damaged_copies", text, self._service.store.damaged_copies)

    def _disk(self) -> Iterator[Family]:
        usage = shutil.disk_usage(self._service.settings.paths.home)
        yield _gauge("dltk_volume_free_bytes", "Free bytes of DLTK_HOME's file system", usage.free)
        yield _gauge("dltk_volume_size_bytes", "Bytes of DLTK_HOME's file system", usage.total)

    def _events(self) -> Iterator[Family]:
        if events := self._service.reporter.events:
            yield from _events(events)

    def _tracking(self) -> Iterator[Family]:
        if tracking := self._service.tracking:
            yield from _runs(tracking.sender)


def _gpu_memory(found: list[DeviceUsage]) -> GaugeMetricFamily:
    family = GaugeMetricFamily("dltk_gpu_memory_bytes", "Memory of each GPU", labels=["gpu", "kind"])
    for usage in found:
        for kind in ("total", "used", "free"):
            family.add_metric([usage.card.index, kind], getattr(usage.card, kind) * MIB)
    return family


def _events(events: Events) -> Iterator[Family]:
    yield _gauge("dltk_events_waiting_bytes", "Events on disk that Splunk has not taken yet", events.waiting)
    counts = {outcome: getattr(events.counts, outcome) for outcome in ("sent", "dropped", "refused")}
    yield _counter("dltk_events", "Events for Splunk by what became of them", "outcome", counts)


def _runs(sender: Sender) -> Iterator[Family]:
    text = "Runs on disk that the tracking server has not taken yet"
    yield _gauge("dltk_tracking_waiting_bytes", text, sender.waiting)
    counts = {outcome: getattr(sender.counts, outcome) for outcome in ("sent", "dropped", "refused")}
    text = "What is sent of runs and models to the tracking server, by what became of it"
    yield _counter("dltk_tracking", text, "outcome", counts)


def _drift(drift: Drift) -> Iterator[Family]:
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


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counter(name: str, text: str, label: str, values: Mapping[str, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
