"""Units."""

from __future__ import annotations

MIB = 1024**2  # bytes
GIB = 1024**3  # bytes
HOUR_SECONDS = 60 * 60
DAY_SECONDS = 24 * HOUR_SECONDS
