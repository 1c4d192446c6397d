"""The figures of a version as text, each by where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dltk_runtime.store.later import Score
from dltk_runtime.store.manifest import Facts, HeldOut

DIGITS = 4  # significant ones; never fewer: a figure is not cut to fit a column


def origins(facts: Facts, scores: Sequence[Score] = ()) -> dict[str, str]:
    """Return the figures of a version, as `of` does."""
    return of(facts.train, facts.holdout, scores)


def of(train: Mapping[str, float | None], holdout: HeldOut | None, scores: Sequence[Score]) -> dict[str, str]:
    """Return the figures of each origin that has some: ``train``, ``holdout``, ``later``.

    Of held-out rows those that stand beside ones of `train`, if any; of later ones, the newest.
    """
    found = {"train": listed(train)}
    if holdout is not None and holdout.metrics:
        same = {name: value for name, value in holdout.metrics.items() if name in train}
        found["holdout"] = f"{listed(same or holdout.metrics)} ({holdout.rows:,} rows)"
    if scores:
        found["later"] = later(scores[-1])
    return {origin: text for origin, text in found.items() if text}


def sentence(facts: Facts) -> str:
    """Return ``train r2=0.944 mae=9.1; holdout r2=0.231 (89 rows)``; empty without figures."""
    return "; ".join(f"{origin} {text}" for origin, text in origins(facts).items())


def later(score: Score) -> str:
    """Return the figures of one score, with its rows, time and source."""
    return f"{listed(score.metrics)} ({score.rows:,} rows, {score.time:%Y-%m-%d %H:%M} UTC, {score.source})"


def listed(values: Mapping[str, float | None]) -> str:
    """Return ``f1=0.93 loss=0.2``, without missing values."""
    return " ".join(f"{name}={number(value)}" for name, value in values.items() if value is not None)


def number(value: float) -> str:
    """Return a number with `DIGITS` significant digits; whole numbers below 10^15 with all of theirs."""
    if float(value).is_integer() and abs(value) < 10**15:
        return f"{int(value)}"
    return f"{value:.{DIGITS}g}"
