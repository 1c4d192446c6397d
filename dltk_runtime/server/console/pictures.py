"""Small pictures as SVG: colours come from the style sheet, every value is a number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

from dltk_runtime.apply.drift_view import Bin
from dltk_runtime.server.console.visible import seen

WIDTH, HEIGHT, GAP = 9, 14, 2  # of a square, in pixels
LINE_WIDTH, LINE_HEIGHT = 160, 36
HISTOGRAM_WIDTH, HISTOGRAM_HEIGHT = 220, 56
Point = tuple[float, float]  # across and down, in pixels


def squares(states: Sequence[tuple[str, str]]) -> Markup:
    """Draw one square for each (state, title), the oldest first."""
    parts = [
        Markup('<rect class="{}" x="{}" y="0" width="{}" height="{}"><title>{}</title></rect>').format(
            state, number * (WIDTH + GAP), WIDTH, HEIGHT, title
        )
        for number, (state, title) in enumerate(states)
    ]
    return svg(len(states) * (WIDTH + GAP), HEIGHT, parts, "the last fits, the oldest first")


def bar(share: float, title: str) -> Markup:
    """Draw a bar that is filled to `share`, 0 to 1."""
    filled = round(max(0.0, min(1.0, share)) * LINE_WIDTH, 1)
    parts = [
        Markup('<rect class="empty" x="0" y="0" width="{}" height="12"/>').format(LINE_WIDTH),
        Markup('<rect class="full" x="0" y="0" width="{}" height="12"/>').format(filled),
    ]
    return svg(LINE_WIDTH, 12, parts, title)


def line(values: Sequence[float | None], title: str) -> Markup:
    """Draw values as a line, the first on the left; missing ones are left out."""
    known = [value for value in values if value is not None]
    points = _points(values, known)
    parts = [_polyline("train", [each for each in points if each]), *_circles("train", points)]
    return svg(LINE_WIDTH, LINE_HEIGHT, parts, title) if known else Markup("")


def two_lines(train: Sequence[float | None], held: Sequence[float | None], title: str) -> Markup:
    """Draw figures of train rows, and of held-out rows on the same scale; both break where one is missing."""
    known = [value for value in (*train, *held) if value is not None]
    parts: list[Markup] = []
    for kind, values in ("train", train), ("held", held):
        points = _points(values, known)
        runs = [[each for each in run if each] for present, run in groupby(points, bool) if present]
        parts += [_polyline(kind, run) for run in runs if len(run) > 1] + _circles(kind, points)
    return svg(LINE_WIDTH, LINE_HEIGHT, parts, title) if known else Markup("")


def _points(values: Sequence[float | None], known: Sequence[float]) -> list[Point | None]:
    """Return where each value lies, on the scale of those that are `known`."""
    low, high = min(known, default=0.0), max(known, default=0.0)
    across, up = (LINE_WIDTH - 6) / max(len(values) - 1, 1), (LINE_HEIGHT - 6) / ((high - low) or 1)
    return [
        None if value is None else (3 + number * across, LINE_HEIGHT - 3 - (value - low) * up)
        for number, value in enumerate(values)
    ]


def _polyline(kind: str, points: Sequence[Point]) -> Markup:
    return Markup('<polyline class="{}" points="{}"/>').format(kind, " ".join(f"{x:.1f},{y:.1f}" for x, y in points))


def _circles(kind: str, points: Sequence[Point | None]) -> list[Markup]:
    circle = Markup('<circle class="{}" cx="{}" cy="{}" r="2"/>')
    return [circle.format(kind, f"{each[0]:.1f}", f"{each[1]:.1f}") for each in points if each]


def histogram(bins: Sequence[Bin], title: str) -> Markup:
    """Draw the shares at the fit as broad bars, those of now as narrow ones over them."""
    high = max((max(each.then, each.now or 0.0) for each in bins), default=0.0) or 1.0
    broad = HISTOGRAM_WIDTH / max(len(bins), 1)
    parts = []
    for number, each in enumerate(bins):
        said = f"{each.label}: {each.then:.1%} at the fit" + ("" if each.now is None else f", {each.now:.1%} now")
        bars = [_bar("then", number * broad, broad * 0.9, each.then / high)]
        bars += [] if each.now is None else [_bar("latest", (number + 0.25) * broad, broad * 0.4, each.now / high)]
        parts.append(Markup("<g><title>{}</title>{}</g>").format(said, Markup("").join(bars)))
    return svg(HISTOGRAM_WIDTH, HISTOGRAM_HEIGHT, parts, title)


def _bar(kind: str, left: float, width: float, share: float) -> Markup:
    tall = share * HISTOGRAM_HEIGHT
    numbers = [f"{each:.1f}" for each in (left, HISTOGRAM_HEIGHT - tall, width, tall)]
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(kind, *numbers)


def svg(width: float, height: float, parts: Sequence[Markup], title: str) -> Markup:
    """Return a picture of `parts`; `title` is what a screen reader says of it."""
    return Markup('<svg role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}">{}</svg>').format(
        seen(title), width, height, width, height, Markup("").join(parts)
    )
