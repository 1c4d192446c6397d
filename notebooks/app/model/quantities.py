"""Targets that are numbers: read from the rows, and the mean and deviation that a network learns them by."""

from __future__ import annotations

from app.model.fields import arrived, numbers


def quantity(df, target):
    """The target as float64 (rows,).

    Raises:
        ValueError: it is missing, not numeric, or has gaps.
    """
    arrived(df, [target])
    return numbers(df, [target])[:, 0]


def centre_of(values):
    """Mean and deviation of the training rows, as [float, float]; values that are all the same have the deviation 1."""
    return [float(values.mean()), float(values.std()) or 1.0]
