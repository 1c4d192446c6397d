"""Text fields of a search."""

from __future__ import annotations

from app.model.fields import arrived


def texts(df, features):
    """Return one text per row of `df`: its fields, joined by blanks; missing values are empty.

    Raises:
        ValueError: a field is missing.
    """
    arrived(df, features)
    columns = [df[name].astype(object).where(df[name].notna(), "").map(str).tolist() for name in features]
    return [" ".join(row) for row in zip(*columns, strict=True)]
