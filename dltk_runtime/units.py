"""Units."""

from __future__ import annotations

MIB = 1024**2  # bytes
GIB = 1024**3  # bytes
DAY_SECONDS = 24 * 60 * 60
