"""What a backup holds: the file `backup.json`, written last, so it marks a complete backup.

::

    DIR/
        backup.json         this record
        home/…              DLTK_HOME, without what `LEFT_OUT` names
        notebooks/…         the folder of notebooks
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from dltk_runtime.files.copying import Copied
from dltk_runtime.files.records import decoded
from dltk_runtime.paths import Paths
from dltk_runtime.volume.errors import BackupDamaged, BackupIncomplete

RECORD = "backup.json"
RECORD_FORMAT = 1  # raised when an older runtime could not restore what is written
HOME, NOTEBOOKS = "home", "notebooks"
SET_ASIDE = ".before-restore-"  # begins the folder for what was in the place of a restoration
# Entries of a home that no backup has, and why.
LEFT_OUT = {
    "tls": "private keys; the server makes a new certificate, or API_SSL_KEY names yours",
    "events": "events that wait for Splunk; they would be sent twice",
    "tracking": "runs that wait for MLflow; they would be sent twice",
    "calls": "what servers answered last",
    "console": "sessions of the console",
    "jupyter": "made again at each start",
}


class BackupRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A backup's content. `time` (UTC) is its end; `files` are in the order to restore them in.

    `problems` has a sentence for each damaged version and each file that could not be read.
    """

    format: int = RECORD_FORMAT
    runtime: str
    time: datetime
    models: int
    versions: int
    jobs: int
    files: list[Copied]
    folders: list[str]  # that may be empty
    left_out: list[str]  # links and what else is no file
    problems: list[str]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(each.size for each in self.files)


def read(folder: Path) -> BackupRecord:
    """Return the record of the backup in a folder.

    Raises:
        BackupIncomplete: there is none.
        BackupDamaged: it cannot be read, is one of a newer runtime, or names what no backup has.
    """
    path = folder / RECORD
    try:
        record = decoded(path.read_bytes(), BackupRecord)
    except FileNotFoundError as error:
        raise BackupIncomplete(folder, RECORD, (folder / HOME).exists()) from error
    except (OSError, ValueError) as error:
        raise BackupDamaged(folder, [f"{path} cannot be read: {error}"]) from error
    if record.format > RECORD_FORMAT:
        newer = f"{path} has format {record.format}, and this runtime reads up to {RECORD_FORMAT}: use a newer one"
        raise BackupDamaged(folder, [newer])
    for name in [*(each.path for each in record.files), *record.folders]:
        if not _is_inside(name):
            raise BackupDamaged(folder, [f"{path} names {name!r}, which is outside of a home"])
        if _is_left_out(name):
            raise BackupDamaged(folder, [f"{path} names {name!r}, which no backup has"])
    return record


def place_of(path: str, paths: Paths) -> Path:
    """Return where a path of a backup belongs: in the home, or in the folder of notebooks."""
    root, _, rest = path.partition("/")
    return (paths.home if root == HOME else paths.notebooks) / rest


def versions_of(paths: Paths) -> str:
    """Return the folder of a backup that holds the versions of models."""
    return f"{HOME}/{paths.versions.relative_to(paths.home).as_posix()}"


def _is_inside(path: str) -> bool:
    root, *parts = path.split("/")
    wrong = {"", ".", ".."}.intersection(parts)
    return root in (HOME, NOTEBOOKS) and bool(parts) and not wrong and "\0" not in path


def _is_left_out(path: str) -> bool:
    """Return whether a path belongs to what stays where it is when a backup is restored."""
    root, name, *_ = path.split("/")
    return name.startswith(SET_ASIDE) or (root == HOME and name in LEFT_OUT)
