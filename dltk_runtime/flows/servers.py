"""Generate sample data for flows without a target: metrics of servers, some of them anomalies.

Load follows the hour of the day. An anomaly is an answer that takes too long, because the processor
or the memory is used up. One server runs a batch every night, which is harmless: a model marks
that, and people lower the sensitivity for this host.
"""

from __future__ import annotations

import csv
import io
import math
import random

from dltk_runtime.units import DAY_SECONDS

DAYS = 4
PERIOD_SECONDS = 600
ANOMALIES = 0.008  # share of the rows
BATCH_HOST, BATCH_HOUR = "web04", 2
# Of each host at rest: processor and memory in percent, latency in milliseconds.
_HOSTS = {
    "web01": (30.0, 52.0, 40.0),
    "web02": (31.0, 53.0, 41.0),
    "web03": (29.0, 51.0, 39.0),
    "web05": (32.0, 54.0, 42.0),
    BATCH_HOST: (30.0, 53.0, 41.0),
}
_HEADER = ("offset", "host", "cpu", "memory", "latency", "verdict")


def servers_csv(positive: str, negative: str, seed: int = 7) -> str:
    """Return CSV of one row for each host and period, over `DAYS` days.

    Columns: `offset` (seconds after the first midnight), `host`, `cpu` and `memory` (percent),
    `latency` (milliseconds), and `verdict`: `positive` for an anomaly.
    """
    dice = random.Random(seed)  # noqa: S311 - sample data
    rows = []
    for begin in range(0, DAYS * DAY_SECONDS, PERIOD_SECONDS):
        for host in _HOSTS:
            offset = begin + dice.randrange(PERIOD_SECONDS)
            anomaly = dice.random() < ANOMALIES
            measured = _measured(dice, host, offset, anomaly=anomaly)
            rows.append((offset, host, *measured, positive if anomaly else negative))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_HEADER, *sorted(rows)])
    return text.getvalue()


def _measured(dice: random.Random, host: str, offset: int, *, anomaly: bool) -> tuple[float, float, float]:
    """Return processor, memory and latency of a host at a time."""
    cpu, memory, latency = _HOSTS[host]
    hour = offset % DAY_SECONDS / 3600
    busy = 1 + 0.3 * math.sin((hour - 8) / 24 * 2 * math.pi)
    found = [cpu * busy, memory, latency * busy]
    if host == BATCH_HOST and BATCH_HOUR <= hour < BATCH_HOUR + 1:
        found = [88.0, memory * 1.15, latency * 2]
    if anomaly:
        found[dice.randrange(2)] = 97.0
        found[2] = latency * dice.uniform(4, 9)
    noise = (dice.gauss(1, 0.06), dice.gauss(1, 0.01), dice.gauss(1, 0.08))
    cpu, memory, latency = (value * each for value, each in zip(found, noise, strict=True))
    return round(min(cpu, 100.0), 1), round(min(memory, 100.0), 1), round(latency, 1)
