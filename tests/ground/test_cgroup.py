"""Limits of control groups, in each layout that a kernel or a container shows."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from dltk_runtime import cgroup, settings
from dltk_runtime.pool import memory
from dltk_runtime.units import GIB, MIB

Files = Mapping[str, str]
Show = Callable[[str, Files], None]

V2 = "0::/\n"
V1 = "12:cpu,cpuacct:/docker/a1\n11:memory:/docker/a1\n1:name=systemd:/docker/a1\n"
NESTED = "0::/system.slice/dltk.service\n"
HYBRID = "4:memory:/\n1:cpu:/\n0::/\n"
OUTSIDE = "0::/../other\n"


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Show:
    """Shows the process a /proc/self/cgroup and files below /sys/fs/cgroup."""

    def show(own: str, files: Files) -> None:
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    (tmp_path / "root").mkdir()
    monkeypatch.setattr(cgroup, "ROOT", tmp_path / "root")
    monkeypatch.setattr(cgroup, "OWN_GROUPS", tmp_path / "own")
    return show


QUOTAS: dict[str, tuple[str, Files, float | None]] = {
    "version 2": (V2, {"cpu.max": "150000 100000\n"}, 1.5),
    "version 2 without a limit": (V2, {"cpu.max": "max 100000\n"}, None),
    "a group above has less": (
        NESTED,
        {"system.slice/cpu.max": "50000 100000\n", "system.slice/dltk.service/cpu.max": "200000 100000\n"},
        0.5,
    ),
    "version 1, whose path is the host's": (
        V1,
        {"cpu,cpuacct/cpu.cfs_quota_us": "50000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
        0.5,
    ),
    "version 1 without a limit": (
        V1,
        {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
        None,
    ),
    "both versions": (
        HYBRID,
        {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n", "unified/cpu.max": "max 100000\n"},
        3.0,
    ),
    "a group outside of the namespace": (OUTSIDE, {"cpu.max": "250000 100000\n"}, 2.5),
    "no groups": ("", {}, None),
    "what no kernel writes": (V2, {"cpu.max": "soon\n"}, None),
}


@pytest.mark.parametrize("case", QUOTAS)
def test_the_quota_of_processors_is_known(case: str, show: Show) -> None:
    own, files, wanted = QUOTAS[case]
    show(own, files)
    assert cgroup.processors() == wanted


@pytest.mark.parametrize(
    ("cpu_max", "wanted"), [("50000 100000", 1), ("150000 100000", 2), ("9900000 100000", 64), ("max 100000", 64)]
)
def test_a_quota_counts_wherever_cores_do(
    cpu_max: str, wanted: int, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(V2, {"cpu.max": cpu_max})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert settings.cores() == wanted
    assert settings.Settings().fit_slots == wanted + 1
    assert settings.Settings().threads_of_fit == max(1, wanted - 1)


@pytest.mark.parametrize(
    ("own", "files"),
    [
        (V2, {"memory.max": f"{100 * MIB}", "memory.current": f"{30 * MIB}", "memory.stat": f"inactive_file {MIB}\n"}),
        (
            V1,
            {
                "memory/memory.limit_in_bytes": f"{100 * MIB}",
                "memory/memory.usage_in_bytes": f"{30 * MIB}",
                "memory/memory.stat": f"inactive_file 5\ntotal_inactive_file {MIB}\n",
            },
        ),
    ],
)
def test_a_containers_memory_counts_in_either_version(own: str, files: Files, show: Show) -> None:
    show(own, files)
    assert cgroup.memory() == cgroup.Memory(100 * MIB, 29 * MIB)
    assert memory.limit() == 100 * MIB < psutil.virtual_memory().total


def test_no_limit_is_the_machines_memory(show: Show) -> None:
    machine = psutil.virtual_memory().total
    show(V2, {"memory.max": "max", "memory.current": "5"})
    assert memory.limit() == machine
    show(V1, {"memory/memory.limit_in_bytes": f"{2**63 - 4096}", "memory/memory.usage_in_bytes": "5"})
    assert memory.limit() == machine


def test_memory_for_spares_counts_the_container(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    class Machine:
        total, available = 256 * GIB, 200 * GIB

    monkeypatch.setattr(psutil, "virtual_memory", Machine)
    show(V2, {"memory.max": f"{8 * GIB}", "memory.current": f"{4 * GIB}"})
    assert memory.enough()
    show(V2, {"memory.current": f"{7 * GIB + 900 * MIB}", "memory.stat": f"inactive_file {2 * GIB}\n"})
    assert memory.enough()  # the cache of files can go
    show(V2, {"memory.stat": "inactive_file 0\n"})
    assert not memory.enough()
    show(V2, {"memory.max": "max"})
    assert memory.enough()
    Machine.available = 5 * GIB
    assert not memory.enough()
