"""Numeric targets: their values, and mean and deviation for standardising them."""

from __future__ import annotations

from app.model.fields import arrived, numbers


def quantity(df, target):
    """Return the target as float64 (rows,).

    Raises:
        ValueError: the target is missing, not numeric, or has missing values.
    """
    arrived(df, [target])
    return numbers(df, [target])[:, 0]


def centre_of(values):
    """Return [mean, deviation] of the training rows; the deviation of constant values is 1."""
    return [float(values.mean()), float(values.std()) or 1.0]
