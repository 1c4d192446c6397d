"""What one replica has and uses: workers, their memory, GPUs."""

from __future__ import annotations

import socket

import msgspec

from dltk_runtime.pool import memory
from dltk_runtime.pool.pool import Pool
from dltk_runtime.units import MIB


class Gpu(msgspec.Struct, frozen=True):
    """A GPU as of the last look."""

    index: str
    used_bytes: int
    total_bytes: int


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one replica now. `memory_bytes` are resident, of workers and their children."""

    replica: str
    ready: bool
    workers: int
    busy: int
    waiting_applies: int
    waiting_fits: int
    memory_bytes: int
    memory_limit_bytes: int
    gpus: list[Gpu]


def machine_of(pool: Pool, *, ready: bool) -> Machine:
    """Look the figures up; reads /proc."""
    usage = pool.usage()
    cards = (each.card for each in pool.gpus())
    return Machine(
        replica=socket.gethostname(),
        ready=ready,
        workers=usage.workers,
        busy=usage.busy,
        waiting_applies=usage.waiting_applies,
        waiting_fits=usage.waiting_fits,
        memory_bytes=usage.memory_bytes,
        memory_limit_bytes=memory.limit(),
        gpus=[Gpu(each.index, each.used * MIB, each.total * MIB) for each in cards],
    )
