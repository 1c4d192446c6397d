"""The table and the plot of a run, with the machine and the versions that it ran with."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.figures import Bar, Figure, Spread

LIBRARIES = ("pandas", "numpy", "msgspec", "uvicorn", "uvloop", "starlette", "torch", "keras")
SCALES = {"s": (1000.0, "ms"), "1/s": (1.0, "/s"), "MB": (1.0, "MB")}


def machine() -> str:
    """What it ran on."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    cores = len(os.sched_getaffinity(0))
    memory = psutil.virtual_memory().total / 2**30
    linux = platform.release().partition("-")[0]
    return f"{cpu}, {cores} cores, {memory:.0f} GiB, Linux {linux}, Python {platform.python_version()}"


def table(figures: Sequence[Figure], loads: tuple[float, float]) -> str:
    """The run as Markdown."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by `make bench` on {machine()}.",
        f"{versions}. Load before and after: {loads[0]:.1f}, {loads[1]:.1f}.",
        "Medians of interleaved rounds, with the quartiles in brackets; ratios are medians of each round's pair.",
        "",
        "| | service | naive server | floor | bars |",
        "|---|---|---|---|---|",
        *(_line(each) for each in figures),
    ]
    return "\n".join(lines) + "\n"


def _line(figure: Figure) -> str:
    cells = [_shown(each, figure.unit) for each in (figure.service, figure.naive, figure.floor)]
    return f"| {figure.what} | {' | '.join(cells)} | {'; '.join(map(_bar, figure.bars))} |"


def _shown(spread: Spread | None, unit: str) -> str:
    if spread is None:
        return ""
    factor, name = SCALES[unit]
    median = f"{_number(spread.median * factor)} {name}"
    if spread.count == 1:
        return median
    return f"{median} ({_number(spread.low * factor)}–{_number(spread.high * factor)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _bar(bar: Bar) -> str:
    limit = f"{'≥' if bar.at_least else '≤'} {bar.limit:g}"
    return f"{bar.value:.2f} {bar.text} ({limit}{'' if bar.met else ', missed'})"
