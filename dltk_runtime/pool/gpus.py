"""NVIDIA GPUs, their memory and the processes that hold it, as ``nvidia-smi`` reports them.

The front process opens no driver and imports no framework. The tool runs beside the event loop for
at most `TOOL_SECONDS`; if it is missing, fails or hangs, nothing is known about GPUs.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path

from dltk_runtime.secret_names import variables_without_secrets

TOOL = "nvidia-smi"
TOOL_SECONDS = 5.0  # without persistence mode the driver itself takes two seconds to wake up
KILL_SECONDS = 0.5  # in which a killed process usually ends
DRIVER = Path("/proc/driver/nvidia/gpus")  # a folder for each GPU, also without the tool
_UUID = re.compile(r"^GPU UUID:\s*(GPU-\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class GpuCard:
    """A GPU and its memory in MiB, at the time of the query."""

    index: str
    uuid: str
    total: int
    used: int
    free: int

    def is_called(self, device: str) -> bool:
        """Return whether `device` of `CUDA_VISIBLE_DEVICES` names it, by index or UUID prefix."""
        return device == self.index or (device.startswith("GPU-") and self.uuid.startswith(device))


@dataclass(frozen=True, slots=True)
class GpuHolder:
    """A process that holds GPU memory; `used` is in MiB, None if not reported."""

    pid: int
    uuid: str
    used: int | None


async def find(wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the devices that workers may use, as `CUDA_VISIBLE_DEVICES` names them.

    These are the `wanted` ones, or all if that is None.

    UUIDs rather than indexes, since CUDA counts devices in another order than the tool. The
    variables of container platforms are not read: the driver shows only the devices that they
    allow.
    """
    if wanted is not None:
        return wanted
    found = tuple(card.uuid for card in await cards())
    return found or await asyncio.to_thread(_known_to_driver)


async def cards() -> list[GpuCard]:
    """Return every GPU that the tool sees; empty without the tool."""
    rows = await _ask("gpu=index,uuid,memory.total,memory.used,memory.free")
    return [
        GpuCard(index, uuid, int(total), int(used), int(free))
        for index, uuid, total, used, free in (row for row in rows if len(row) == 5)
        if total.isdigit() and used.isdigit() and free.isdigit()
    ]


async def holders() -> list[GpuHolder]:
    """Return the processes that hold memory of any GPU.

    Inside a container the driver often names none.
    """
    rows = await _ask("compute-apps=pid,gpu_uuid,used_memory")
    return [
        GpuHolder(int(pid), uuid, int(used) if used.isdigit() else None)
        for pid, uuid, used in (row for row in rows if len(row) == 3)
        if pid.isdigit()
    ]


async def _ask(query: str) -> list[list[str]]:
    """Return the rows that the tool prints; empty if it fails or is too slow."""
    try:
        process = await asyncio.create_subprocess_exec(
            TOOL,
            f"--query-{query}",
            "--format=csv,noheader,nounits",
            env=variables_without_secrets(os.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return []
    try:
        async with asyncio.timeout(TOOL_SECONDS):
            text, _ = await process.communicate()
    except TimeoutError:
        return []
    finally:
        await _end(process)
    if process.returncode:
        return []
    return [[cell.strip() for cell in row] for row in csv.reader(text.decode(errors="replace").splitlines())]


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the tool if it still runs; one that hangs in the driver ends later, without a waiter."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KILL_SECONDS):
            await process.wait()


def _known_to_driver() -> tuple[str, ...]:
    """Return the GPUs in the driver's own list."""
    found = []
    for file in sorted(DRIVER.glob("*/information")):
        with contextlib.suppress(OSError):
            found += _UUID.findall(file.read_text(errors="replace"))
    return tuple(found)
