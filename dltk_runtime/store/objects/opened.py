"""Open the object store that a home names: once in each process it must prove that it keeps its conditions."""

from __future__ import annotations

import functools

from dltk_runtime.paths import Paths
from dltk_runtime.store.objects import probe
from dltk_runtime.store.objects.address import connected
from dltk_runtime.store.objects.bucket import Bucket
from dltk_runtime.store.objects.object_store import ObjectStore


def opened(paths: Paths) -> ObjectStore:
    """Return the store at the address of `paths`.

    Raises:
        StoreUnusable: the address cannot be used, or the store ignores conditions.
        NotStored, StoreUnreachable: it does not answer, or refuses.
    """
    return ObjectStore(_proven(paths.objects), paths)


@functools.lru_cache(maxsize=8)
def _proven(address: str) -> Bucket:
    bucket = connected(address)
    probe.check(bucket)
    return bucket
