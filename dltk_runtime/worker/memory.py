"""How much memory there is, and how much of it a worker uses. All figures are bytes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # v2, v1
RESERVE = 10  # a spare is started only while at least one part in so many of the memory is free


def limit() -> int:
    """The container's memory limit, or the machine's memory when there is none."""
    machine = int(psutil.virtual_memory().total)
    for file in CGROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
            return min(machine, int(Path(file).read_text()))
    return machine


def enough() -> bool:
    """Whether the machine has memory to spare."""
    memory = psutil.virtual_memory()
    return bool(memory.available * RESERVE > memory.total)


def used_by(pid: int) -> int:
    """Resident memory of a process and its children; 0 when it is gone.

    The sum of RSS is enough for a process alone. With children, pages shared after a fork would be
    counted once for each, so the slower proportional size is asked for (smaps_rollup).
    """
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        children = process.children(recursive=True)
        if not children:
            return int(process.memory_info().rss)
        return sum(_proportional(each.pid) for each in (process, *children))
    return 0


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
