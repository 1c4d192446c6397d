"""What tests of the store have in common: one name, and versions made in one line."""

from __future__ import annotations

from pathlib import Path

from obstore.store import MemoryStore

from dltk_runtime.files import atomic
from dltk_runtime.paths import Paths
from dltk_runtime.store.objects.bucket import Bucket
from dltk_runtime.store.objects.object_store import ObjectStore
from dltk_runtime.store.store import Facts, ModelName, ModelStore, Version

NAME = ModelName("umap", "default")


def commit(store: ModelStore, name: ModelName = NAME, text: str = "{}", facts: Facts | None = None) -> Version:
    """A version whose notebook saved one file."""
    with store.reserve(name) as reserved:
        Path(reserved.location.folder, f"{name.legacy}.json").write_text(text)
        return reserved.commit(facts or Facts(), b"[]", b'{"model": "m", "model_summary": null}')


def promoted(store: ModelStore, name: ModelName = NAME, text: str = "{}") -> Version:
    version = commit(store, name, text)
    store.promote(version)
    return version


def entries(store: ModelStore, name: ModelName = NAME) -> set[str]:
    return set(atomic.names_in(store._store.folder(name)))


def in_memory(paths: Paths) -> ObjectStore:
    """A store of objects inside this process; it looks at each manifest again, each time."""
    return ObjectStore(Bucket(MemoryStore(), "memory://"), paths, trust_seconds=0)
