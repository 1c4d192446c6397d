"""Memory of the machine and of workers. All figures are bytes."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

import psutil

from dltk_runtime import cgroup

RESERVE_PARTS = 10  # a spare is started only while at least a tenth of the memory is free
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def limit() -> int:
    """Return the container's memory limit, or the machine's memory if there is none."""
    machine = int(psutil.virtual_memory().total)
    group = cgroup.memory()
    return machine if group is None else min(machine, group.limit)


def enough() -> bool:
    """Return whether there is memory for a spare, on the machine and in the container."""
    machine, group = psutil.virtual_memory(), cgroup.memory()
    if machine.available * RESERVE_PARTS <= machine.total:
        return False
    return group is None or group.limit > machine.total or group.free * RESERVE_PARTS > group.limit


def over(limit: int, sessions: Collection[int]) -> dict[int, int]:
    """Return those of `sessions` that use more than `limit`, with their sizes.

    A session is a worker with its children.

    The sum of resident pages is quick to read, but counts pages that children share with their
    parent several times. So a sum above `limit` is checked against proportional sizes, which are
    slow to read.
    """
    members = _members(sessions)
    suspects = [session for session, sizes in members.items() if sum(sizes.values()) > limit]
    used = {session: sum(map(_proportional, members[session])) for session in suspects}
    return {session: size for session, size in used.items() if size > limit}


def resident(sessions: Collection[int]) -> int:
    """Return the resident memory of all `sessions`; shared pages are counted once per process."""
    return sum(sum(sizes.values()) for sizes in _members(sessions).values())


def _members(sessions: Collection[int]) -> dict[int, dict[int, int]]:
    """Return the processes of each session with their resident size."""
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for name in os.listdir("/proc"):  # noqa: PTH208 - several times a second, of all processes
        if name.isdigit():
            with contextlib.suppress(OSError):  # it has ended
                if (session := os.getsid(int(name))) in sessions:
                    found[session][int(name)] = int(Path(f"/proc/{name}/statm").read_text().split()[1]) * PAGE_BYTES
    return found


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
