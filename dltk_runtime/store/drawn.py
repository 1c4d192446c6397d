"""The pictures that a version's fit drew."""

from __future__ import annotations

import re
from pathlib import Path

from dltk_runtime.files import atomic
from dltk_runtime.store.interface import Version

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
    if not _NAME.fullmatch(path.name) or not path.is_file() or path.is_symlink():
        return None
    return TYPES.get(path.suffix.lower())


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
