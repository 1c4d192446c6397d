"""Explain GPU out-of-memory errors: requested, free, and which processes hold the rest."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from dltk_runtime.pool.gpus import GpuCard, GpuHolder
from dltk_runtime.pool.local import LocalWorker
from dltk_runtime.units import MIB
from dltk_runtime.worker.messages import ErrorReport

# PyTorch, TensorFlow, XLA, CuPy and XGBoost, and the libraries below them, which fail first when
# little is left.
_SHORT = re.compile(
    r"out of memory|OutOfMemoryError|ResourceExhaustedError|RESOURCE_EXHAUSTED|"
    r"CU(?:BLAS|DNN)_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)
_ON_CPU = re.compile(r"device:CPU|DefaultCPUAllocator", re.IGNORECASE)
_PHRASE = re.compile(r"Tried to allocate ([\d.]{1,30} [KMGT]?i?B)")  # PyTorch
_TENSOR = re.compile(r"allocating tensor with shape\s*+\[([\d,]{0,100})\] and type (\w+)")  # TensorFlow
_BYTES = re.compile(r"allocat\w{1,6} ([\d,]{1,40}) ?bytes")  # XLA, CuPy
_SIZES = {
    "double": 8,
    "int64": 8,
    "complex64": 8,
    "half": 2,
    "bfloat16": 2,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}
_DEFAULT_BYTES = 4  # bytes of a float or an int32


def is_shortage(error: ErrorReport) -> bool:
    """Return whether an error says that a GPU had too little memory."""
    return bool(_SHORT.search(error.sentence)) and not _ON_CPU.search(error.sentence)


def explanation(
    error: ErrorReport,
    worker: LocalWorker,
    workers: Sequence[LocalWorker],
    card: GpuCard | None,
    holders: Iterable[GpuHolder],
) -> str:
    """Return the sentence on `worker`'s device; `card` is None if nvidia-smi does not list it."""
    if card is None:
        there = (
            f"the driver's tool (nvidia-smi) does not say how much is free or who holds it; {_placed(worker, workers)}"
        )
        return f"On GPU {worker.device} {wanted(error)} wanted; {there}"
    mine = [holder for holder in holders if holder.uuid == card.uuid]
    held = ", ".join(_held(holder, workers) for holder in sorted(mine, key=lambda each: -(each.used or 0)))
    rest = f"it is held by {held}" if held else f"the driver names no holder; {_placed(worker, workers)}"
    return f"On GPU {card.index} {wanted(error)} wanted, {card.free:,} of {card.total:,} MiB are free, and {rest}"


def wanted(error: ErrorReport) -> str:
    """Return how much was requested, as far as the error says: ``20.00 MiB were``."""
    text = error.sentence + error.traceback  # the sentence may be cut
    if found := _PHRASE.search(text):
        return f"{found[1]} were"
    if found := _TENSOR.search(text):
        shape = [int(length) for length in found[1].split(",") if length]
        return f"{math.prod(shape) * _SIZES.get(found[2], _DEFAULT_BYTES) / MIB:,.2f} MiB were"
    if found := _BYTES.search(text):
        return f"{int(found[1].replace(',', '')) / MIB:,.2f} MiB were"
    return "more memory than there was (the error does not say how much) was"


def _held(holder: GpuHolder, workers: Sequence[LocalWorker]) -> str:
    worker = next((each for each in workers if each.pid == _session(holder.pid)), None)
    amount = "memory" if holder.used is None else f"{holder.used:,} MiB"
    if worker is not None:
        return f"{worker.work or 'a worker without a request'} ({amount}, process {holder.pid})"
    return f"'{_name(holder.pid)}', which is not this server's ({amount}, process {holder.pid})"


def _placed(worker: LocalWorker, workers: Sequence[LocalWorker]) -> str:
    """Name the other workers of this server on the device, where the driver names no holder."""
    beside = [each.work for each in workers if each.device == worker.device and each is not worker and each.work]
    return f"of this server {', '.join(beside)} uses it too" if beside else "nothing else of this server uses it"


def _session(pid: int) -> int:
    """Return the session of a process; a worker leads its own, which its children share."""
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "another process"
