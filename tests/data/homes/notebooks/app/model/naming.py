"""A helper that the notebook `counts` imports."""

COLUMN = "seen"
