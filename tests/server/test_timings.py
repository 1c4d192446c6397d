"""The times in ``/metrics`` are those that Prometheus' own client would show."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram, Summary, disable_created_metrics, generate_latest

from dltk_runtime.server.timings import BUCKETS_SECONDS, Timings

ROUTES = ("/apply", "/fit")
ALGORITHMS = ("", "one", 'quoted "two"\n')
PHASES = ("queue", "decode", "apply")
# On a bound, beside it, below the first and above the last one; their sums are exact in any order.
TIMES = (0.0, 0.5, 1.0, 2.5, 0.25, 7200.0, 7200.5, 9000.0, 0.0009765625)


def test_times_are_shown_as_prometheus_client_shows_them() -> None:
    disable_created_metrics()
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    whole = Histogram("dltk_request_seconds", "Whole requests", ["route"], buckets=BUCKETS_SECONDS, registry=theirs)
    phases = Histogram(
        "dltk_phase_seconds", "Phases of requests", ["route", "phase"], buckets=BUCKETS_SECONDS, registry=theirs
    )
    labels = ["route", "algorithm", "phase"]
    algorithms = Summary("dltk_algorithm_seconds", "Phases of requests", labels, registry=theirs)
    timings = Timings()
    ours.register(timings)
    assert generate_latest(ours) == generate_latest(theirs)
    for number, seconds in enumerate(TIMES * 3):
        route, algorithm = ROUTES[number % 2], ALGORITHMS[number % 3]
        spent = {phase: TIMES[(number + more) % len(TIMES)] for more, phase in enumerate(PHASES[: number % 4])}
        timings.add(route, algorithm, seconds, spent)
        whole.labels(route).observe(seconds)
        for phase, each in spent.items():
            phases.labels(route, phase).observe(each)
            algorithms.labels(route, algorithm, phase).observe(each)
    assert generate_latest(ours) == generate_latest(theirs)
    assert generate_latest(ours) == generate_latest(ours), "a look changes nothing"
