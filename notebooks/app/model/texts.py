"""Texts among the fields of a search."""

from __future__ import annotations

from app.model.fields import arrived


def texts(df, features):
    """One text for each row of `df`: its fields, joined by a blank. Missing ones are empty.

    Raises:
        ValueError: one of the fields is missing.
    """
    arrived(df, features)
    columns = [df[name].astype(object).where(df[name].notna(), "").map(str).tolist() for name in features]
    return [" ".join(row) for row in zip(*columns, strict=True)]
