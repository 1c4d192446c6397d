"""``/metrics`` for Prometheus: requests, the time of each phase, what runs, what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import Metric

from dltk_runtime.access.holder import Holder
from dltk_runtime.call import Call
from dltk_runtime.server import refusals
from dltk_runtime.server.admission import Admission
from dltk_runtime.server.gauges import Gauges
from dltk_runtime.server.guard import sees
from dltk_runtime.server.timings import Timings
from dltk_runtime.server.token_files import Tokens

if TYPE_CHECKING:
    from dltk_runtime.server.shadow.shadow import Shadowing
    from dltk_runtime.service.service import Service

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one server.

    Labels are routes, algorithms and phases: few, and never a user's data.
    """

    def __init__(self, service: Service, admission: Admission, tokens: Tokens, shadow: Shadowing | None = None) -> None:
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
        self._timings = Timings()
        self._registry.register(self._timings)
        self._kinds: dict[tuple[str, str, str], tuple[Counter, Counter]] = {}
        self._refused = Counter("dltk_refused", "Requests refused, by reason", ["reason"], registry=self._registry)
        for reason in refusals.KNOWN:
            self._refused.labels(reason)
        self._registry.register(Gauges(service, admission, tokens))
        if shadow is not None:
            from dltk_runtime.server.shadow.metrics import ShadowMetrics

            self._registry.register(ShadowMetrics(shadow))

    def answered(self, call: Call, outcome: str, seconds: float) -> None:
        """Count one answer; `outcome` is success or error.

        The algorithm is a label only if a worker had the call.
        """
        facts = call.facts
        known = "" if call.waiting else facts.algorithm or ""
        requests, rows = self._of_kind(call.route, known, outcome)
        requests.inc()
        rows.inc(facts.rows or 0)
        self._timings.add(call.route, known, seconds, facts.phases)
        if facts.damage is not None:
            self._damaged.labels(facts.algorithm or "", outcome).inc()

    def refused(self, reason: str) -> None:
        """Count a refusal; `reason` is that of `refusals.reason_of`."""
        self._refused.labels(reason).inc()

    def _of_kind(self, route: str, algorithm: str, outcome: str) -> tuple[Counter, Counter]:
        """Return the counters with these labels: to look them up takes longer than to add to them."""
        key = route, algorithm, outcome
        if key not in self._kinds:
            self._kinds[key] = self._requests.labels(*key), self._rows.labels(route, algorithm)
        return self._kinds[key]

    def text(self, holder: Holder) -> bytes:
        """Return everything that `holder` sees in Prometheus' text format."""
        return bytes(generate_latest(SeenMetrics(self._registry, holder)))


class SeenMetrics(CollectorRegistry):
    """The figures of a registry without those of models that a holder does not see."""

    def __init__(self, registry: CollectorRegistry, holder: Holder) -> None:
        super().__init__()
        self._whole = registry
        self._holder = holder

    def collect(self) -> Iterator[Metric]:
        for family in self._whole.collect():
            if not self._holder.sees_all:
                family.samples = [each for each in family.samples if self._sees(each.labels)]
            yield family

    def _sees(self, labels: Mapping[str, str]) -> bool:
        return "model" not in labels or sees(self._holder, labels.get("algorithm", ""), labels["model"])
