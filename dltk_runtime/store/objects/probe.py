"""Prove that an object store keeps its conditions, with an object of its own, before anything relies on them."""

from __future__ import annotations

import secrets
from contextlib import suppress

from dltk_runtime.errors import StoreError
from dltk_runtime.store.errors import ConditionIgnored
from dltk_runtime.store.objects.bucket import Bucket, unique

FOLDER = "probes"


def check(bucket: Bucket) -> None:
    """Make sure that a store refuses to create what exists, and to replace what has changed.

    Raises:
        ConditionIgnored: it does neither, or only one; names which.
        NotStored, StoreUnreachable: it does not answer, or refuses.
    """
    key = f"{FOLDER}/{secrets.token_hex(16)}"
    try:
        bucket.create(key, unique())
        if bucket.create(key, unique()):
            raise ConditionIgnored(bucket.where, "writes over an object that a put may only create")
        first = bucket.get(key)
        if first is None:
            raise ConditionIgnored(bucket.where, "does not return what was written to it")
        if not bucket.replace(key, unique(), first.tag):
            raise ConditionIgnored(bucket.where, "refuses to replace an object that has not changed")
        if bucket.replace(key, unique(), first.tag):
            raise ConditionIgnored(bucket.where, "replaces an object that has changed since it was read")
    finally:
        with suppress(StoreError):
            bucket.delete([key])
