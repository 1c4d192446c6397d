"""Workers: how many, on which devices and nodes, and their memory, threads and deadlines."""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import dataclass

from dltk_runtime import cgroup
from dltk_runtime.names import ModelName
from dltk_runtime.setting_types import (
    as_bytes,
    as_cluster,
    as_devices,
    as_flag,
    as_models,
    as_natural,
    as_positive,
    as_seconds,
    setting,
)


def _as_workers(value: str) -> int:
    """Return a number of workers; for ``auto`` the cores without one, which the front process needs."""
    return max(cores() - 1, 1) if value.strip() == "auto" else as_positive(value)


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Workers: how many, on which devices and nodes, and their memory, threads and deadlines."""

    __slots__ = ()

    api_workers: int = setting(
        "api_workers",
        1,
        "an integer from 1, or auto",
        _as_workers,
        "worker processes that may serve one model at the same time; auto: one for each core but one",
    )
    apply_workers: int = setting(
        "DLTK_APPLY_WORKERS",
        0,
        "an integer from 0",
        as_natural,
        "worker processes kept for apply, all models together; 0: one for each GiB of memory, 2 to 16",
    )
    fit_workers: int = setting(
        "DLTK_FIT_WORKERS",
        0,
        "an integer from 0",
        as_natural,
        "fits that run at the same time, beside those that have a GPU; 0: cores + 1, "
        "with the cores that affinity and the cgroup's quota allow",
    )
    gpus: str = setting(
        "DLTK_GPUS",
        "auto",
        "auto, none, or devices as CUDA_VISIBLE_DEVICES names them (0,1)",
        as_devices,
        "GPUs for notebooks, each for one fit at a time; auto: those that CUDA_VISIBLE_DEVICES and the driver show",
    )
    max_waiting: int = setting(
        "DLTK_MAX_WAITING",
        64,
        "an integer from 0",
        as_natural,
        "requests that may wait for one algorithm; further ones are refused",
    )
    apply_timeout: float = setting(
        "DLTK_APPLY_TIMEOUT", 600.0, "seconds above 0", as_seconds, "deadline of one apply, waiting included"
    )
    fit_timeout: float = setting(
        "DLTK_FIT_TIMEOUT", 86400.0, "seconds above 0", as_seconds, "deadline of one fit, from the start of its process"
    )
    worker_memory: int = setting(
        "DLTK_WORKER_MEMORY",
        0,
        "a size such as 4G",
        as_bytes,
        "memory of one worker and its children; 0: 80% of the container's limit",
    )
    apply_threads: int = setting(
        "DLTK_APPLY_THREADS",
        1,
        "an integer from 1",
        as_positive,
        "threads of numeric libraries in an apply worker",
    )
    fit_threads: int = setting(
        "DLTK_FIT_THREADS", 0, "an integer from 0", as_natural, "the same in a fit worker; 0: cores - 1, at least 1"
    )
    spares: int = setting(
        "DLTK_SPARES", 2, "an integer from 0", as_natural, "worker processes held ready with their imports done"
    )
    preload: tuple[ModelName, ...] = setting(
        "DLTK_PRELOAD",
        (),
        "algorithm/model, several separated by commas",
        as_models,
        "models that are loaded before /readyz answers 200",
    )
    cluster: str = setting(
        "DLTK_CLUSTER",
        "",
        "auto, or host:port of a Ray cluster's head",
        as_cluster,
        "Ray cluster on whose nodes fits may run, too; auto: the one whose node runs on this machine; unset: none",
    )
    cluster_closed: bool = setting(
        "DLTK_CLUSTER_CLOSED",
        False,
        "true or false",
        as_flag,
        "whether nobody else can reach or read the network between the machines of the cluster; needed where Ray does "
        "not encrypt (RAY_USE_TLS)",
    )
    cluster_cpus: int = setting(
        "DLTK_CLUSTER_CPUS",
        0,
        "an integer from 0",
        as_natural,
        "most places for which a notebook or a search may ask by `resources`; 0: no bound",
    )
    cluster_memory: int = setting(
        "DLTK_CLUSTER_MEMORY",
        0,
        "a size such as 16G",
        as_bytes,
        "most memory for which a notebook or a search may ask by `resources`; 0: no bound",
    )
    cluster_applies: bool = setting(
        "DLTK_CLUSTER_APPLIES",
        False,
        "true or false",
        as_flag,
        "whether applies for whose model this machine has no place may run on a node; those of a notebook that asks by "
        "`apply_resources` do so in any case",
    )

    @property
    def fit_slots(self) -> int:
        """Number of fits that run at the same time."""
        return self.fit_workers or cores() + 1

    @property
    def gpu_names(self) -> tuple[str, ...] | None:
        """GPUs that workers may use; None for all that the driver shows."""
        text = self.gpus if self.gpus != "auto" else os.environ.get("CUDA_VISIBLE_DEVICES")
        if text is None:
            return None
        names = (name.strip() for name in text.split(","))  # CUDA, too, stops at the first invalid name
        return tuple(itertools.takewhile(lambda name: name not in ("", "none", "-1", "NoDevFiles"), names))

    @property
    def threads_of_fit(self) -> int:
        """Threads of numeric libraries in a fit worker, which leaves one core to applies."""
        return self.fit_threads or max(1, cores() - 1)


def cores() -> int:
    """Return the number of processors that this process may use.

    A share of one counts as a whole one: half a processor still runs one fit.
    """
    allowed = len(os.sched_getaffinity(0))
    quota = cgroup.processors()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))
