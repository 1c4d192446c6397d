"""Plots with a scale, as SVG: numbers over the rows, and bars of counts."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from dltk_runtime.server.console.pictures import svg
from dltk_runtime.server.console.visible import seen

WIDTH, HEIGHT = 480, 170  # of a plot of numbers, in pixels
LEFT, BELOW, ABOVE = 70, 24, 10  # margins: figures, numbers of rows
BAR_HEIGHT, LABEL_WIDTH, BAR_WIDTH = 22, 150, 240
MAX_DOTS = 100  # rows up to which each value has a dot
MAX_LABEL_CHARACTERS = 20


def series(values: Sequence[float | None], name: str) -> Markup:
    """Draw numbers over the rows, the first on the left; missing ones leave a gap. At least one is a number."""
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    middle = HEIGHT - BELOW - (HEIGHT - BELOW - ABOVE) / 2
    across = (WIDTH - LEFT - 10) / max(len(values) - 1, 1)

    def point(row: int, value: float) -> tuple[float, float]:
        share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5  # halves: no overflow
        return LEFT + row * across, HEIGHT - BELOW - share * (HEIGHT - BELOW - ABOVE)

    parts = [_text(LEFT - 8, ABOVE + 4, f"{high:.4g}", "end")] if high > low else []
    parts += [_text(LEFT - 8, (HEIGHT - BELOW if high > low else middle) + 4, f"{low:.4g}", "end")]
    parts += [_text(LEFT, HEIGHT - 6, "row 1", "start")]
    parts += [_text(WIDTH - 10, HEIGHT - 6, f"row {len(values):,}", "end")] if len(values) > 1 else []
    parts += [Markup('<path class="frame" d="M{0},{1}V{2}H{3}"/>').format(LEFT, ABOVE, HEIGHT - BELOW, WIDTH - 10)]
    for run in _runs(values):
        drawn = [point(row, value) for row, value in run]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        parts.append(Markup('<polyline points="{}"/>').format(points))
        if len(values) <= MAX_DOTS or len(drawn) == 1:
            parts += [Markup('<circle cx="{}" cy="{}" r="2.5"/>').format(f"{x:.1f}", f"{y:.1f}") for x, y in drawn]
    return svg(WIDTH, HEIGHT, parts, f"{name} over {len(values):,} rows, from {low:.4g} to {high:.4g}")


def counts(found: Sequence[tuple[str, int]], name: str) -> Markup:
    """Draw one bar for each text with how often it occurs, the most frequent first."""
    most = max(count for _, count in found)
    parts = []
    for place, (text, count) in enumerate(found):
        top = place * BAR_HEIGHT
        short = text if len(text) <= MAX_LABEL_CHARACTERS else text[: MAX_LABEL_CHARACTERS - 1] + "…"
        width = round(count / most * BAR_WIDTH, 1)
        parts.append(_text(LABEL_WIDTH - 8, top + 15, short, "end"))
        parts.append(
            Markup('<rect class="full" x="{}" y="{}" width="{}" height="{}"/>').format(
                LABEL_WIDTH, top + 3, width, BAR_HEIGHT - 6
            )
        )
        parts.append(_text(LABEL_WIDTH + width + 6, top + 15, f"{count:,}", "start"))
    said = ", ".join(f"{text}: {count:,}" for text, count in found)
    return svg(WIDTH, len(found) * BAR_HEIGHT, parts, f"{name}: {said}")


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Return the numbers with their rows, from 0, parted where one is missing."""
    runs: list[list[tuple[int, float]]] = [[]]
    for row, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((row, value))
    return [run for run in runs if run]


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(x, y, anchor, seen(text))
