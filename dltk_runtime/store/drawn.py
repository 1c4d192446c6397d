"""The pictures that a version's fit drew."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO

from dltk_runtime.files import atomic
from dltk_runtime.store import saved
from dltk_runtime.store.handles import Version

MAX_PICTURES = 24  # of one version that are named
# Types that browsers show as pictures; a page or a script on this address would be one of a stranger.
TYPES = {
    ".apng": "image/apng",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_ .-]{0,199}", re.ASCII)  # names that dsdlsupport allows for pictures


def kind_of(path: Path) -> str | None:
    """Return the media type of a picture that may be sent; None for anything else."""
    return TYPES[path.suffix.lower()] if is_name(path.name) and path.is_file() and not path.is_symlink() else None


def is_name(name: str) -> bool:
    """Return whether a picture may have this name."""
    return _NAME.fullmatch(name) is not None and Path(name).suffix.lower() in TYPES


def opened(path: Path) -> tuple[IO[bytes], str] | None:
    """Open a picture that may be sent; return it with its media type. None for anything else, and for a link."""
    if (kind := kind_of(path)) is None:
        return None
    try:
        file = atomic.opened(path, "rb")
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file, kind
    file.close()
    return None


def names(version: Version) -> list[str]:
    """Return the names of a version's pictures, sorted, at most `MAX_PICTURES`."""
    folder = version.location().pictures
    if not folder:
        return []
    found = sorted(name for name in atomic.names_in(Path(folder)) if kind_of(Path(folder, name)))
    return found[:MAX_PICTURES]


def path_of(version: Version, name: str) -> Path | None:
    """Return the file of one of them; None where there is no such picture."""
    folder = version.location().pictures
    path = Path(folder, name)
    return path if folder and "/" not in name and kind_of(path) else None


def show(pictures: Path, graphics: Path) -> None:
    """Copy the pictures that a fit drew, also those in further folders, to where ``GET /graphics/`` finds them.

    Links are not followed, and nothing but pictures is copied: `graphics` is served without a token, and
    a notebook may have put a link in the place of either folder.
    """
    with suppress(OSError):
        for path, file in saved.opened(pictures, is_name, unread=lambda _: None):
            with suppress(OSError):  # a picture that cannot be shown must not cost the promotion
                atomic.copy_open(file, graphics / path)
