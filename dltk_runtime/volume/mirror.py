"""A stand-in for a volume, in which notebook code may write what it likes.

Folders are made anew; files are links to the volume's. A worker that may not change the volume can
read them; where the kernel cannot keep it from that, they are copies.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from dltk_runtime.files.copying import entries
from dltk_runtime.volume.old import paths_of


def mirror(volume: Path, target: Path, *, copies: bool) -> None:
    """Make `target` stand for `volume`, without the versions of this runtime.

    Raises:
        OSError: the volume cannot be read, or `target` not be written.
    """
    source = volume.resolve()
    for path, is_folder in entries(source, frozenset({paths_of(source).versions})):
        place = target / path
        if is_folder:
            place.mkdir(parents=True, exist_ok=True)
        elif (source / path).is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            if copies:
                shutil.copyfile(source / path, place)
            else:
                place.symlink_to(source / path)
