"""Spread the tests over processes: those of one file, or of one `xdist_group`, after each other, the longest first."""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadGroupScheduling


class ByFileOrGroup(LoadGroupScheduling):
    """pytest-xdist's ``--dist loadgroup``, where the tests without a group are grouped by file."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        return nodeid.partition("::")[0] if scope == nodeid else scope


def longest_first(items: list[pytest.Item]) -> None:
    """Move the files whose tests may take longest, as their markers say, to the front."""
    limits: dict[str, float] = {}
    for item in items:
        file = item.nodeid.partition("::")[0]
        limits[file] = max(limits.get(file, 0), limit(item))
    items.sort(key=lambda item: -limits[item.nodeid.partition("::")[0]])


def limit(item: pytest.Item) -> float:
    """Return the seconds that a test may take by its own marker, 0 without one."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else 0.0
