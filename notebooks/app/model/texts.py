"""Text fields of a search."""

from __future__ import annotations

import re

from app.model.fields import arrived


def texts(df, features):
    """Return one text per row of `df`: its fields, joined by blanks; missing values are empty.

    Raises:
        ValueError: a field is missing.
    """
    arrived(df, features)
    columns = [df[name].astype(object).where(df[name].notna(), "").map(str).tolist() for name in features]
    return [" ".join(row) for row in zip(*columns, strict=True)]


def pattern_of(text):
    """Return the regular expression `text` of the parameter `tokenizing_regex`.

    Raises:
        ValueError: it is none.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"tokenizing_regex={text} cannot be used: {error}.") from error


def tokens_of(found, separator):
    """Return the tokens of each text, without blanks around them; `separator` is a regular expression."""
    split = pattern_of(separator).split
    return [[token.strip() for token in split(text) if token and token.strip()] for text in found]
