"""Pack an app as ``.spl``: a gzipped tar without local changes, hidden files and execute bits."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from dltk_runtime.files import atomic
from dltk_runtime.flows.app import App
from dltk_runtime.flows.errors import PackageInvalid

# Of every entry, so that the same files make the same bytes; epoch seconds.
_TIMESTAMP = 1_700_000_000
_EXCLUDED_NAMES = {"local", "__pycache__"}


def pack(app: App, to: Path) -> Path:
    """Write ``<app>-<version>.spl`` into the folder `to` and return its path.

    Raises:
        PackageInvalid: the app has no version.
        OSError: the file cannot be written.
    """
    version = app.setting("app.conf", "launcher", "version") or app.setting("app.conf", "id", "version")
    if not version:
        raise PackageInvalid(f"{app.folder}/default/app.conf has no version under [launcher]")
    to.mkdir(parents=True, exist_ok=True)
    path = to / f"{app.name}-{version}.spl"
    atomic.write(path, _tar(app), durable=False)
    return path


def _tar(app: App) -> bytes:
    content = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=content, mode="wb", mtime=_TIMESTAMP) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        folders: set[str] = set()
        for path in atomic.regular_files(app.folder):
            inner = path.relative_to(app.folder)
            if _EXCLUDED_NAMES.intersection(inner.parts) or any(part.startswith(".") for part in inner.parts):
                continue
            if inner.name == "local.meta":
                continue
            name = Path(app.name, inner)
            for parent in reversed(name.parents[:-1]):
                if str(parent) not in folders:
                    folders.add(str(parent))
                    tar.addfile(_entry(str(parent), tarfile.DIRTYPE, 0o755))
            data = path.read_bytes()
            entry = _entry(str(name), tarfile.REGTYPE, 0o644)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, _TIMESTAMP
    return entry
