"""NVIDIA GPUs: which there are, how full their memory is and which processes hold it, as ``nvidia-smi`` tells.

The front process opens no driver and imports no framework. The tool runs beside the event loop and has `PATIENCE`
seconds; that it is missing, fails or hangs is ordinary, and then nothing is known.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import re
from dataclasses import dataclass
from pathlib import Path

TOOL = "nvidia-smi"
PATIENCE = 5.0  # seconds: without persistence mode the driver itself takes two of them to wake up
KILLED = 0.5  # seconds in which a process that was killed is gone, as a rule
DRIVER = Path("/proc/driver/nvidia/gpus")  # a folder for each GPU, whether or not the tool is there
_UUID = re.compile(r"^GPU UUID:\s*(GPU-\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU and its memory in MiB, as it was when the tool was asked."""

    index: str
    uuid: str
    total: int
    used: int
    free: int

    def is_called(self, device: str) -> bool:
        """Whether `CUDA_VISIBLE_DEVICES` may name it so: by index, or by the beginning of its UUID."""
        return device == self.index or (device.startswith("GPU-") and self.uuid.startswith(device))


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds memory of a GPU; `used` is MiB, None where the driver does not tell."""

    pid: int
    uuid: str
    used: int | None


async def find(wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    """The devices that workers may use, as `CUDA_VISIBLE_DEVICES` names them: `wanted`, or (None) all there are.

    UUIDs rather than indexes: CUDA counts devices in another order than the tool. What the variables of container
    platforms say needs no look, for the driver shows no other devices than they let in.
    """
    if wanted is not None:
        return wanted
    found = tuple(card.uuid for card in await cards())
    return found or await asyncio.to_thread(_known_to_driver)


async def cards() -> list[Card]:
    """Every GPU that the tool sees; none without it."""
    rows = await _ask("gpu=index,uuid,memory.total,memory.used,memory.free")
    return [
        Card(index, uuid, int(total), int(used), int(free))
        for index, uuid, total, used, free in (row for row in rows if len(row) == 5)
        if total.isdigit() and used.isdigit() and free.isdigit()
    ]


async def holders() -> list[Holder]:
    """The processes that hold memory of any GPU; inside a container the driver often names none."""
    rows = await _ask("compute-apps=pid,gpu_uuid,used_memory")
    return [
        Holder(int(pid), uuid, int(used) if used.isdigit() else None)
        for pid, uuid, used in (row for row in rows if len(row) == 3)
        if pid.isdigit()
    ]


async def _ask(query: str) -> list[list[str]]:
    """The rows that the tool answers; none when it cannot, or not in time."""
    try:
        process = await asyncio.create_subprocess_exec(
            TOOL,
            f"--query-{query}",
            "--format=csv,noheader,nounits",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return []
    try:
        async with asyncio.timeout(PATIENCE):
            text, _ = await process.communicate()
    except TimeoutError:
        return []
    finally:
        await _end(process)
    if process.returncode:
        return []
    return [[cell.strip() for cell in row] for row in csv.reader(text.decode(errors="replace").splitlines())]


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the tool, if it has not; one that hangs in the driver goes when that lets go, and nobody waits for it."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(KILLED):
            await process.wait()


def _known_to_driver() -> tuple[str, ...]:
    """The GPUs in the driver's own list."""
    found = []
    for file in sorted(DRIVER.glob("*/information")):
        with contextlib.suppress(OSError):
            found += _UUID.findall(file.read_text(errors="replace"))
    return tuple(found)
