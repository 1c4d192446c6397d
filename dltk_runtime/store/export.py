"""Copy the files of a version out of the store."""

from __future__ import annotations

from pathlib import Path

from dltk_runtime.files import atomic
from dltk_runtime.store.errors import ExportBlocked, NothingToExport
from dltk_runtime.store.handles import Version
from dltk_runtime.store.layout import OURS


def export(version: Version, to: Path, *, force: bool = False) -> list[Path]:
    """Copy the notebook's files into `to` under a DSDL container's flat names; return them.

    Raises:
        NothingToExport: the notebook's `save` stored nothing.
        ExportBlocked: `to` has one of the files already and `force` is false.
        StoreDamaged: a file is missing or has changed.
        NotStored: they cannot be written.
    """
    version.verify(hashes=True)
    names = [stored.path for stored in version.manifest().files if stored.path not in OURS]
    if not names:
        raise NothingToExport(version.id)
    flat = {name: name.replace(version.name.file, version.name.legacy) for name in names}
    existing = [name for name in flat.values() if (to / name).exists()]
    if existing and not force:
        raise ExportBlocked(to, existing)
    folder = Path(version.location().folder)
    try:
        return [atomic.copy(folder / name, to / flat_name) for name, flat_name in flat.items()]
    except OSError as error:
        raise atomic.not_stored(f"The files of {version}", to, error) from error
