"""Open the object store that a home names: a process that writes has it prove first that it keeps its conditions."""

from __future__ import annotations

import functools

from dltk_runtime.paths import Paths
from dltk_runtime.store.objects import probe
from dltk_runtime.store.objects.address import connected
from dltk_runtime.store.objects.bucket import Bucket
from dltk_runtime.store.objects.object_store import ObjectStore


def opened(paths: Paths) -> ObjectStore:
    """Return the store at the address of `paths`; asks it nothing.

    Raises:
        StoreUnusable: the address cannot be used.
    """
    return ObjectStore(_bucket(paths.objects), paths, prove=functools.partial(_prove, paths.objects))


@functools.lru_cache(maxsize=8)
def _bucket(address: str) -> Bucket:
    return connected(address)


@functools.lru_cache(maxsize=8)
def _prove(address: str) -> None:
    probe.check(_bucket(address))
