"""The limits of the control groups that this process is in: processor time and memory.

A limit holds in its group and all groups below, so the lowest on the way up to the root counts.
In a container the root is often the container's own group, and the path in ``/proc/self/cgroup``
one of the host that does not exist there. Both layouts are read: version 2, and version 1 with a
hierarchy for each controller (https://docs.kernel.org/admin-guide/cgroup-v2.html and
cgroup-v1/memory.html, scheduler/sched-bwc.html).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class Memory:
    """The limit of a group and what it uses, without file pages that can be dropped. Bytes."""

    limit: int
    used: int

    @property
    def free(self) -> int:
        """Bytes that the group may still take."""
        return max(self.limit - self.used, 0)


def processors() -> float | None:
    """Return how many processors the groups may use at a time; None without a limit."""
    return min(_quotas(), default=None)


def memory() -> Memory | None:
    """Return the memory of the group with the lowest limit; None without a limit."""
    return min(_memories(), key=lambda each: each.limit, default=None)


def _quotas() -> Iterator[float]:
    for folder in _groups(""):
        with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
            quota, period = (folder / "cpu.max").read_text().split()
            yield int(quota) / int(period)
    for folder in _groups("cpu"):
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            quota_us, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
            if quota_us > 0:  # -1: no limit
                yield quota_us / period_us


def _memories() -> Iterator[Memory]:
    for folder in _groups(""):
        with contextlib.suppress(OSError, ValueError):
            dropped = _in_stat(folder, "inactive_file")
            yield Memory(_number(folder / "memory.max"), _number(folder / "memory.current") - dropped)
    for folder in _groups("memory"):
        with contextlib.suppress(OSError, ValueError):
            dropped = _in_stat(folder, "total_inactive_file")
            used = _number(folder / "memory.usage_in_bytes") - dropped
            yield Memory(_number(folder / "memory.limit_in_bytes"), used)


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's groups, from its own up to the root.

    `controller` is that of a hierarchy of version 1, or empty for version 2. A folder may come
    twice.
    """
    for line in _lines(OWN_GROUPS):
        controllers, _, path = line.partition(":")[2].partition(":")
        if controller in controllers.split(","):
            # Beside hierarchies of version 1, that of version 2 has a folder of its own.
            roots = (ROOT / controllers, ROOT / controller) if controller else (ROOT, ROOT / "unified")
            for root in filter(Path.is_dir, roots):
                yield from filter(Path.is_dir, _upwards(root, PurePosixPath(path.lstrip("/"))))


def _upwards(root: Path, inside: PurePosixPath) -> list[Path]:
    """List a group's folder and those above it, up to `root`."""
    if ".." in inside.parts:  # outside of this process's namespace
        return [root]
    return [root / inside, *(root / each for each in inside.parents)]


def _lines(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return path.read_text().splitlines()
    return []


def _number(path: Path) -> int:
    return int(path.read_text())


def _in_stat(folder: Path, name: str) -> int:
    for line in _lines(folder / "memory.stat"):
        if line.startswith(name + " "):
            return int(line.split()[1])
    return 0
