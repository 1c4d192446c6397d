"""Which store a bucket holds: copies of its files, and servers attached to it, are told apart by that."""

from __future__ import annotations

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.store.objects import keys
from dltk_runtime.store.objects.bucket import Bucket, unique


class Identity:
    """The identity of the store in a bucket: made once, by whichever server comes first."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._known = ""

    def get(self) -> str:
        """Return the identity; the store is asked once.

        Raises:
            StoreDamaged: its object holds none; copies of two stores could be taken for one another's.
            NotStored, StoreUnreachable: the store does not answer.
        """
        if not self._known:
            found = self._bucket.get(keys.STORE)
            if found is None:
                self._bucket.create(keys.STORE, unique())
                found = self._bucket.get(keys.STORE)
            if found is None or not keys.is_identity(found.data):
                raise StoreDamaged(
                    f"{self._bucket.where}/{keys.STORE} is damaged: it holds no identity. Remove that object while no "
                    "server runs: a new one is made, and versions are fetched anew."
                )
            self._known = found.data.decode("ascii")
        return self._known
