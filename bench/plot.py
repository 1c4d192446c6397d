"""The picture of a run: time against rows, and requests a second against clients."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from bench.figures import Figure

_ROWS = re.compile(r"apply, ([\d,]+) rows?, (\d+) result column")
_CLIENTS = re.compile(r"requests a second, (\d+) clients?, (\d+) model")
STYLES = {"service": "o-", "naive": "s--", "floor": "^:"}


def save(figures: Sequence[Figure], path: Path) -> None:
    """Draw what a run measured of latency and throughput into a PNG file."""
    picture, axes = plt.subplots(1, 3, figsize=(15, 4.5), layout="constrained")
    for place, columns in zip(axes[:2], ("1", "10"), strict=True):
        _draw(place, _points(figures, _ROWS, columns), "rows", "ms, median", 1000.0)
        place.set(title=f"apply, {columns} result column{'s' * (columns != '1')}", xscale="log", yscale="log")
    for models, color in (("1", "C0"), ("4", "C2")):
        _draw(
            axes[2],
            _points(figures, _CLIENTS, models),
            "clients",
            "requests a second",
            1.0,
            f", {models} model(s)",
            color,
        )
    axes[2].set(title="apply of one row", xscale="log", xticks=[1, 2, 4, 8, 16], xticklabels=[1, 2, 4, 8, 16])
    axes[2].set_ylim(bottom=0)
    for place in axes:
        if place.has_data():
            place.legend()
        place.grid(alpha=0.3)
    picture.savefig(path, dpi=110)
    plt.close(picture)


def _points(figures: Sequence[Figure], pattern: re.Pattern[str], second: str) -> list[tuple[int, Figure]]:
    found = [(match, each) for each in figures if (match := pattern.match(each.what))]
    return [(int(match[1].replace(",", "")), each) for match, each in found if match[2] == second]


def _draw(
    axes: Axes,
    points: list[tuple[int, Figure]],
    x: str,
    y: str,
    factor: float,
    label: str = "",
    color: str | None = None,
) -> None:
    for name, style in STYLES.items():
        known = [(place, spread) for place, each in points if (spread := getattr(each, name)) is not None]
        if not known:
            continue
        places = [place for place, _ in known]
        axes.plot(places, [spread.median * factor for _, spread in known], style, label=name + label, color=color)
        low, high = ([getattr(spread, end) * factor for _, spread in known] for end in ("low", "high"))
        axes.fill_between(places, low, high, alpha=0.2, color=color)
    axes.set(xlabel=x, ylabel=y)
