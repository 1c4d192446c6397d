"""Remove all of a model but its reserved numbers and the history of what was done to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dltk_runtime.errors import StoreDamaged
from dltk_runtime.files import atomic
from dltk_runtime.files.copying import is_temporary
from dltk_runtime.names import ModelName
from dltk_runtime.paths import Paths
from dltk_runtime.store import layout
from dltk_runtime.store.layout import CODE_CHOICE, CURRENT, PICTURES, PROMOTED, REMOVED_PREFIX
from dltk_runtime.store.store import ModelStore, opened


def entries(paths: Paths, name: ModelName) -> list[Path]:
    """Return what there is of a model on this machine: versions, whole or not, pointer and promotions, and copies.

    Also with an object store there may be a folder of versions, from before.
    """
    folder = layout.model_folder(paths.versions, name)
    found = [folder / entry for entry in sorted(atomic.names_in(folder)) if _goes(entry)]
    copies = opened(paths).copies_of(name) if paths.objects else None
    return [*found, copies] if copies is not None and copies.exists() else found


def objects(paths: Paths, name: ModelName) -> dict[str, int]:
    """Return the same of the object store, if there is one: addresses, with sizes in bytes.

    Raises:
        StoreUnreachable: it does not answer.
    """
    if not paths.objects:
        return {}
    from dltk_runtime.store.objects import forgetting

    place = opened(paths)
    return {f"{place.bucket.where}/{each.key}": each.size for each in forgetting.listed(place, name)}


def forget(paths: Paths, name: ModelName) -> None:
    """Remove these; whoever applies the model meanwhile finds it whole or not at all.

    Raises:
        NotStored: something cannot be removed.
        StoreUnreachable: the object store does not answer.
    """
    if paths.objects:
        from dltk_runtime.store.objects import forgetting

        forgetting.forget(opened(paths), name)
    else:
        store = ModelStore.open(paths, keep=1)
        with suppress(StoreDamaged):
            if store.versions(name):
                store.delete(name)
    for path in entries(paths, name):
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise atomic.not_stored(f"The removal of {name}", path, error) from error


def shown_pictures(paths: Paths, name: ModelName) -> Iterator[tuple[Path, bool]]:
    """Yield each picture under ``/graphics/`` with the name of one of the model's, and whether it is the same."""
    folder = layout.model_folder(paths.versions, name)
    hashes: dict[Path, set[str]] = {}
    if paths.objects:
        from dltk_runtime.store.objects import forgetting

        hashes = forgetting.pictures(opened(paths), paths.graphics, name)
    for version in layout.listed(folder):
        own = folder / version / PICTURES
        for path in atomic.regular_files(own):
            hashes.setdefault(paths.graphics / path.relative_to(own), set()).add(atomic.sha256(path))
    for shown, own_hashes in sorted(hashes.items()):
        if shown.is_file():
            yield shown, atomic.sha256(shown) in own_hashes


def old_files(paths: Paths, name: ModelName) -> list[Path]:
    """Return the model's files of an old volume."""
    names = (each for each in layout.listed(paths.models) if layout.is_of(each, name.legacy))
    return [paths.models / each for each in sorted(names) if each != paths.versions.name]


def _goes(entry: str) -> bool:
    if entry in (CURRENT, PROMOTED, CODE_CHOICE) or is_temporary(entry) or entry.startswith(REMOVED_PREFIX):
        return True
    return entry.isascii() and entry.isdigit()
